"""A mixture of discretised logistics over 16-bit audio."""

import numpy as np
from keras import ops

from pwavenet_tf.distributions.head import ContinuousHead
from pwavenet_tf.distributions.logistic_mixture import (
    LOG_SCALE_CENTRE,
    LOG_SCALE_FLOOR,
    mixture_log_prob,
    mixture_log_prob_and_slopes,
)
from pwavenet_tf.ops import (
    HALF_BIN,
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    open_unit_interval,
    soft_floor,
    standard_logistic,
    to_levels,
)

# Raw log-scales of the narrowest and the broadest untrained component.
_INITIAL_LOG_SCALES = (-3.0, 1.5)

# Beyond this a scale is infinite for audio, but not yet for float32.
_LARGEST_LOG_SCALE = 40.0


class MixtureOfLogistics(ContinuousHead):
    """A mixture of logistics over 16-bit audio (PixelCNN++, 1701.05517).

    P(j) = Σ_i π_i [σ((j + ½ - μ_i) / s_i) - σ((j - ½ - μ_i) / s_i)], on the
    scale x = j / 32768, where the lowest and the highest level take the
    tails (Parallel WaveNet, 1711.10433, section 2).

    Args:
        parameters: The network's raw output, `(..., 3 * components)`:
            mixture logits, locations, log-scales. Computed with in float32.
    """

    @classmethod
    def channels(cls, components: int) -> int:
        return 3 * components

    @classmethod
    def initial_bias(cls, components: int) -> list[float]:
        """One location for all, and scales from narrow to broad.

        Components at places of their own first settle as a histogram of
        speech, which the past is of no use to; in one place they follow the
        past together.
        """
        if components == 1:
            return [0.0] * 3
        log_scales = np.linspace(*_INITIAL_LOG_SCALES, components)
        return [0.0] * 2 * components + log_scales.tolist()

    @classmethod
    def draws(cls, components: int) -> int:
        return components + 1

    @classmethod
    def moved(cls, parameters, by):
        logits, locations, raw = ops.split(parameters, 3, axis=-1)
        locations = locations + ops.expand_dims(by, -1)
        return ops.concatenate([logits, locations, raw], axis=-1)

    def __init__(self, parameters) -> None:
        self.parameters = ops.cast(parameters, "float32")
        logits, self.locations, raw = ops.split(self.parameters, 3, axis=-1)
        self.log_weights = ops.log_softmax(logits, axis=-1)
        self.log_scales = soft_floor(raw + LOG_SCALE_CENTRE, LOG_SCALE_FLOOR)

    def log_prob(self, levels):
        return mixture_log_prob(levels, self.parameters, tails=True)

    def log_prob_unbounded(self, x):
        return mixture_log_prob(x, self.parameters, tails=False)

    def log_prob_and_slopes(self, x):
        return mixture_log_prob_and_slopes(x, self.parameters)

    def cumulative(self, levels):
        inverse_scale = ops.exp(-self.log_scales)
        centred = ops.expand_dims(levels, -1) - self.locations

        def mass_up_to(edge):
            each = ops.sigmoid(edge * inverse_scale)
            mass = ops.sum(ops.exp(self.log_weights) * each, axis=-1)
            return ops.minimum(mass, 1.0)

        is_lowest = levels < LOWEST_LEVEL + HALF_BIN
        is_highest = levels > HIGHEST_LEVEL - HALF_BIN
        below = ops.where(is_lowest, 0.0, mass_up_to(centred - HALF_BIN))
        up_to = ops.where(is_highest, 1.0, mass_up_to(centred + HALF_BIN))
        return below, up_to

    def sample(self, uniforms, temperature=1.0):
        """Draws 16-bit levels.

        Args:
            uniforms: `(..., components + 1)` in [0, 1): one for each
                component's Gumbel noise, one for the logistic.
            temperature: Scales all of the noise: 1 draws from the
                distribution itself, 0 takes the likeliest component's mean.

        Returns:
            `(...)`: levels in [-1, 1), exactly distributed as the pmf.
        """
        gumbel = -ops.log(-ops.log(open_unit_interval(uniforms[..., :-1])))
        scores = self.log_weights + temperature * gumbel
        chosen = ops.one_hot(
            ops.argmax(scores, axis=-1), scores.shape[-1], dtype="float32"
        )
        location = ops.sum(self.locations * chosen, axis=-1)
        log_scale = ops.sum(self.log_scales * chosen, axis=-1)
        log_scale = ops.minimum(log_scale, _LARGEST_LOG_SCALE)
        noise = standard_logistic(uniforms[..., -1])
        return to_levels(location + temperature * ops.exp(log_scale) * noise)

    def mean(self):
        return ops.sum(ops.exp(self.log_weights) * self.locations, axis=-1)
