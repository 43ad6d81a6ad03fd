"""Means over recordings and how sure they are, by the paired bootstrap."""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

RESAMPLES = 5_000
# The mass of the intervals.
CONFIDENCE = 0.95
_SEED = 0


class Interval(NamedTuple):
    """A mean with its 95 % interval; NaN for what is not known."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One measure of one system, `(recordings,)`; NaN where there is none.

    Weights are 1 each for a mean over recordings, or their samples for a mean
    over all samples.
    """

    values: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, values, weights=None) -> "Series":
        """From any numbers; without weights each recording counts alike."""
        values = np.asarray(values, np.float64)
        weights = np.ones_like(values) if weights is None else weights
        return cls(values, np.asarray(weights, np.float64))

    def __sub__(self, other: "Series") -> "Series":
        """The differences, recording by recording, with these weights."""
        # Of two that are both infinite nothing is known.
        with np.errstate(invalid="ignore"):
            return Series(self.values - other.values, self.weights)

    @property
    def mean(self) -> float:
        """The weighted mean of what could be measured; NaN of nothing."""
        known = ~np.isnan(self.values)
        if not known.any():
            return math.nan
        weights = self.weights[known]
        return float(np.average(self.values[known], weights=weights))

    @property
    def interval(self) -> Interval:
        """The mean with its percentile bootstrap interval (Efron, 1979).

        Recordings are resampled with replacement, 5,000 times and from a fixed
        seed, so the same in every series of as many recordings: systems are
        compared on the same draws. There is none for fewer than two recordings
        that could be measured.
        """
        known = ~np.isnan(self.values)
        if known.sum() < 2 or not np.isfinite(self.values[known]).all():
            return Interval(self.mean, math.nan, math.nan)
        times = _resampling_counts(len(self.values))[:, known]
        total = times @ self.weights[known]
        sums = times @ (self.weights[known] * self.values[known])
        # A draw of none but recordings that could not be measured is void.
        means = sums[total > 0] / total[total > 0]
        tail = (1.0 - CONFIDENCE) / 2.0
        low, high = np.quantile(means, (tail, 1.0 - tail))
        return Interval(self.mean, float(low), float(high))


@functools.lru_cache(maxsize=1)
def _resampling_counts(recordings: int) -> np.ndarray:
    """How often each recording is in each draw, `(draws, recordings)`."""
    random = np.random.default_rng(_SEED)
    shares = np.full(recordings, 1.0 / recordings)
    counts = random.multinomial(recordings, shares, size=RESAMPLES)
    return counts.astype(np.float64)
