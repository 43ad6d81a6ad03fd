"""The mass of 16-bit levels under any symmetric distribution, in float64."""

from collections.abc import Callable

import numpy as np

from pwavenet_tf.ops import HALF_BIN, HIGHEST_LEVEL, LOWEST_LEVEL


class LevelMass:
    """A continuous distribution's masses at the levels of given audio.

    A level has the mass of its bin, the lowest and the highest one with the
    tails, as the teacher's heads have it; so their bits compare.

    Args:
        levels: 16-bit levels in [-1, 1), `(...)`.
        location: μ, of the same shape.
        log_scale: ln s, of the same shape.
        log_cdf: ln F of the standard distribution, which is symmetric about
            zero.
    """

    def __init__(
        self,
        levels: np.ndarray,
        location: np.ndarray,
        log_scale: np.ndarray,
        log_cdf: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        levels = np.asarray(levels, np.float64)
        scale = np.exp(np.asarray(log_scale, np.float64))
        centred = levels - location
        self._log_cdf = log_cdf
        is_lowest = levels < LOWEST_LEVEL + HALF_BIN
        is_highest = levels > HIGHEST_LEVEL - HALF_BIN
        with np.errstate(all="ignore"):
            lower = (centred - HALF_BIN) / scale
            upper = (centred + HALF_BIN) / scale
        self._lower = np.where(is_lowest, -np.inf, lower)
        self._upper = np.where(is_highest, np.inf, upper)

    @property
    def log_prob(self) -> np.ndarray:
        """ln P of each level, nats; what is beyond all bounds is -inf."""
        # In the lower tail, or mirrored into it, ln F keeps its precision.
        mirror = self._lower + self._upper > 0
        near = np.where(mirror, -self._lower, self._upper)
        far = np.where(mirror, -self._upper, self._lower)
        with np.errstate(all="ignore"):
            log_near = self._log_cdf(near)
            share = -np.expm1(self._log_cdf(far) - log_near)
            log_prob = log_near + np.log(share)
        return np.where(np.isnan(log_prob), -np.inf, log_prob)

    @property
    def cumulative(self) -> tuple[np.ndarray, np.ndarray]:
        """P(X < level) and P(X <= level) at each level.

        Where that is no number, zeros: such a level is outside of anything.
        """
        below, up_to = (
            np.nan_to_num(np.exp(self._log_cdf(edge)))
            for edge in (self._lower, self._upper)
        )
        return below, up_to
