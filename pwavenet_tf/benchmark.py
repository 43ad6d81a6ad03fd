"""How fast this machine makes sound: samples per second, one run."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pwavenet_tf.presets import preset
from pwavenet_tf.sampling import CachedSampler
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.synthesis import Synthesizer
from pwavenet_tf.teacher import WaveNet

_PRESET = "nano"
_SECONDS = 5
_STREAMS = 8
_NAIVE_SAMPLES = 20


def measure_synthesis() -> dict[str, dict[str, float]]:
    """Times teacher and student of the nano preset, untrained.

    Returns:
        By what was timed: `samples_per_second`, over all streams, and
        `times_real_time`, more than 1 where it is faster than speech.
    """
    settings = preset(_PRESET)
    teacher = WaveNet.from_preset(settings)
    student = ParallelWaveNet.from_preset(settings)
    for model in (teacher, student):
        model.build()
    tasks = {
        "teacher, naive": lambda: _naive(teacher),
        "teacher, cached": lambda: _cached(teacher, 1),
        f"teacher, cached, {_STREAMS} streams": lambda: _cached(
            teacher, _STREAMS
        ),
        "student": lambda: _parallel(student, jit_compile=False),
        "student, compiled by XLA": lambda: _parallel(student, True),
    }
    rate = settings.audio.sample_rate
    figures = {}
    for name, task in tqdm(tasks.items(), desc="benchmark", disable=None):
        speed = task()
        figures[name] = {
            "samples_per_second": speed,
            "times_real_time": speed / rate,
        }
    return figures


def _mel(model, streams: int) -> np.ndarray:
    frames = _SECONDS * model.audio.sample_rate // model.audio.hop_length
    random = np.random.default_rng(0)
    shape = (streams, frames, model.audio.mels)
    return random.standard_normal(shape).astype(np.float32)


def _naive(teacher: WaveNet) -> float:
    """The network over its whole receptive field for every sample."""
    hop = teacher.audio.hop_length
    frames = teacher.audio.frames(teacher.receptive_field)
    mel = tf.constant(_mel(teacher, 1)[:, :frames])
    conditioning = teacher.conditioner({"mel": mel})

    @tf.function(jit_compile=True)
    def newest(audio):
        return teacher.parameters_given(audio, conditioning)[:, -1]

    audio = tf.zeros((1, frames * hop))
    return _speed(
        lambda: [newest(audio).numpy() for _ in range(_NAIVE_SAMPLES)],
        lambda spent: _NAIVE_SAMPLES,
    )


def _cached(teacher: WaveNet, streams: int) -> float:
    """The cached loop, without the first chunk, which holds its compiling."""
    chunks = CachedSampler(teacher).chunks(_mel(teacher, streams))
    next(chunks)
    started = time.perf_counter()
    samples = sum(chunk.size for chunk in chunks)
    return samples / (time.perf_counter() - started)


def _parallel(student: ParallelWaveNet, jit_compile: bool) -> float:
    synthesizer = Synthesizer(student, jit_compile=jit_compile)
    mel = _mel(student, 1)
    return _speed(lambda: synthesizer(mel), lambda audio: audio.size)


def _speed(work: Callable, samples: Callable) -> float:
    """Samples per second of the second run; the first one compiles."""
    work()
    started = time.perf_counter()
    done = work()
    return samples(done) / (time.perf_counter() - started)
