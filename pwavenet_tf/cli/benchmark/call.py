"""What a whole call costs beyond the network: files, checks, noise, imports."""

import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.cli.benchmark.peak_memory import frames_of, random_student
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.describe import FeatureExtractor
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.files import read_features, synthesize_to_file
from pwavenet_tf.synthesis.student import Synthesizer

_SECONDS, _QUICK_SECONDS = 10, 1
_INPUT = "one.npy"


class _Recorded(Synthesizer):
    """Keeps what the network was given, block by block."""

    def __init__(self, student: ParallelWaveNet) -> None:
        super().__init__(student)
        self.given: list[tuple] = []

    def advance(self, state, *given):
        self.given.append(given)
        return super().advance(state, *given)


def measure(quick: bool) -> Iterator[Row | list[Row]]:
    """From a mel spectrogram on disk to a WAV file, against the network alone.

    Then, for `nano`, as a command of its own against Python that imports
    TensorFlow.
    """
    seconds = _QUICK_SECONDS if quick else _SECONDS
    for name in ("nano",) if quick else ("nano", "paper"):
        student = random_student(preset(name))
        with tempfile.TemporaryDirectory() as place:
            yield _call(student, name, Path(place), seconds, quick)
            if name == "nano":
                yield from _command(student, Path(place), seconds, quick)


def _call(
    student: ParallelWaveNet, name: str, folder: Path, seconds: int, quick: bool
) -> list[Row]:
    """Within a process that has the student, in turns."""
    contract, conditioning = student.audio, student.conditioning
    frames = frames_of(student, seconds)
    features = random_features(contract, conditioning, 1, frames)
    np.save(folder / _INPUT, features["mel"][0])
    describe = FeatureExtractor(contract, conditioning.inputs, folder)
    recorded = _Recorded(student)
    recorded(features)

    def network() -> None:
        state = recorded.initial_state(1)
        for given in recorded.given:
            audio, state = Synthesizer.advance(recorded, state, *given)
            audio.numpy()

    synthesizer = Synthesizer(student)

    def call() -> None:
        found = read_features(folder / _INPUT, synthesizer, describe)
        synthesize_to_file(synthesizer, found, folder / "one.wav")

    samples = frames * contract.hop_length
    settings = "the network alone", "from .npy to .wav"
    measured = timings(network, call, quick=quick)
    return [
        Row(
            f"{name}, {seconds} s, {setting}",
            values,
            sound=samples / contract.sample_rate,
            operations=samples * operations_per_sample(student),
        )
        for setting, values in zip(settings, measured, strict=True)
    ]


def _command(
    student: ParallelWaveNet, folder: Path, seconds: int, quick: bool
) -> Iterator[Row]:
    """Processes, in turns; the second of each finds its files in memory."""
    files = {"Keras": folder / "student.keras"}
    student.save(files["Keras"])
    try:
        from pwavenet_tf.export.tflite import export_tflite

        export_tflite(student, folder / "voice.tflite")
        files["TFLite"] = folder / "voice.tflite"
    except UserError as error:
        yield Row("nano, command, TFLite", (), note=f"not measured: {error}")
    commands = {"import tensorflow": ["-c", "import tensorflow"]}
    commands |= {
        f"nano, {seconds} s, pwavenet synthesize, {route}": [
            *("-m", "pwavenet_tf", "synthesize", f"--model={file}"),
            *(f"--input={folder / _INPUT}", f"--out={folder / 'sound'}"),
        ]
        for route, file in files.items()
    }
    runs = [
        functools.partial(_finish, command) for command in commands.values()
    ]
    measured = timings(*runs, quick=quick)
    for setting, values in zip(commands, measured, strict=True):
        yield Row(setting, values)


def _finish(command: list[str]) -> None:
    """Runs Python with arguments.

    Raises:
        UserError: If it fails; its last line says why.
    """
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise UserError(f"{' '.join(command)} failed: {''.join(last)}")
