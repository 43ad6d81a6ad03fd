"""Sampling from untrained teachers, one sample after the other."""

import dataclasses
import functools
import math
import time
from collections.abc import Iterator

import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    frames_of,
    peak,
    random_teacher,
)
from pwavenet_tf.cli.benchmark.rows import MOST_RUNS, Row, timings
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.teacher import CachedSampler

# Frames of one run of the compiled loop.
_CHUNK_FRAMES = {"nano": 80, "v1": 40, "paper": 2}
_STREAMS = (1, 2, 4, 8, 16, 32, 64)
_LONG_SECONDS = 60
_BOUND_STEPS = 1_000


def measure(quick: bool) -> Iterator[Row]:
    """Every preset's teacher naively and cached, `nano`'s on many streams.

    Naive is the whole network over its receptive field for every sample, cached
    the loop of `CachedSampler`. The bound is what one stream takes at least:
    each weight is read and multiplied once. Then, whether a sample costs the
    same late in a minute of sound as early.
    """
    for name in ("nano",) if quick else _CHUNK_FRAMES:
        teacher = random_teacher(preset(name))
        yield _naive(teacher, f"{name}, naive", quick)
        chunk_frames = 2 if quick else _CHUNK_FRAMES[name]
        yield _cached(teacher, f"{name}, cached", 1, chunk_frames, quick)
        yield _bound(teacher, f"{name}, bound", quick)
    nano = random_teacher(preset("nano"))
    for streams in _STREAMS[1:2] if quick else _STREAMS[1:]:
        chunk_frames = 2 if quick else max(5, _CHUNK_FRAMES["nano"] // streams)
        setting = f"nano, cached, {streams} streams"
        yield _cached(nano, setting, streams, chunk_frames, quick)
    if not quick:
        yield from _early_and_late(nano)


def _naive(teacher: WaveNet, setting: str, quick: bool) -> Row:
    frames = teacher.audio.frames(teacher.receptive_field)
    features = random_features(teacher.audio, teacher.conditioning, 1, frames)
    conditioning = teacher.layer_conditioning(features)

    @tf.function(jit_compile=True)
    def newest(audio):
        return teacher.parameters_given(audio, conditioning)[:, -1]

    audio = tf.zeros((1, frames * teacher.audio.hop_length))
    (values,) = timings(lambda: newest(audio).numpy(), quick=quick)
    row = _of_samples(teacher, setting, values, audio.shape[1])
    return dataclasses.replace(row, sound=1 / teacher.audio.sample_rate)


def _cached(
    teacher: WaveNet, setting: str, streams: int, chunk_frames: int, quick: bool
) -> Row:
    chunks = _chunks(teacher, streams, chunk_frames, MOST_RUNS + 2)
    (values,) = timings(lambda: next(chunks), quick=quick)
    samples = streams * chunk_frames * teacher.audio.hop_length
    return _of_samples(teacher, setting, values, samples)


def _bound(teacher: WaveNet, setting: str, quick: bool) -> Row:
    steps = 2 if quick else _BOUND_STEPS
    matrix = weights_once(teacher)
    run = tf.function(functools.partial(products, steps), jit_compile=True)
    start = tf.ones((1, len(matrix)))
    (values,) = timings(lambda: run(start, matrix).numpy(), quick=quick)
    return _of_samples(teacher, setting, values, steps)


def weights_once(teacher: WaveNet) -> tf.Tensor:
    """A square matrix of as many numbers as a sample is multiplied by."""
    side = round(math.sqrt(operations_per_sample(teacher) / 2))
    return tf.random.stateless_normal((side, side), (0, 0)) / side**0.5


def products(steps: int, vector: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """A vector times a matrix, times it again, and so on."""
    for _ in tf.range(steps):
        vector = tf.matmul(vector, matrix)
    return vector


def _chunks(teacher: WaveNet, streams: int, chunk_frames: int, count: int):
    features = random_features(
        teacher.audio, teacher.conditioning, streams, count * chunk_frames
    )
    return CachedSampler(teacher, chunk_frames=chunk_frames).chunks(features)


def _of_samples(teacher: WaveNet, setting: str, values, samples: int) -> Row:
    return Row(
        setting,
        values,
        sound=samples / teacher.audio.sample_rate,
        operations=samples * operations_per_sample(teacher),
    )


def _early_and_late(teacher: WaveNet) -> Iterator[Row]:
    second = frames_of(teacher, 1)
    chunks = _chunks(teacher, 1, second, 2 + _LONG_SECONDS)
    next(chunks)
    spent, peaks = [], []
    for _ in range(_LONG_SECONDS):
        started = time.perf_counter()
        next(chunks)
        spent.append(time.perf_counter() - started)
        peaks.append(peak())
    samples = second * teacher.audio.hop_length
    for name, ten in (("first", spent[:10]), ("last", spent[-10:])):
        setting = f"nano, cached, {name} 10 s of a minute"
        yield _of_samples(teacher, setting, tuple(ten), samples)
    growth = peaks[-1] - peaks[9]
    yield Row("nano, cached, memory between these", (growth,), "bytes")
