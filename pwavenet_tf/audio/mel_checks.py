"""Whether a mel spectrogram is on the scale that a contract states.

Others have mel spectrograms in decibels, as plain natural logarithms, linear,
or scaled to between 0 and 1. A model takes any of these, and gives noise. What
tells them apart is which values are reachable at all: those from the
contract's floor to audio at full scale, normalised by the contract's mean and
deviation; and that logarithms of speech lie on both sides of their mean.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from pwavenet_tf.core.config import AudioContract

# Natural logarithm, 26 dB: what predicts mel spectrograms overshoots.
_MARGIN = 3.0
# So many frames of speech are not all alike; single ones may be anything.
_JUDGED_FRAMES = 20
_SPOKEN_FRAMES = 100
# From the least to the greatest value; that of noise without speech is 4.
_SCALED_SPAN = 2.001
# Of the peak; magnitudes are near zero most of the time.
_LINEAR_MEAN = 0.15
_LOWEST_LOGARITHM = -25.0
_LOWEST_DECIBEL, _HIGHEST_DECIBEL = -250.0, 150.0


class Extremes(NamedTuple):
    """What mel spectrograms are judged by: arrays `(rows,)`, or tensors."""

    frames: Any
    # Of the values as they are given.
    lowest: Any
    highest: Any
    mean: Any
    # Of the natural logarithms, without the normalisation.
    lowest_log: Any
    highest_log: Any


def reachable(contract: AudioContract) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest normalised value of each band, with a margin.

    float64 `(mels,)` each.
    """
    low, high = _reachable_log(contract)
    mean, std = statistics(contract)
    return (low - mean) / std, (high - mean) / std


def statistics(contract: AudioContract) -> tuple[np.ndarray, np.ndarray]:
    """Each band's mean and standard deviation, 0 and 1 if there are none.

    float64 `(mels,)` each.
    """
    if not contract.mel_mean:
        return np.zeros(contract.mels), np.ones(contract.mels)
    return np.array(contract.mel_mean), np.array(contract.mel_deviation)


def _reachable_log(contract: AudioContract) -> tuple[float, float]:
    # No magnitude exceeds the sum of the window, and no band the magnitudes.
    loudest = math.log(contract.window_length / 2)
    return (math.log(contract.magnitude_floor) - _MARGIN, loudest + _MARGIN)


def faults(found: Extremes, contract: AudioContract) -> list[tuple[Any, str]]:
    """Which rows are no mel spectrograms of the contract, and why.

    Conditions, `(rows,)` each, with the cause that they show; the first that
    holds fits best. It compares and combines only, so that NumPy and graphs
    decide alike.
    """
    low, high = _reachable_log(contract)
    beyond = (found.frames > 0) & (
        (found.lowest_log < low) | (found.highest_log > high)
    )
    positive = (found.lowest >= 0) & (found.highest > found.lowest)
    linear = positive & (found.mean < _LINEAR_MEAN * found.highest)
    judged = found.frames >= _JUDGED_FRAMES
    logarithms = found.lowest >= _LOWEST_LOGARITHM
    sensible = (found.lowest >= _LOWEST_DECIBEL) & (
        found.highest <= _HIGHEST_DECIBEL
    )
    scaled = judged & positive & (found.highest <= 1)
    plain = beyond & logarithms & (found.highest <= high)
    return [
        (
            beyond & ~sensible & ~positive,
            "has values that no mel spectrogram has",
        ),
        (
            (beyond | judged) & linear,
            "holds linear magnitudes or power; take the natural logarithm of "
            "magnitudes",
        ),
        (scaled, "is scaled to between 0 and 1; undo that"),
        (
            beyond & positive,
            "is positive throughout, as decibels above a floor are; use "
            "natural logarithms",
        ),
        (
            plain & bool(contract.mel_mean),
            "holds logarithms that are not normalised; subtract mel_mean of "
            "the contract and divide by its mel_deviation",
        ),
        (beyond, "holds decibels, or another scale; use natural logarithms"),
    ]


def oddities(found: Extremes, contract: AudioContract) -> list[tuple[Any, str]]:
    """Which rows look odd, though they may be right; as `faults`."""
    spoken = found.frames >= _SPOKEN_FRAMES
    varies = found.highest > found.lowest
    normalised = spoken & varies & bool(contract.mel_mean)
    return [
        (
            spoken & varies & (found.highest - found.lowest <= _SCALED_SPAN),
            "spans no more than 2: was it scaled, as to between -1 and 1?",
        ),
        (
            normalised & (found.mean < -2) & (found.highest < 1),
            "lies far below the voice's mean: is it very quiet, or not in "
            "natural logarithms?",
        ),
        (
            normalised & (found.mean > 2.5),
            "lies far above the voice's mean: is it very loud, or not "
            "normalised as the contract says?",
        ),
    ]


def extremes(mel: np.ndarray, contract: AudioContract) -> Extremes:
    """What `faults` and `oddities` judge, of finite `(rows, frames, mels)`."""
    lowest, highest = mel.min(axis=1), mel.max(axis=1)
    mean, std = statistics(contract)
    with np.errstate(over="ignore"):
        return Extremes(
            np.full(len(mel), mel.shape[1]),
            lowest.min(axis=1),
            highest.max(axis=1),
            mel.mean(axis=(1, 2), dtype=np.float64),
            (lowest * std + mean).min(axis=1),
            (highest * std + mean).max(axis=1),
        )


def first_cause(conditions: list[tuple[Any, str]]) -> str | None:
    """The first cause that holds of any row."""
    return next((text for found, text in conditions if found.any()), None)
