"""Untrained models and random features: as fast as real ones."""

import math

import numpy as np

from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.training_config import Preset

# About as many as a language has.
_PHONES = tuple(f"phone {number}" for number in range(1, 46))
_SPEAKERS = ("one",)


def random_teacher(preset: Preset) -> WaveNet:
    """An untrained teacher of a preset."""
    conditioning = preset.conditioning.of_corpus(_PHONES, _SPEAKERS, 150.0)
    teacher = WaveNet.from_preset(preset, conditioning=conditioning)
    teacher.build()
    return teacher


def random_features(
    model: WaveNet | ParallelWaveNet, rows: int, frames: int
) -> dict[str, np.ndarray]:
    """Features `(rows, frames, channels)` of every kind."""
    random = np.random.default_rng(0)

    def normal(channels):
        shape = (rows, frames, channels)
        return random.standard_normal(shape, np.float32)

    return {
        "mel": normal(model.audio.mels),
        "phones": random.integers(0, len(_PHONES), (rows, frames, 3), "int32"),
        "timing": normal(2),
        "pitch": normal(2),
        "speaker": np.zeros(rows, "int32"),
    }


def frames_of(model: WaveNet | ParallelWaveNet, seconds: float) -> int:
    """Frames that last so long."""
    return math.ceil(seconds * model.audio.sample_rate / model.audio.hop_length)
