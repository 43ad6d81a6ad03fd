"""The script that shows the plain Keras workflow."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from repository import ROOT
from tiny_run import tiny_preset

import pwavenet_tf
from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.statistics import with_mel_statistics
from pwavenet_tf.models.loading import load_student, load_teacher

SCRIPT = ROOT / "docs" / "keras_workflow.py"
EPOCHS = 2


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of two 16 kHz recordings of noise, over a second long."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, samples in enumerate((17_000, 20_123)):
        noise = np.random.default_rng(number).normal(0, 0.1, samples)
        write_audio(folder / f"{number}.wav", noise, 16_000)
    return folder


def require_written(out: Path) -> None:
    """Both models load, the log and a sound for each epoch are there."""
    teacher = load_teacher(out / "teacher.keras")
    student = load_student(out / "student.keras")
    assert len((out / "teacher.csv").read_text().splitlines()) == EPOCHS + 1
    assert teacher.audio == student.audio
    assert len(teacher.audio.mel_mean) == teacher.audio.mels
    for epoch in range(EPOCHS):
        sound, rate = soundfile.read(out / f"{epoch + 1}.wav")
        assert rate == 16_000
        assert len(sound) == 17_000
        assert sound.std() > 0


def test_it_has_eighty_lines():
    assert len(SCRIPT.read_text().splitlines()) <= 80


def started(*arguments) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env=kept,
        capture_output=True,
        text=True,
    )


def refusal(*arguments, monkeypatch) -> str:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stopped.value.code.count("\n") == 0
    return stopped.value.code


@pytest.mark.network
def test_without_arguments_it_ends_in_one_line():
    process = started()
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.count("\n") == 1
    assert "16_KHZ_MONO_WAVS OUT EPOCHS STEPS" in process.stderr


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((), "not enough values"),
        ((1, 2, 3), "too many values"),
        (("one", 1), "'one'"),
        ((0, 1), "EPOCHS and STEPS are 1 or more"),
        ((1, -1), "EPOCHS and STEPS are 1 or more"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    recordings, tmp_path, counts, message, monkeypatch
):
    out = tmp_path / "out"
    line = refusal(recordings, out, *counts, monkeypatch=monkeypatch)
    assert message in line and not out.exists()


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros((20_000, 2)), 16_000, "b.wav: is not mono"),
        (np.zeros(20_000), 22_050, "b.wav: is not mono, finite and of 16000"),
        (np.full(20_000, np.nan), 16_000, "b.wav: is not mono, finite"),
        (b"no sound", None, "b.wav"),
        (None, None, "there are no recordings"),
    ],
)
def test_wrong_recordings_end_in_one_line(
    recordings, tmp_path, sound, rate, message, monkeypatch
):
    wavs, out = tmp_path / "wavs", tmp_path / "out"
    wavs.mkdir()
    if rate:
        soundfile.write(wavs / "b.wav", sound, rate, "FLOAT")
        shutil.copy(recordings / "0.wav", wavs / "a.wav")
    elif sound:
        (wavs / "b.wav").write_bytes(sound)
    line = refusal(wavs, out, 1, 1, monkeypatch=monkeypatch)
    assert message in line and not out.exists()


def test_a_file_is_no_place_to_write(recordings, tmp_path, monkeypatch):
    (tmp_path / "out").touch()
    line = refusal(recordings, tmp_path / "out", 1, 1, monkeypatch=monkeypatch)
    assert str(tmp_path / "out") in line


@pytest.mark.network
def test_it_runs_with_tiny_models(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(pwavenet_tf, "preset", lambda name: tiny_preset())
    arguments = [recordings, tmp_path, EPOCHS, 2]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    require_written(tmp_path)


@pytest.mark.slow
def test_it_runs_as_a_user_would_run_it(recordings, tmp_path):
    arguments = [recordings, tmp_path, EPOCHS, 1]
    subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], check=True)
    require_written(tmp_path)


def test_mel_statistics_normalise_every_band_over_all_recordings():
    contract = AudioContract(mels=20)
    generator = np.random.default_rng(0)
    recordings_in_memory = [
        generator.normal(0, level, samples).astype(np.float32)
        for level, samples in ((0.1, 9_000), (0.01, 30_000))
    ]
    contract = with_mel_statistics(contract, recordings_in_memory)
    every = np.concatenate(
        [LogMel(contract)(sound) for sound in recordings_in_memory]
    )
    np.testing.assert_allclose(every.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(every.std(axis=0), 1, atol=1e-4)


def test_mel_statistics_of_nothing_are_refused():
    with pytest.raises(UserError, match="no recordings"):
        with_mel_statistics(AudioContract(), [])
