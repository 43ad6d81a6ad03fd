"""A single Gaussian over 16-bit audio: ClariNet's output."""

import math

import numpy as np
from keras import ops

from pwavenet_tf.audio.signal import (
    HALF_BIN,
    LOG_BIN_WIDTH,
    quantise,
    soft_floor,
    standard_normal,
)
from pwavenet_tf.models.distributions.head import (
    LARGEST_LOG_SCALE,
    LOG_SCALE_CENTRE,
    ContinuousHead,
    at_edges,
)

_LOG_SCALE_FLOOR = -9.0

# A bin is at most a quarter of the least scale wide. Over so short an
# interval five nodes integrate the density to 1e-6 nat at twelve standard
# deviations, without a difference of two almost equal probabilities.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_LOG_WEIGHTS = np.log(_WEIGHTS / 2.0).astype("float32")
_NODES = _NODES.astype("float32")


class Gaussian(ContinuousHead):
    """A Gaussian over 16-bit PCM values (ClariNet, 1807.07281).

    A value has the mass of its bin, P(j) = Φ((j + ½ - μ) / σ) -
    Φ((j - ½ - μ) / σ) on the scale x = j / 32768, and not a density, so that
    its bits compare with a mixture's; the lowest and the highest value take
    the tails.

    Args:
        parameters: The network's raw output, `(..., 2)`: location and
            log-scale. Computed with in float32.
    """

    kinds = 2

    @classmethod
    def channels(cls, components: int) -> int:
        return 2

    def __init__(self, parameters) -> None:
        self.parameters = ops.cast(parameters, "float32")
        self.location = self.parameters[..., 0]
        raw = self.parameters[..., 1] + LOG_SCALE_CENTRE
        self.log_scale = soft_floor(raw, _LOG_SCALE_FLOOR)
        self._above_floor = ops.sigmoid(raw - _LOG_SCALE_FLOOR)

    def log_prob(self, audio):
        lower, upper = self._standardised_edges(audio)
        is_lowest, is_highest = at_edges(audio)
        tail = _normal().log_cdf(ops.where(is_lowest, upper, -lower))
        inside = self.log_prob_unbounded(audio)
        return ops.where(ops.logical_or(is_lowest, is_highest), tail, inside)

    def log_prob_unbounded(self, x):
        standardised, _, rest = self._inside_bin(x)
        return self._log_density(standardised) + ops.logsumexp(rest, axis=-1)

    def log_prob_and_gradients(self, x):
        standardised, step, rest = self._inside_bin(x)
        value = self._log_density(standardised) + ops.logsumexp(rest, axis=-1)
        share = ops.softmax(rest, axis=-1)
        beyond = ops.expand_dims(standardised, -1) + step
        by_standardised = -standardised - ops.sum(share * step, axis=-1)
        by_log_scale = (
            ops.sum(share * step * beyond, axis=-1)
            - standardised * by_standardised
            - 1.0
        )
        by_x = by_standardised * ops.exp(-self.log_scale)
        by_raw = by_log_scale * self._above_floor
        by_parameters = ops.stack([-by_x, by_raw], axis=-1)
        return value, by_x, ops.sum(by_parameters, axis=0)

    def _inside_bin(self, x):
        """x standardised, and the bin around it by five nodes."""
        inverse_scale = ops.exp(-self.log_scale)
        standardised = (x - self.location) * inverse_scale
        # ∫ φ(z + a t) dt = φ(z) ∫ exp(-a t (z + a t / 2)) dt over [-1, 1]:
        # the small rest is added to the large square only once.
        step = ops.expand_dims(HALF_BIN * inverse_scale, -1) * _NODES
        rest = -step * (ops.expand_dims(standardised, -1) + 0.5 * step)
        return standardised, step, rest + _LOG_WEIGHTS

    def _log_density(self, standardised):
        """ln of the density at the bin's centre, times the bin's width."""
        return (
            LOG_BIN_WIDTH
            - 0.5 * math.log(2.0 * math.pi)
            - self.log_scale
            - 0.5 * ops.square(standardised)
        )

    def cumulative(self, audio):
        lower, upper = self._standardised_edges(audio)
        is_lowest, is_highest = at_edges(audio)
        below = ops.where(is_lowest, 0.0, _normal().cdf(lower))
        up_to = ops.where(is_highest, 1.0, _normal().cdf(upper))
        return below, up_to

    def _standardised_edges(self, audio):
        inverse_scale = ops.exp(-self.log_scale)
        centred = audio - self.location
        lower = (centred - HALF_BIN) * inverse_scale
        return lower, (centred + HALF_BIN) * inverse_scale

    def sample(self, uniforms, temperature=1.0):
        """Samples 16-bit PCM values: see `Head.sample`.

        The temperature scales the standard deviation; 0 gives the location.
        """
        noise = standard_normal(uniforms[..., 0])
        scale = ops.exp(ops.minimum(self.log_scale, LARGEST_LOG_SCALE))
        return quantise(self.location + temperature * scale * noise)

    def mean(self):
        return self.location


def _normal():
    # Imported where it is needed: the other heads do without, and TFP does not
    # load under every release of jax.
    from pwavenet_tf.models.tfp import tfd

    return tfd.Normal(np.float32(0.0), np.float32(1.0))
