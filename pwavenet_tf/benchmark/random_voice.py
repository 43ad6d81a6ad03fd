"""Untrained models, as fast as real ones."""

import math

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


def frames_of(model: WaveNet | ParallelWaveNet, seconds: float) -> int:
    """Frames that last so long."""
    return math.ceil(seconds * model.audio.sample_rate / model.audio.hop_length)
