"""Clipped samples, found by the flat tops that clipping leaves."""

import numpy as np

# Two equal samples at a peak are chance, and three of them are not.
SHORTEST_RUN = 3
# At lower peaks a run of equal samples is the coarseness of the levels.
LOWEST_PEAK = 0.05


class FlatTops:
    """Counts the samples of one channel that lie in flat tops.

    A flat top is a run of at least `SHORTEST_RUN` equal samples at the highest
    or at the lowest value of the whole recording. So clipping is found at full
    scale, and below it where the recording was turned down afterwards. What
    was resampled or coded with loss after it was clipped has no flat tops any
    more.
    """

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())

    def add(self, audio: np.ndarray) -> None:
        """Takes the next block, float `(time,)`, not empty."""
        for side, signed in zip(self._sides, (audio, -audio), strict=True):
            side.add(signed)

    @property
    def samples(self) -> int:
        """Samples in flat tops so far."""
        return sum(
            side.finished() for side in self._sides if side.peak >= LOWEST_PEAK
        )


class _Side:
    """Flat tops at the highest value."""

    def __init__(self) -> None:
        self.peak = -np.inf
        self._samples = 0
        # Length of the run that reaches to the end of what was seen.
        self._open = 0

    def add(self, audio: np.ndarray) -> None:
        peak = audio.max()
        if peak < self.peak:
            self._close()
            return
        if peak > self.peak:
            self.peak, self._samples, self._open = peak, 0, 0
        at_peak = np.concatenate(([0], audio == peak, [0])).astype(np.int8)
        edges = np.flatnonzero(np.diff(at_peak))
        starts, ends = edges[::2], edges[1::2]
        if starts[0] > 0:
            self._close()
        lengths = ends - starts
        lengths[0] += self._open
        self._open = 0
        if ends[-1] == len(audio):
            self._open, lengths = int(lengths[-1]), lengths[:-1]
        self._samples += int(lengths[lengths >= SHORTEST_RUN].sum())

    def _close(self) -> None:
        self._samples, self._open = self.finished(), 0

    def finished(self) -> int:
        long_enough = self._open >= SHORTEST_RUN
        return self._samples + long_enough * self._open
