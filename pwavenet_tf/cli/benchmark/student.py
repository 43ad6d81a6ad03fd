"""What each way of running a student costs, and whether its output is the same.

Run as a module with a route, its file and files of features and of sound, it
synthesizes by that route in a process of its own and prints what that took.
"""

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.machine import cores
from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    frames_of,
    peak,
    peak_from_here,
    print_figures,
    random_student,
)
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.loading import load_student
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet

_SEED = 1
# Of sound, in seconds.
_LENGTHS, _QUICK_LENGTHS = (1, 10, 60), (1,)
# A stream's blocks: a fifth of a second or so.
_BLOCK_FRAMES = 16

Synthesize = Callable[[dict, int], np.ndarray]


def measure(quick: bool) -> Iterator[Row | list[Row]]:
    """Every route of untrained students."""
    for name in ("nano",) if quick else ("nano", "paper"):
        yield from measure_routes(random_student(preset(name)), name, quick)


def measure_routes(
    student: ParallelWaveNet, name: str, quick: bool
) -> Iterator[Row | list[Row]]:
    """Every route of a student against Keras, on the same features and seed.

    Args:
        student: The student.
        name: Its name in the rows.
        quick: Only a second of sound, and fewer runs.

    Yields:
        For each route: the time of the export and the size of what was written;
        the time from a process with TensorFlow imported to the first second
        of sound; the time of each length; how much memory a process takes that
        loads it and synthesizes these; of the longest sound, the largest
        difference of a sample from Keras and the power over that of all
        differences.
    """
    lengths = _QUICK_LENGTHS if quick else _LENGTHS
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frames = [frames_of(student, seconds) for seconds in lengths]
        np.savez(
            folder / "features.npz",
            **random_features(
                student.audio, student.conditioning, 1, frames[-1]
            ),
        )
        written: dict[str, Path] = {}
        for route, (kind, _) in _ROUTES.items():
            setting = f"{name}, {route}"
            try:
                if kind not in written:
                    started = time.perf_counter()
                    written[kind] = _write(student, kind, folder)
                    seconds = time.perf_counter() - started
                    yield Row(f"{setting}, export", (seconds,))
                    size = _bytes(written[kind])
                    yield Row(f"{setting}, size", (size,), "bytes")
            except UserError as error:
                yield Row(setting, (), note=f"not measured: {error}")
                continue
            yield _route(student, setting, route, written[kind], frames)


def _route(
    student: ParallelWaveNet,
    setting: str,
    route: str,
    path: Path,
    frames: Sequence[int],
) -> list[Row]:
    """The rows of a route, measured in processes of its own."""
    arguments = route, str(path), json.dumps(frames)
    found = figures_apart(__name__, "time", *arguments, memory=False)
    grown = figures_apart(__name__, "memory", *arguments)["bytes"]
    rate, hop = student.audio.sample_rate, student.audio.hop_length
    rows = [
        Row(f"{setting}, cold start", (found["cold"],)),
        *(
            Row(
                f"{setting}, {count * hop / rate:.0f} s",
                tuple(values),
                sound=count * hop / rate,
                operations=count * hop * operations_per_sample(student),
            )
            for count, values in zip(frames, found["seconds"], strict=True)
        ),
        Row(f"{setting}, memory", (grown,), "bytes"),
    ]
    if route == "Keras":
        return rows
    expected = np.load(path.with_name("Keras.npy")).astype(np.float64)
    difference = np.load(path.with_name(f"{route}.npy")) - expected
    largest = float(np.abs(difference).max())
    decibels = _decibels(expected, difference)
    return [
        *rows,
        Row(f"{setting}, difference", (largest,), ""),
        Row(f"{setting}, SNR", (decibels,), "dB"),
    ]


def _write(student: ParallelWaveNet, kind: str, folder: Path) -> Path:
    """The file or folder of a format.

    Raises:
        UserError: If what the format needs is not installed.
    """
    from pwavenet_tf.export.onnx import export_onnx
    from pwavenet_tf.export.saved_model import export_saved_model
    from pwavenet_tf.export.tflite import export_tflite

    name, write = {
        "keras": ("student.keras", student.save),
        "saved_model": (
            "voice",
            functools.partial(export_saved_model, student),
        ),
        "tflite": ("voice.tflite", functools.partial(export_tflite, student)),
        "onnx": ("voice.onnx", functools.partial(export_onnx, student)),
    }[kind]
    write(folder / name)
    return folder / name


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

    return LiteVoice(path, threads=cores())


def _onnx(path: Path) -> Synthesize:
    from pwavenet_tf.export.onnx import OnnxVoice

    return OnnxVoice(path)


# What is loaded, and how it synthesizes.
_ROUTES: dict[str, tuple[str, Callable[[Path], Synthesize]]] = {
    "Keras": ("keras", _keras),
    "Keras with XLA": ("keras", functools.partial(_keras, jit_compile=True)),
    "SavedModel": ("saved_model", _saved_model),
    "SavedModel, streamed": ("saved_model", _streamed),
    "TFLite": ("tflite", _lite),
    "ONNX": ("onnx", _onnx),
}


def _apart(what: str, route: str, path: str, frames: str) -> dict:
    """Times and output of a route, or how much memory it takes."""
    folder = Path(path).parent
    with np.load(folder / "features.npz") as stored:
        whole = dict(stored)
    parts = [
        {name: x[:, :count] if x.ndim == 3 else x for name, x in whole.items()}
        for count in json.loads(frames)
    ]
    before, started = peak_from_here(), time.perf_counter()
    synthesize = _ROUTES[route][1](Path(path))
    sound = synthesize(parts[0], _SEED)
    cold, seconds = time.perf_counter() - started, []

    def run(part: dict) -> None:
        nonlocal sound
        sound = synthesize(part, _SEED)

    if what == "memory":
        run(parts[-1])
        return {"bytes": peak() - before}
    for part in parts:
        seconds += timings(functools.partial(run, part), quick=len(parts) < 2)
    np.save(folder / f"{route}.npy", sound)
    return {"cold": cold, "seconds": seconds}


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def _decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    """At most 200 dB, for JSON has no infinity."""
    power, lost = np.square(signal).sum(), np.square(noise).sum()
    return float(-10 * np.log10(max(lost / power, 1e-20)))


if __name__ == "__main__":
    print_figures(**_apart(*sys.argv[1:]))
