"""Signal-to-noise ratio and pauses, from the power of short frames."""

import dataclasses

import numpy as np

FRAME_SECONDS = 0.02
# Pauses are frames so far below the loud ones: see `_loud`.
PAUSE_DB = 40
# The quietest frames, of which noise is estimated.
QUIET_SHARE = 0.1
HIGHEST_SNR_DB = 100.0
# Less than a second may hold no pause at all.
_FEWEST_FRAMES = 50


@dataclasses.dataclass(frozen=True)
class Levels:
    """What the power of frames tells.

    Attributes:
        snr_db: Signal-to-noise ratio, dB, at most `HIGHEST_SNR_DB`; None for
            less than a second of sound. See `levels`.
        silence_share: Share of the frames that are pauses.
    """

    snr_db: float | None
    silence_share: float


def frame_powers(audio: np.ndarray, length: int) -> np.ndarray:
    """The power of each whole frame without its mean, `(frames,)`.

    Without the mean an offset is not taken for noise.
    """
    whole = len(audio) // length * length
    return audio[:whole].reshape(-1, length).var(axis=1, dtype=np.float64)


def levels(powers: np.ndarray) -> Levels:
    """Estimates noise and pauses from the powers of a recording's frames.

    The noise is taken to be stationary and to be alone in the quietest tenth
    of the frames, the minimum statistics of a whole recording (compare Martin
    2001, "Noise power spectral density estimation based on optimal smoothing
    and minimum statistics"). The signal is what the mean power has beyond it.
    A recording without pauses has its quietest speech taken for noise: there
    the estimate is a lower bound. Frames without any power are no noise of a
    room, they are left out.
    """
    if not powers.any():
        return Levels(None, 1.0)
    loud = _loud(powers)
    silence = float(np.mean(powers < loud * 10 ** (-PAUSE_DB / 10)))
    sounding = np.sort(powers[powers > 0])
    if len(sounding) < _FEWEST_FRAMES:
        return Levels(None, silence)
    quiet = sounding[: max(round(len(sounding) * QUIET_SHARE), 1)]
    noise = quiet.mean()
    signal = max(sounding.mean() - noise, np.finfo(np.float64).tiny)
    snr = 10 * np.log10(signal / noise)
    return Levels(float(np.clip(snr, -HIGHEST_SNR_DB, HIGHEST_SNR_DB)), silence)


def _loud(powers: np.ndarray) -> float:
    """The level of the sound, however much of the recording is silence.

    Half of all energy is in frames of at least this power.
    """
    ordered = np.sort(powers)[::-1]
    energy = np.cumsum(ordered)
    return float(ordered[np.searchsorted(energy, energy[-1] / 2)])
