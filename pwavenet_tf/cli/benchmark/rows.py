"""Figures of a benchmark, and how runs are timed."""

import dataclasses
import statistics
import time
from collections.abc import Callable

MOST_RUNS = 15
_LEAST_RUNS, _QUICK_RUNS = 3, 2
_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing, measured several times.

    Attributes:
        setting: What is measured: model, route, length.
        values: Of each run; none if it could not be measured.
        unit: Of the values: `s` for the time that a run takes, `bytes`, `dB`,
            `nat`, or none.
        sound: Seconds of sound that a run makes or reads; 0 if none.
        operations: Floating-point operations of a run; 0 if not counted.
        note: Why there are no values.
        what: The measurement that it belongs to.
        peak: GFLOP/s of float32 matrix products just before and after.
    """

    setting: str
    values: tuple[float, ...]
    unit: str = "s"
    sound: float = 0.0
    operations: float = 0.0
    note: str = ""
    what: str = ""
    peak: float = 0.0

    @property
    def median(self) -> float | None:
        """Of the runs."""
        return statistics.median(self.values) if self.values else None

    @property
    def real_time(self) -> float | None:
        """Seconds of sound in a second."""
        return self.sound / self.median if self.sound and self.median else None

    @property
    def gflops(self) -> float | None:
        """Billions of operations per second."""
        if not self.operations or not self.median:
            return None
        return self.operations / self.median / 1e9

    @property
    def share(self) -> float | None:
        """`gflops` over `peak`."""
        return self.gflops / self.peak if self.gflops and self.peak else None


def timings(*runs: Callable, quick: bool) -> list[tuple[float, ...]]:
    """Seconds that each of some runs takes, again and again.

    Each runs once before, to compile and to allocate. Then they take turns, so
    that other work on the machine disturbs all alike.

    Args:
        runs: The functions to call.
        quick: Twice only, in place of three to fifteen times.
    """
    for run in runs:
        run()
    spent: list[list[float]] = [[] for _ in runs]
    least, most = (_QUICK_RUNS,) * 2 if quick else (_LEAST_RUNS, MOST_RUNS)
    while len(spent[0]) < most:
        if len(spent[0]) >= least and sum(map(sum, spent)) > _SECONDS:
            break
        for run, seconds in zip(runs, spent, strict=True):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
    return [tuple(seconds) for seconds in spent]
