"""What a training step costs in each precision."""

import time

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import random_teacher
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.training_config import PRECISIONS
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.inputs import random_features

_FRAMES = 60
_STEPS = 5


def measure_mixed_precision() -> dict[str, dict[str, float]]:
    """A step of `nano`'s teacher on two clips of 12,000 samples, under XLA.

    Returns:
        By the precision: `seconds`, and `of_float32`, their share of
        float32's.
    """
    teacher = random_teacher(preset("nano"))
    inputs = random_features(teacher.audio, teacher.conditioning, 2, _FRAMES)
    shape = (2, _FRAMES * teacher.audio.hop_length)
    levels = np.random.default_rng(0).integers(-3_000, 3_000, shape)
    audio = (levels / 32_768).astype(np.float32)
    batch = (inputs | {"audio": audio}, audio, np.ones(shape, np.float32))
    clips = tf.data.Dataset.from_tensors(batch).repeat()
    seconds = {
        precision: _seconds(in_precision(teacher, precision), clips)
        for precision in Bar(PRECISIONS, desc="precision")
    }
    return {
        precision: {"seconds": one, "of_float32": one / seconds["float32"]}
        for precision, one in seconds.items()
    }


def _seconds(teacher, clips: tf.data.Dataset) -> float:
    """Seconds for a step, after one that compiles."""
    teacher.compile("adam", jit_compile=True)
    settings = {"shuffle": False, "verbose": 0}
    teacher.fit(clips.take(1), **settings)
    started = time.perf_counter()
    teacher.fit(clips, steps_per_epoch=_STEPS, **settings)
    return (time.perf_counter() - started) / _STEPS
