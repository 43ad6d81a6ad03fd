"""How time and memory grow with length, batch, and a network's layers.

Run as a module with seconds, it synthesizes so much in chunks and prints the
peak memory that this takes.
"""

import dataclasses
import functools
import sys
from collections.abc import Iterator

import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    frames_of,
    peak_growth,
    print_figures,
    random_student,
)
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.student import Synthesizer

# Seconds of sound; rows of a second; seconds in chunks; layers of a teacher.
_LENGTHS, _QUICK_LENGTHS = (1, 2, 5, 10, 30, 60), (1, 2)
_BATCHES, _QUICK_BATCHES = (1, 2, 4, 8, 16), (1, 2)
_STREAMED, _QUICK_STREAMED = (10, 60, 600), (1,)
_LAYERS, _QUICK_LAYERS = (3, 6, 9, 12, 15, 18), (3,)
_CLIP_FRAMES = 100


def measure(quick: bool) -> Iterator[Row | list[Row]]:
    """`nano`'s student by length and batch, a training step by layers.

    Those of one kind take turns, so that a moment in which the machine does
    something else falls on all of them. Where time grows in proportion to the
    work, the share of the peak is the same in all.
    """
    synthesizer = Synthesizer(random_student(preset("nano")))
    yield _in_turns(
        {
            f"nano, {seconds} s": _synthesis(synthesizer, 1, seconds)
            for seconds in (_QUICK_LENGTHS if quick else _LENGTHS)
        },
        quick,
    )
    yield _in_turns(
        {
            f"nano, batch of {rows}, 1 s": _synthesis(synthesizer, rows, 1)
            for rows in (_QUICK_BATCHES if quick else _BATCHES)
        },
        quick,
    )
    for seconds in _QUICK_STREAMED if quick else _STREAMED:
        grown = figures_apart(__name__, str(seconds))["bytes"]
        yield Row(f"nano, memory of {seconds} s in chunks", (grown,), "bytes")
    yield _in_turns(
        {
            f"nano's teacher, a training step, {layers} layers": _step(layers)
            for layers in (_QUICK_LAYERS if quick else _LAYERS)
        },
        quick,
    )


def _in_turns(works: dict, quick: bool) -> list[Row]:
    """A row for each work: a function, seconds of sound, and operations."""
    measured = timings(*(run for run, _, _ in works.values()), quick=quick)
    return [
        Row(setting, values, sound=sound, operations=operations)
        for (setting, (_, sound, operations)), values in zip(
            works.items(), measured, strict=True
        )
    ]


def _synthesis(synthesizer: Synthesizer, rows: int, seconds: float) -> tuple:
    student = synthesizer.student
    frames = frames_of(student, seconds)
    features = random_features(
        student.audio, student.conditioning, rows, frames
    )
    samples = rows * frames * student.audio.hop_length
    return (
        functools.partial(synthesizer, features, 1),
        samples / student.audio.sample_rate,
        samples * operations_per_sample(student),
    )


def _step(layers: int) -> tuple:
    """A training step of `nano`'s teacher with its first layers alone."""
    nano = preset("nano")
    sizes = dataclasses.replace(
        nano.teacher, dilations=nano.teacher.dilations[:layers]
    )
    teacher = WaveNet.from_preset(dataclasses.replace(nano, teacher=sizes))
    teacher.build()
    teacher.compile("adam", jit_compile=True)
    samples = _CLIP_FRAMES * teacher.audio.hop_length
    audio = tf.random.stateless_uniform((1, samples), (0, 0), -0.5, 0.5)
    features = random_features(
        teacher.audio, teacher.conditioning, 1, _CLIP_FRAMES
    )
    batch = (features | {"audio": audio}, audio, tf.ones_like(audio))
    return (
        functools.partial(teacher.train_on_batch, *batch),
        samples / teacher.audio.sample_rate,
        3 * samples * operations_per_sample(teacher),
    )


def _grown(seconds: str) -> int:
    synthesizer = Synthesizer(random_student(preset("nano")))
    frame = random_features(
        synthesizer.contract, synthesizer.conditioning, 1, 1
    )
    count = frames_of(synthesizer.student, float(seconds))

    def run() -> None:
        for _ in synthesizer.stream(frame for _ in range(count)):
            pass

    return peak_growth(run)


if __name__ == "__main__":
    print_figures(bytes=_grown(*sys.argv[1:]))
