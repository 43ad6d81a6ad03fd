"""The teacher's output heads: one interface, three distributions."""

from pwavenet_tf.core import config
from pwavenet_tf.models.distributions.gaussian import Gaussian
from pwavenet_tf.models.distributions.head import ContinuousHead, Head
from pwavenet_tf.models.distributions.mixture_of_logistics import (
    LOG_SCALE_FLOOR,
    MixtureOfLogistics,
)
from pwavenet_tf.models.distributions.mu_law import MuLaw

HEADS: dict[str, type[Head]] = dict(
    zip(config.HEADS, (MixtureOfLogistics, MuLaw, Gaussian), strict=True)
)

__all__ = [
    "HEADS",
    "ContinuousHead",
    "LOG_SCALE_FLOOR",
    "Gaussian",
    "Head",
    "MixtureOfLogistics",
    "MuLaw",
]
