"""The learning rate and the averaging as functions of the share of a run.

A run that ends after some minutes does not know its number of steps. What the
recipe gives by steps is given here by the share (0 to 1) of the run that is
done.
"""

import dataclasses

import numpy as np

from pwavenet_tf.core.training_config import (
    AVERAGED_SHARE,
    HIGHEST_MOMENTUM,
    LONGEST_WARMUP,
    WARMUP_SHARE,
)

# Where the steps are not known, the rise begins at so much of the peak.
_FIRST_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A linear rise to the peak and a cosine from there to zero.

    The peak is reached after the share `warmup` of the run; the learning rate
    of the first step is the share `first` of it.
    """

    peak: float
    warmup: float = WARMUP_SHARE
    first: float = _FIRST_RATE

    @classmethod
    def of_steps(cls, peak: float, steps: int) -> "Schedule":
        """That of `pwavenet train-teacher` and `distill`, step for step."""
        warmup = max(1, min(LONGEST_WARMUP, int(steps * WARMUP_SHARE)))
        return cls(peak, warmup / steps, 1 / warmup)

    def rates(self, shares: np.ndarray) -> np.ndarray:
        """The learning rate at each share of the run, float32."""
        shares = np.minimum(shares, 1.0)
        rise = self.first + (1.0 - self.first) * shares / self.warmup
        decayed = (shares - self.warmup) / max(1.0 - self.warmup, 1e-9)
        cosine = 0.5 * (1.0 + np.cos(np.pi * decayed))
        factor = np.where(shares < self.warmup, rise, cosine)
        return np.float32(self.peak * factor)


def momenta(first_step: int, steps: int) -> np.ndarray:
    """How much of the averaged weights each of the next steps keeps.

    At each moment the average reaches over the last twentieth of the steps
    done so far, as that of a whole run does in the end; so it needs not know
    how many there will be, and is of use at any time. float32 `(steps,)`, 0 to
    0.9999, after so many first steps.
    """
    done = first_step + 1.0 + np.arange(steps)
    kept = 1.0 - 1.0 / (AVERAGED_SHARE * done)
    return np.float32(np.clip(kept, 0.0, HIGHEST_MOMENTUM))


@dataclasses.dataclass(frozen=True)
class Budget:
    """When a run ends: by time, by steps, or by what comes first.

    Minutes and steps are those of a whole run, None for any number;
    `share_before` is the share of the run that was done before it resumes.
    """

    minutes: float | None
    steps: int | None
    share_before: float = 0.0

    def share(self, seconds: float, steps: int) -> float:
        """The share of the whole run that is done, 0 to 1.

        So many seconds and steps after it began or was resumed.
        """
        return min(1.0, self.share_before + self.part(seconds, steps))

    def part(self, seconds: float, steps: int) -> float:
        """The share of a whole run that so much is."""
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        by_steps = steps / self.steps if self.steps else 0.0
        return max(by_time, by_steps)
