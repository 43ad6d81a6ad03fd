"""Claims about comparisons of models with more conditioning than a mel."""

import dataclasses
import html
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.audio.pitch import pitch_track, sinusoid_track
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.evaluation.evaluate import evaluate
from pwavenet_tf.evaluation.scores import IMPOSSIBLE, screen_table


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory):
    """Recordings of two speakers with label files, and who knows them."""
    folder = tmp_path_factory.mktemp("dialogue") / "wavs"
    folder.mkdir()
    for number, speaker in enumerate(("anna", "ben", "anna", "ben")):
        name = f"{number}_{speaker}"
        audio = tiny_models.audio(frames=50 + 9 * number, seed=number)[0]
        write_audio(folder / f"{name}.wav", audio, 16_000)
        write_labels(
            folder / "labels" / f"{name}.csv",
            [Phone("a", 0, 0.03), Phone("unknown", 0.03, 0.06)],
        )
    return folder


@pytest.mark.network
def test_models_of_different_conditioning_share_a_report(dialogue, tmp_path):
    """Heads, conditioning and kind of model differ.

    The student's flows are wild: they can't be inverted on recordings.
    """
    everything = dataclasses.replace(
        tiny_models.EVERYTHING, inputs=("mel", "linguistic", "pitch", "speaker")
    )
    models = {
        Path("all.keras"): tiny_models.teacher(
            conditioning=everything, head="mu_law"
        ),
        Path("mel.keras"): tiny_models.teacher(),
        Path("quick.keras"): tiny_models.calmer(
            tiny_models.student(conditioning=everything), 4.0
        ),
    }
    found = evaluate(
        models,
        sorted(dialogue.glob("*.wav")),
        tmp_path,
        folder=dialogue,
        speaker_pattern="_(.+)[.]",
    )
    assert list(found.metrics) == [
        "recording",
        "all",
        "mel",
        "quick",
        "Griffin-Lim",
        "WORLD",
    ]
    bits = {
        system: of.get("sample_bits") for system, of in found.metrics.items()
    }
    assert (bits["all"], bits["mel"], bits["quick"]) == (8, 16, 16)
    for name in ("mel", "linguistic", "pitch", "speaker"):
        penalty = f"swapped_{name}_penalty"
        assert penalty in found.metrics["all"]
        assert (penalty in found.metrics["mel"]) == (name == "mel")
        assert penalty not in found.metrics["quick"]
    page = (tmp_path / "report.html").read_text("utf-8")
    assert found.metrics["quick"]["bits_per_sample"] == math.inf
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["quick"]["bits_per_sample"] is None
    count = found.scorings[2].impossible
    assert count > 0
    for text in (page, screen_table(found.scorings)):
        assert IMPOSSIBLE.format(count) in html.unescape(text)
    # One matrix, of two speakers; bits of other levels are not compared.
    assert page.count('<tr><th scope="row">anna</th>') == 1
    assert "codes of 8 bits are not compared" in page
    scored = page.partition("Bits per sample\n")[2].partition("</tr>")[0]
    assert 'class="best"' not in scored


def test_the_scored_features_are_the_recordings_own(dialogue, tmp_path):
    """Against the teacher's density, conditioned by hand on the files."""
    teacher = tiny_models.teacher(conditioning=tiny_models.EVERYTHING)
    path = dialogue / "3_ben.wav"
    found = evaluate(
        {Path("all.keras"): teacher},
        [path],
        tmp_path,
        folder=dialogue,
        speaker_pattern="_(.+)[.]",
        sound=False,
    )
    audio = read_audio(path, 16_000)
    contract, frames = teacher.audio, len(audio) // tiny_models.HOP
    centre = (np.arange(frames) + 0.5) * tiny_models.HOP / 16_000
    # Phone a, one that the teacher does not know, silence to the end.
    seconds = len(audio) / 16_000
    phones = np.select(
        [centre[:, None] < 0.03, centre[:, None] < 0.06],
        [[0, 1, 0], [1, 0, 3]],
        [0, 3, 0],
    )
    start = np.select([centre < 0.03, centre < 0.06], [0, 0.03], 0.06)
    duration = np.where(centre < 0.06, 0.03, seconds - 0.06)
    timing = np.stack(
        [(centre - start) / duration, np.log(duration / 0.1)], axis=1
    )
    track = pitch_track(audio, contract)
    pitch = track - [np.log(150.0), 0]
    inputs = {
        "audio": audio,
        "mel": LogMel(contract)(audio),
        "phones": phones.astype("int32"),
        "timing": timing.astype("float32"),
        "pitch": pitch.astype("float32"),
        "sinusoids": sinusoid_track(track, contract),
        "speaker": np.int32(1),
    }
    inputs = {key: value[None] for key, value in inputs.items()}
    log_prob = teacher.distribution(inputs).log_prob(audio[None])
    assert found.metrics["all"]["bits_per_sample"] == pytest.approx(
        -float(np.mean(log_prob)) / np.log(2), rel=1e-5
    )
    # One recording has no other one to swap with.
    assert "swapped_mel_penalty" not in found.metrics["all"]


def test_an_unknown_speaker_is_named_with_the_known_ones(dialogue, tmp_path):
    teacher = tiny_models.teacher(conditioning=tiny_models.EVERYTHING)
    with pytest.raises(
        UserError, match="0_anna.wav: the speaker 0_anna .* are anna, ben"
    ):
        evaluate(
            {Path("all.keras"): teacher},
            [dialogue / "0_anna.wav"],
            tmp_path / "out",
            folder=dialogue,
            speaker_pattern="(.+)[.]",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.network
def test_a_students_conditioning_sensitivity_is_measured(dialogue, tmp_path):
    student = tiny_models.calmer(
        tiny_models.student(conditioning=tiny_models.EVERYTHING)
    )
    found = evaluate(
        {Path("quick.keras"): student},
        sorted(dialogue.glob("*.wav")),
        tmp_path,
        folder=dialogue,
        speaker_pattern="_(.+)[.]",
        sound=False,
    )
    for name in ("mel", "linguistic", "pitch", "speaker"):
        penalty = found.metrics["quick"][f"swapped_{name}_penalty"]
        assert math.isfinite(penalty)
        # The recordings' pitch and phones are much alike.
        assert penalty != 0.0 or name in ("pitch", "linguistic")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('<tr><th scope="row">anna</th>') == 1
