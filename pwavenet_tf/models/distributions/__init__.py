"""The teacher's output heads: one interface, three distributions."""

from pwavenet_tf.models.distributions.gaussian import Gaussian
from pwavenet_tf.models.distributions.head import ContinuousHead, Head
from pwavenet_tf.models.distributions.mixture_of_logistics import (
    LOG_SCALE_FLOOR,
    MixtureOfLogistics,
)
from pwavenet_tf.models.distributions.mu_law import MuLaw

# Their names are `core.config.HEADS`, which no Keras is loaded for.
HEADS: dict[str, type[Head]] = {
    "mixture_of_logistics": MixtureOfLogistics,
    "mu_law": MuLaw,
    "gaussian": Gaussian,
}

__all__ = [
    "HEADS",
    "ContinuousHead",
    "LOG_SCALE_FLOOR",
    "Gaussian",
    "Head",
    "MixtureOfLogistics",
    "MuLaw",
]
