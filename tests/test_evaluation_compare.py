"""Models against recordings, and how probable a teacher finds them."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
import tiny_models
from tiny_run import copied, write_recordings

from pwavenet_tf.corpus.audio import read_audio, write_audio
from pwavenet_tf.errors import UserError
from pwavenet_tf.evaluation.compare import evaluate
from pwavenet_tf.evaluation.likelihood import Likelihood
from pwavenet_tf.evaluation.metrics import (
    griffin_lim,
    level,
    log_spectral_distance,
)
from pwavenet_tf.models import load_model
from pwavenet_tf.speaking import mel_of_recording
from pwavenet_tf.synthesis import Synthesizer, Windows

CONTRACT = tiny_models.CONTRACT


@pytest.fixture(scope="module")
def teacher():
    return tiny_models.teacher()


def in_one_pass(teacher, audio, mel) -> float:
    """Mean of -ln p over a recording, from the whole of it at once."""
    padding = mel.shape[0] * tiny_models.HOP - len(audio)
    padded = np.pad(audio, (0, padding))[None]
    log_prob = teacher.distribution(padded, mel[None]).log_prob(padded)
    return -float(np.mean(log_prob.numpy()[0, : len(audio)], dtype="float64"))


@pytest.mark.parametrize("frames", [1, 5, 80, 81, 200])
def test_likelihood_in_windows_is_that_of_one_pass(teacher, frames):
    mel = tiny_models.mel(frames=frames)[0]
    # The last frame is seldom a full one.
    audio = tiny_models.audio(frames=frames)[0][:-7]
    assert Likelihood(teacher).nats_per_sample(audio, mel) == pytest.approx(
        in_one_pass(teacher, audio, mel), rel=1e-5
    )


def test_the_likelihood_test_sees_several_windows(teacher):
    assert Windows.of(teacher, 80).count(200) == 3


def test_another_mel_is_another_likelihood(teacher):
    audio = tiny_models.audio(frames=5)[0]
    likelihood = Likelihood(teacher)
    own, other = (
        likelihood.nats_per_sample(audio, tiny_models.mel(1, 5, seed)[0])
        for seed in (0, 1)
    )
    assert abs(own - other) > 1e-3


@pytest.fixture(scope="module")
def report(tiny_run, tmp_path_factory):
    """The folder of a report on both models, what it was told, and of what."""
    place = tmp_path_factory.mktemp("report")
    write_recordings(place / "heard", 2, seed=2)
    recordings = sorted((place / "heard").iterdir())
    models = {
        path: load_model(path) for path in (tiny_run.teacher, tiny_run.student)
    }
    metrics = evaluate(
        models, recordings, place / "out", {"tone-0": "a <rising> tone"}
    )
    return place / "out", metrics, recordings, models


def test_the_metrics_file_holds_what_is_returned(report):
    folder, metrics, _, _ = report
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert list(metrics) == ["recording", "teacher", "student", "Griffin-Lim"]
    common = {
        "log_spectral_distance",
        "mean",
        "standard_deviation",
        "mean_absolute",
    }
    spoken = common | {"samples_per_second"}
    assert set(metrics["recording"]) == set(metrics["Griffin-Lim"]) == common
    assert set(metrics["student"]) == spoken
    assert set(metrics["teacher"]) == spoken | {"negative_log_likelihood"}


def test_the_metrics_are_means_over_the_recordings(report):
    """Against each recording's own, from the student's own synthesis."""
    _, metrics, recordings, models = report
    teacher, student = models.values()
    contract, synthesizer = student.audio, Synthesizer(student)
    expected = {"recording": [], "student": [], "Griffin-Lim": []}
    nats, samples = 0.0, 0
    batch = [
        mel_of_recording(read_audio(path, 16_000), contract)
        for path in recordings
    ]
    longest = max(map(len, batch))
    for row, (path, mel) in enumerate(zip(recordings, batch, strict=True)):
        audio = read_audio(path, contract.sample_rate)
        rows = np.stack(
            [
                np.pad(one, ((0, longest - len(one)), (0, 0)), "edge")
                for one in batch
            ]
        )
        voices = {
            "recording": audio,
            "student": synthesizer(rows)[row, : len(mel) * 200],
            "Griffin-Lim": griffin_lim(mel, contract),
        }
        for voice, spoken in voices.items():
            distance = log_spectral_distance(audio, spoken, contract)
            expected[voice].append(
                {"log_spectral_distance": distance}
                | level(spoken[: len(audio)])
            )
        padded = np.pad(audio, (0, len(mel) * 200 - len(audio)))[None]
        log_prob = teacher.distribution(padded, mel[None]).log_prob(padded)
        nats -= float(np.sum(log_prob.numpy()[0, : len(audio)]))
        samples += len(audio)
    for voice, values in expected.items():
        for name in values[0]:
            mean = np.mean([one[name] for one in values])
            assert metrics[voice][name] == pytest.approx(mean, rel=1e-3), name
    assert metrics["recording"]["log_spectral_distance"] == 0.0
    assert metrics["teacher"]["negative_log_likelihood"] == pytest.approx(
        nats / samples, rel=1e-5
    )


def test_every_voice_of_every_recording_is_a_sound_file(report):
    folder, metrics, recordings, models = report
    names = {
        f"{path.stem}-{voice}.wav" for path in recordings for voice in metrics
    }
    sound = folder / "sound"
    assert {path.name for path in sound.iterdir()} == names
    for path in recordings:
        own = soundfile.info(path).frames
        whole = -(-own // 200) * 200
        for voice in ("teacher", "student"):
            info = soundfile.info(sound / f"{path.stem}-{voice}.wav")
            assert (info.frames, info.samplerate) == (whole, 16_000)


def test_the_report_plays_every_voice_and_tells_the_text(report):
    folder, metrics, recordings, _ = report
    page = (folder / "report.html").read_text("utf-8")
    players = re.findall(
        r"<audio[^>]*?src=\"data:audio/\w+;base64,([^\"]+)\"", page, re.DOTALL
    )
    assert len(players) == len(metrics) * len(recordings)
    played, files = (
        sorted(len(soundfile.read(sound)[0]) for sound in sounds)
        for sounds in (
            [io.BytesIO(base64.b64decode(player)) for player in players],
            (folder / "sound").iterdir(),
        )
    )
    assert played == files
    assert "a &lt;rising&gt; tone" in page
    assert "loss on held-out recordings" in page


def test_two_models_of_one_name_are_two_voices(tiny_run, tmp_path):
    (tmp_path / "second").mkdir()
    second = copied(tiny_run.student, tmp_path / "second")
    student = load_model(second)
    recording = tiny_run.recordings / "tone-0.wav"
    metrics = evaluate(
        {tiny_run.student: student, second: student}, [recording], tmp_path
    )
    assert list(metrics) == [
        "recording",
        "student",
        str(second),
        "Griffin-Lim",
    ]
    assert len(list((tmp_path / "sound").iterdir())) == 4


def test_recordings_of_one_name_are_refused(tiny_run, tmp_path):
    recordings = [tmp_path / "a.wav", tmp_path / "b" / "a.wav"]
    for path in recordings:
        write_audio(path, tiny_models.audio(frames=200)[0], 16_000)
    student = load_model(tiny_run.student)
    with pytest.raises(UserError, match="a.wav and .*/b/a.wav have one name"):
        evaluate({tiny_run.student: student}, recordings, tmp_path / "out")
    assert not (tmp_path / "out").exists()
