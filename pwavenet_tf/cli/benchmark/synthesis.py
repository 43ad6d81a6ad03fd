"""Samples per second of teacher and student, untrained, in one run."""

import resource
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    frames_of,
    random_student,
    random_teacher,
)
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler

# Frames of one run of the compiled loop, and seconds of work to average over.
_CHUNK_FRAMES = {"nano": 80, "v1": 40, "paper": 2}
_SECONDS = 5.0
_NAIVE_SAMPLES = {"nano": 40, "v1": 8, "paper": 3}
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_LONG_SECONDS = 60


def measure_teachers() -> dict[str, dict[str, float]]:
    """Naive and cached sampling from a teacher of every preset.

    Naive is the whole network over its receptive field for every sample.

    Returns:
        By preset: `parameters`, `receptive_field`, `naive` and `cached` in
        samples per second on one stream, `cached_times_naive`, and
        `times_real_time` of the cached loop.
    """
    figures = {}
    for name in Bar(_CHUNK_FRAMES, desc="teachers"):
        teacher = random_teacher(preset(name))
        naive = _naive(teacher, _NAIVE_SAMPLES[name])
        cached = _cached(teacher, 1, _CHUNK_FRAMES[name])
        figures[name] = {
            "parameters": teacher.count_params(),
            "receptive_field": teacher.receptive_field,
            "naive": naive,
            "cached": cached,
            "cached_times_naive": cached / naive,
            "times_real_time": cached / teacher.audio.sample_rate,
        }
    return figures


def measure_batches() -> dict[int, dict[str, float]]:
    """Samples per second of `nano`'s cached loop.

    Returns:
        By the number of streams: of `all` of them, and of `each`.
    """
    teacher, figures = random_teacher(preset("nano")), {}
    for streams in Bar(_BATCHES, desc="batches"):
        chunk_frames = max(5, _CHUNK_FRAMES["nano"] // streams)
        speed = _cached(teacher, streams, chunk_frames)
        figures[streams] = {"all": speed, "each": speed / streams}
    return figures


def measure_length() -> dict[str, float]:
    """Whether a sample costs the same late in a long text as early.

    Returns:
        Microseconds per sample of `nano`'s cached loop in the first ten and
        the last ten of 60 seconds of audio (without the chunk that holds the
        compiling), and by how much the process's peak memory grew between
        them, MiB.
    """
    teacher = random_teacher(preset("nano"))
    rate = teacher.audio.sample_rate
    features = random_features(
        teacher.audio,
        teacher.conditioning,
        1,
        frames_of(teacher, 1 + _LONG_SECONDS),
    )
    chunk_frames = rate // teacher.audio.hop_length
    chunks = CachedSampler(teacher, chunk_frames=chunk_frames).chunks(features)
    next(chunks)
    spent, peak = [], []
    started = time.perf_counter()
    for _ in Bar(chunks, total=_LONG_SECONDS, desc="length"):
        spent.append(time.perf_counter() - started)
        peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        started = time.perf_counter()
    # The median: other work on the machine disturbs single chunks.
    return {
        "first_microseconds": float(np.median(spent[:10])) / rate * 1e6,
        "last_microseconds": float(np.median(spent[-10:])) / rate * 1e6,
        "peak_memory_growth_mib": (peak[-1] - peak[9]) / 1024,
    }


def measure_student() -> dict[str, float]:
    """Samples per second of `nano`'s student, on one stream.

    Returns:
        By how it is run.
    """
    student = random_student(preset("nano"))
    mel = random_features(
        student.audio, student.conditioning, 1, frames_of(student, _SECONDS)
    )
    figures = {}
    for name, jit_compile in (("graph", False), ("xla", True)):
        synthesizer = Synthesizer(student, jit_compile=jit_compile)
        samples = synthesizer(mel).size
        figures[name] = samples / _seconds(lambda run=synthesizer: run(mel))
    return figures


def _naive(teacher: WaveNet, count: int) -> float:
    hop = teacher.audio.hop_length
    frames = teacher.audio.frames(teacher.receptive_field)
    features = random_features(teacher.audio, teacher.conditioning, 1, frames)
    conditioning = teacher.layer_conditioning(features)

    @tf.function(jit_compile=True)
    def newest(audio):
        return teacher.parameters_given(audio, conditioning)[:, -1]

    audio = tf.zeros((1, frames * hop))
    newest(audio).numpy()
    return count / _seconds(
        lambda: [newest(audio).numpy() for _ in range(count)]
    )


def _cached(teacher: WaveNet, streams: int, chunk_frames: int) -> float:
    """Over `_SECONDS` of work, without the first chunk, which compiles."""
    features = random_features(
        teacher.audio,
        teacher.conditioning,
        streams,
        frames_of(teacher, 8 * _SECONDS),
    )
    chunks = CachedSampler(teacher, chunk_frames=chunk_frames).chunks(features)
    next(chunks)
    samples, started = 0, time.perf_counter()
    for chunk in chunks:
        samples += chunk.size
        if time.perf_counter() - started > _SECONDS:
            break
    return samples / (time.perf_counter() - started)


def _seconds(work: Callable) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
