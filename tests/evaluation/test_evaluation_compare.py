"""Claims about a comparison: its figures, its sound and its page."""

import base64
import csv
import io
import json
import math
import re

import numpy as np
import pytest
import soundfile
import tiny_models
from tiny_run import copied, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.audio.metrics import griffin_lim, level, log_spectral_distance
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.evaluate import evaluate
from pwavenet_tf.evaluation.quality import measure_all
from pwavenet_tf.models.loading import load_model
from pwavenet_tf.synthesis.student import Synthesizer


@pytest.fixture(scope="module")
def report(tiny_run, tmp_path_factory):
    """The folder of a report on both models, its result, and recordings."""
    place = tmp_path_factory.mktemp("report")
    write_recordings(place / "held_out", 2, seed=2)
    recordings = sorted((place / "held_out").iterdir())
    models = {
        path: load_model(path) for path in (tiny_run.teacher, tiny_run.student)
    }
    found = evaluate(
        models, recordings, place / "out", {"tone-0": "a <rising> tone"}
    )
    return place / "out", found.metrics, recordings, models


BASELINES = ["Griffin-Lim", "WORLD"]


@pytest.mark.network
def test_the_metrics_file_holds_what_is_returned(report):
    folder, metrics, recordings, _ = report
    content = json.loads((folder / "metrics.json").read_text())
    for system, values in content.items():
        values.pop("intervals")
        values.pop("differences", None)
        for name, value in values.items():
            returned = metrics[system][name]
            if returned is not None and math.isnan(returned):
                returned = None
            assert value == returned, (system, name)
        assert set(values) == set(metrics[system])
    models = ["teacher", "student"]
    assert list(metrics) == ["recording", *models, *BASELINES]
    audio = read_audio(recordings[0], 16_000)
    common = set(measure_all(audio, audio, 16_000)) | set(level(audio))
    generated = common | {"samples_per_second"}
    assert set(metrics["recording"]) == set(metrics["Griffin-Lim"]) == common
    scored = generated | {
        "bits_per_sample",
        "nats_per_sample",
        "sample_bits",
        "inside_50",
        "inside_90",
        "swapped_mel_penalty",
    }
    assert set(metrics["teacher"]) == scored
    assert set(metrics["student"]) == scored | {"kl_to_teacher"}


def test_every_recording_and_system_has_a_row(report):
    folder, metrics, recordings, _ = report
    with (folder / "recordings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["system"]) for row in rows] == [
        (path.name, system) for path in recordings for system in metrics
    ]
    for system, values in metrics.items():
        own = [row for row in rows if row["system"] == system]
        seconds = [float(row["seconds"]) for row in own]
        for name in (
            "mel_cepstral_distortion",
            "octave_500",
            "bits_per_sample",
            "kl_to_teacher",
        ):
            if name not in values:
                assert {row[name] for row in own} == {""}
                continue
            weights = seconds if "_to_" in name or "bits" in name else None
            mean = np.average(
                [float(row[name]) for row in own], weights=weights
            )
            assert values[name] == pytest.approx(mean, rel=1e-4)


def test_models_are_compared_with_recordings_baselines_and_each_other(report):
    """The bounds hold the mean, and pairs are differences of the means."""
    folder, metrics, _, _ = report
    content = json.loads((folder / "metrics.json").read_text())
    for model in ("teacher", "student"):
        others = content[model]["differences"]
        assert list(others) == [name for name in metrics if name != model]
        for other, values in others.items():
            assert "stoi" in values and "octave_63" in values
            assert ("nats_per_sample" in values) == (
                other in ("teacher", "student")
            )
            for name, one in values.items():
                if one["low"] is None:
                    # The recordings are too short for some measures.
                    assert name in ("stoi", "extended_stoi", "f0_error")
                    continue
                expected = metrics[model][name] - metrics[other][name]
                assert one["mean"] == pytest.approx(expected, abs=1e-6)
                assert one["low"] - 1e-9 <= one["mean"] <= one["high"] + 1e-9
    assert "differences" not in content["recording"]


def test_the_metrics_are_means_over_the_recordings(report):
    """Against each recording's own, from the student's own synthesis."""
    _, metrics, recordings, models = report
    teacher, student = models.values()
    contract, synthesizer = student.audio, Synthesizer(student)
    expected = {"recording": [], "student": [], "Griffin-Lim": []}
    nats, samples = 0.0, 0
    batch = [LogMel(contract)(read_audio(path, 16_000)) for path in recordings]
    longest = max(map(len, batch))
    for row, (path, mel) in enumerate(zip(recordings, batch, strict=True)):
        audio = read_audio(path, contract.sample_rate)
        rows = np.stack(
            [
                np.pad(one, ((0, longest - len(one)), (0, 0)), "edge")
                for one in batch
            ]
        )
        systems = {
            "recording": audio,
            "student": synthesizer(rows)[row, : len(mel) * 200],
            "Griffin-Lim": griffin_lim(mel, contract),
        }
        for system, generated in systems.items():
            distance = log_spectral_distance(audio, generated, contract)
            expected[system].append(
                {"log_spectral_distance": distance}
                | level(generated[: len(audio)])
            )
        padded = np.pad(audio, (0, len(mel) * 200 - len(audio)))[None]
        inputs = {"audio": padded, "mel": mel[None]}
        log_prob = teacher.distribution(inputs).log_prob(padded)
        nats -= float(np.sum(log_prob.numpy()[0, : len(audio)]))
        samples += len(audio)
    for system, values in expected.items():
        for name in values[0]:
            mean = np.mean([one[name] for one in values])
            assert metrics[system][name] == pytest.approx(mean, rel=1e-3), name
    assert metrics["recording"]["log_spectral_distance"] == 0.0
    assert metrics["teacher"]["bits_per_sample"] == pytest.approx(
        nats / samples / np.log(2), rel=1e-5
    )


def test_every_system_of_every_recording_is_a_sound_file(report):
    folder, metrics, recordings, models = report
    names = {
        f"{path.stem}-{system}.wav" for path in recordings for system in metrics
    }
    sound = folder / "sound"
    assert {path.name for path in sound.iterdir()} == names
    for path in recordings:
        own = soundfile.info(path).frames
        whole = -(-own // 200) * 200
        for system in ("teacher", "student"):
            info = soundfile.info(sound / f"{path.stem}-{system}.wav")
            assert (info.frames, info.samplerate) == (whole, 16_000)


def test_the_report_plays_every_system_and_shows_the_text(report):
    folder, metrics, recordings, _ = report
    page = (folder / "report.html").read_text("utf-8")
    players = re.findall(
        r"<audio[^>]*?src=\"data:audio/\w+;base64,([^\"]+)\"", page, re.DOTALL
    )
    assert len(players) == len(metrics) * len(recordings)
    played, files = (
        sorted(len(soundfile.read(sound)[0]) for sound in lengths_of)
        for lengths_of in (
            [io.BytesIO(base64.b64decode(player)) for player in players],
            (folder / "sound").iterdir(),
        )
    )
    assert played == files
    assert "a &lt;rising&gt; tone" in page
    assert "loss on held-out recordings" in page


def test_the_scores_by_file_average_to_the_overall_ones(report):
    folder, metrics, recordings, _ = report
    with (folder / "bits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [path.name for path in recordings]
    seconds = [float(row["seconds"]) for row in rows]
    for row, path in zip(rows, recordings, strict=True):
        assert float(row["seconds"]) == soundfile.info(path).duration
    for name in ("bits_per_sample", "inside_50", "inside_90"):
        for model in ("teacher", "student"):
            each = [float(row[f"{model} {name}"]) for row in rows]
            assert name != "bits_per_sample" or each[0] != each[1]
            assert metrics[model][name] == pytest.approx(
                np.average(each, weights=seconds), abs=1e-5
            )


@pytest.mark.network
def test_two_models_of_one_name_are_two_voices(tiny_run, tmp_path):
    (tmp_path / "second").mkdir()
    second = copied(tiny_run.student, tmp_path / "second")
    student = load_model(second)
    recording = tiny_run.recordings / "tone-0.wav"
    found = evaluate(
        {tiny_run.student: student, second: student}, [recording], tmp_path
    )
    header = (tmp_path / "bits.csv").read_text().splitlines()[0]
    assert ",student bits_per_sample,student inside_50," in header
    assert f",{second} bits_per_sample," in header
    assert list(found.metrics) == [
        "recording",
        "student",
        str(second),
        *BASELINES,
    ]
    assert len(list((tmp_path / "sound").iterdir())) == 3 + len(BASELINES)
    # And equal models have equal figures, to the last digit.
    with (tmp_path / "recordings.csv").open(newline="") as file:
        first, again = (
            row
            for row in csv.DictReader(file)
            if row.pop("system") in ("student", str(second))
        )
    assert first == again


def test_recordings_of_one_name_are_refused(tiny_run, tmp_path):
    recordings = [tmp_path / "a.wav", tmp_path / "b" / "a.wav"]
    for path in recordings:
        write_audio(path, tiny_models.audio(frames=200)[0], 16_000)
    student = load_model(tiny_run.student)
    with pytest.raises(UserError, match="a.wav and .*/b/a.wav have one name"):
        evaluate({tiny_run.student: student}, recordings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.network
def test_without_sound_models_score_and_nothing_is_generated(
    tiny_run, tmp_path, capsys, report
):
    out = tmp_path / "out"
    arguments = [
        "evaluate",
        f"--model={tiny_run.teacher}",
        f"--model={tiny_run.student}",
        f"--reference={report[2][0].parent}",
        f"--out={out}",
        "--nosound",
    ]
    assert cli.main(arguments) == 0
    assert {path.name for path in out.iterdir()} == {
        "metrics.json",
        "recordings.csv",
        "bits.csv",
        "report.html",
    }
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics) == ["teacher", "student"]
    for model, values in metrics.items():
        assert "log_spectral_distance" not in values
        for name, value in values.items():
            if name in ("intervals", "differences"):
                continue
            expected = report[1][model][name]
            assert value == pytest.approx(expected, rel=1e-5), (model, name)
    page = (out / "report.html").read_text("utf-8")
    assert "<audio" not in page
    assert "Calibration" in page
    screen = capsys.readouterr().out
    for values in metrics.values():
        assert f"{values['bits_per_sample']:.3f} of 16" in screen
    assert "tone-1.wav" in screen
