"""What each way of running a student costs, and whether its output is the same.

Run as a module with a route, its file and a file for the sound, it speaks by
that route in a process of its own and prints what that took.
"""

import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    frames_of,
    median_seconds,
    peak,
    peak_from_here,
    print_figures,
    random_student,
)
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.loading import load_student
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet

_SEED = 1
_LONG_SECONDS = 600
# A stream's blocks: a fifth of a second or so.
_BLOCK_FRAMES = 16
_BATCHES = (1, 2, 4, 8, 16)

Synthesize = Callable[[dict, int], np.ndarray]


def measure_routes(
    student: ParallelWaveNet | None = None,
) -> dict[str, dict[str, float]]:
    """Every route of a student against Keras, on the same features and seed.

    Args:
        student: The student; an untrained one of `nano` if left out.

    Returns:
        By route: `export_seconds` and `bytes` of what was written;
        `difference`, of any of ten seconds' samples from Keras at most, and
        `snr_db`; `cold_start_seconds`, from a process with TensorFlow imported
        to the first second of sound; `second_seconds` and
        `ten_seconds_seconds`, what these take at batch 1; `long_bytes`, by how
        much a process grows that loads it and synthesizes ten minutes.
    """
    if student is None:
        student = random_student(preset("nano"))
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = _written(student, folder)
        features = folder / "features.npz"
        frames = frames_of(student, _LONG_SECONDS)
        np.savez(
            features,
            **random_features(student.audio, student.conditioning, 1, frames),
        )
        for route in Bar(_ROUTES, desc="routes"):
            path, seconds = written[_ROUTES[route][0]]
            sound = folder / f"{route}.npy"
            found = figures_apart(
                __name__,
                route,
                str(path),
                str(sound),
                str(features),
                str(frames_of(student, 1)),
            )
            figures[route] = found | {
                "export_seconds": seconds,
                "bytes": _bytes(path),
            }
        expected = np.load(folder / "keras.npy").astype(np.float64)
        for route, found in figures.items():
            difference = np.load(folder / f"{route}.npy") - expected
            found["difference"] = float(np.abs(difference).max())
            found["snr_db"] = _decibels(expected, difference)
    return figures


def measure_throughput() -> dict[int, float]:
    """The SavedModel of an untrained `nano` on batches of a second each.

    Returns:
        By batch: seconds of sound in a second.
    """
    student = random_student(preset("nano"))
    frames = frames_of(student, 1)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        path, _ = _written(student, Path(folder), ["saved_model"])[
            "saved_model"
        ]
        synthesize = _saved_model(path)
        for batch in Bar(_BATCHES, desc="batches"):
            features = random_features(
                student.audio, student.conditioning, batch, frames
            )
            figures[batch] = batch / median_seconds(
                lambda f=features: synthesize(f, _SEED)
            )
    return figures


def _written(student, folder: Path, formats=None) -> dict:
    """The files of all formats, and how long they took to write."""
    from pwavenet_tf.export.onnx import export_onnx
    from pwavenet_tf.export.saved_model import export_saved_model
    from pwavenet_tf.export.tflite import export_tflite

    writers = {
        "keras": ("student.keras", lambda path: student.save(path)),
        "saved_model": (
            "voice",
            functools.partial(export_saved_model, student),
        ),
        "tflite": ("voice.tflite", functools.partial(export_tflite, student)),
        "onnx": ("voice.onnx", functools.partial(export_onnx, student)),
    }
    written = {}
    for name in formats or writers:
        file, write = writers[name]
        started = time.perf_counter()
        write(folder / file)
        written[name] = folder / file, time.perf_counter() - started
    return written


def _keras(path: Path, jit_compile: bool = False) -> Synthesize:
    from pwavenet_tf.synthesis.student import Synthesizer

    return Synthesizer(load_student(path), jit_compile=jit_compile)


def _saved_model(path: Path) -> Synthesize:
    loaded = tf.saved_model.load(str(path / "1"))
    names = loaded.signatures["serving_default"].structured_input_signature[1]

    def synthesize(features, seed):
        rows = len(features["mel"])
        return loaded.synthesize(
            _taken(features, names), seed=tf.fill([rows], np.int64(seed))
        )["audio"].numpy()

    return synthesize


def _streamed(path: Path) -> Synthesize:
    loaded = tf.saved_model.load(str(path / "1"))
    names = loaded.signatures["stream"].structured_input_signature[1]

    def synthesize(features, seed):
        pieces, state = [], {}
        features = _taken(features, names)
        frames = len(features["mel"][0])
        for start in range(0, frames, _BLOCK_FRAMES):
            end = start + _BLOCK_FRAMES
            part = {
                name: x[:, start:end] if len(x.shape) == 3 else x
                for name, x in features.items()
            }
            output = loaded.stream(
                part,
                seed=tf.constant([seed], tf.int64),
                end=tf.constant([end >= frames]),
                **state,
            )
            pieces.append(output["audio"].numpy())
            state = {"state": {k: x for k, x in output.items() if k in names}}
            # `lengths` is an input and an output, but no state.
            del state["state"]["lengths"]
        return np.concatenate(pieces, axis=1)

    return synthesize


def _taken(features: dict, names) -> dict:
    return {
        name: tf.cast(features[name], spec.dtype)
        for name, spec in names.items()
        if name in features
    }


def _lite(path: Path) -> Synthesize:
    from pwavenet_tf.export.lite.voice import LiteVoice

    return LiteVoice(path, threads=2)


def _onnx(path: Path) -> Synthesize:
    from pwavenet_tf.export.onnx import OnnxVoice

    return OnnxVoice(path)


# What is loaded, and how it synthesizes.
_ROUTES: dict[str, tuple[str, Callable[[Path], Synthesize]]] = {
    "keras": ("keras", _keras),
    "keras with XLA": ("keras", functools.partial(_keras, jit_compile=True)),
    "SavedModel": ("saved_model", _saved_model),
    "SavedModel, streamed": ("saved_model", _streamed),
    "TFLite": ("tflite", _lite),
    "ONNX": ("onnx", _onnx),
}


def _apart(
    route: str, path: str, sound: str, features: str, second: str
) -> dict[str, float]:
    with np.load(features) as stored:
        whole = dict(stored)

    def lasting(seconds):
        frames = seconds * int(second)
        return {
            name: x[:, :frames] if x.ndim == 3 else x
            for name, x in whole.items()
        }

    before, started = peak_from_here(), time.perf_counter()
    synthesize = _ROUTES[route][1](Path(path))
    synthesize(lasting(1), _SEED)
    cold = time.perf_counter() - started
    short = median_seconds(lambda: synthesize(lasting(1), _SEED))
    np.save(sound, synthesize(lasting(10), _SEED))
    figures = {
        "cold_start_seconds": cold,
        "second_seconds": short,
        "ten_seconds_seconds": median_seconds(
            lambda: synthesize(lasting(10), _SEED), 3
        ),
    }
    synthesize(whole, _SEED)
    return figures | {"long_bytes": peak() - before}


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def _decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    """At most 200 dB, for JSON has no infinity."""
    power, lost = np.square(signal).sum(), np.square(noise).sum()
    return float(-10 * np.log10(max(lost / power, 1e-20)))


if __name__ == "__main__":
    print_figures(**_apart(*sys.argv[1:]))
