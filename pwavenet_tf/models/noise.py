"""The noise that a student's flows start from: logistic or Gaussian.

Each flow maps z to z · s + μ, so that x_t given z_<t has the noise's own
distribution, shifted by μ_tot and scaled by s_tot.
"""

import abc
import math

import scipy.special
from keras import ops

from pwavenet_tf.audio.signal import standard_logistic, standard_normal


class NoiseFamily(abc.ABC):
    """A standard distribution of location 0 and scale 1.

    Its entropy is in nats; that of a scaled variable is ln s more.
    """

    std: float
    entropy: float
    # Of its distribution in TFP.
    tfp_name: str

    @staticmethod
    @abc.abstractmethod
    def from_uniforms(uniforms):
        """Noise from uniforms in [0, 1) of any shape, by inversion."""

    @staticmethod
    @abc.abstractmethod
    def log_prob(noise):
        """ln of its density, nats, elementwise."""

    @staticmethod
    @abc.abstractmethod
    def log_cdf(noise):
        """ln F, NumPy in and out: exact far into the lower tail."""

    @classmethod
    def distribution(cls, like):
        """The TFP distribution, of the shape of `like`."""
        from pwavenet_tf.models.tfp import tfd

        kind = getattr(tfd, cls.tfp_name)
        return kind(ops.zeros_like(like), ops.ones_like(like))


class LogisticNoise(NoiseFamily):
    """Logistic(0, 1): Parallel WaveNet (1711.10433, section 3)."""

    std = math.pi / math.sqrt(3.0)
    entropy = 2.0
    tfp_name = "Logistic"
    from_uniforms = staticmethod(standard_logistic)
    log_cdf = staticmethod(scipy.special.log_expit)

    @staticmethod
    def log_prob(noise):
        distance = ops.abs(noise)
        return -distance - 2.0 * ops.log1p(ops.exp(-distance))


class GaussianNoise(NoiseFamily):
    """Normal(0, 1): ClariNet (1807.07281, section 3)."""

    std = 1.0
    entropy = 0.5 * math.log(2.0 * math.pi * math.e)
    tfp_name = "Normal"
    from_uniforms = staticmethod(standard_normal)
    log_cdf = staticmethod(scipy.special.log_ndtr)

    @staticmethod
    def log_prob(noise):
        return -0.5 * (ops.square(noise) + math.log(2.0 * math.pi))


NOISES: dict[str, type[NoiseFamily]] = {
    "logistic": LogisticNoise,
    "gaussian": GaussianNoise,
}
