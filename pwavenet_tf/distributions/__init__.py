"""The teacher's output heads: one interface, three distributions."""

from pwavenet_tf import config
from pwavenet_tf.distributions.gaussian import Gaussian
from pwavenet_tf.distributions.head import ContinuousHead, Head
from pwavenet_tf.distributions.logistic_mixture import LOG_SCALE_FLOOR
from pwavenet_tf.distributions.mixture_of_logistics import MixtureOfLogistics
from pwavenet_tf.distributions.mu_law import MuLaw

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
