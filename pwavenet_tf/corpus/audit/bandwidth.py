"""The bandwidth of a recording: where its spectrum breaks off, if it does.

Speech that was sampled at 8 kHz and brought to 22 kHz later has nothing above
4 kHz, and MP3 leaves out what lies above some frequency. Both cut like a
knife. A dull voice, a far microphone or a carpeted room let the spectrum fall
too, but slowly. So a step is looked for in the long-term average spectrum:
the level falls by `STEP_DB` within `_STEP_HZ`, and nothing rises again above.
"""

import numpy as np

STEP_DB = 20.0
# A cut this close to half the sample rate is that of the sampling itself.
FULL_SHARE = 0.9

_WINDOW_SECONDS = 0.064
# The filters of resamplers need some room.
_STEP_HZ = 400.0
_BAND_HZ = 500.0
# Nothing cuts lower than a telephone, and below it lie the formants of single
# vowels, between which the spectrum is as steep.
_LOWEST_HZ = 2_500.0
_LINE_HZ = 150.0
_FLOOR = 1e-20


class AverageSpectrum:
    """The long-term average spectrum, block by block.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self.window = 2 ** round(np.log2(_WINDOW_SECONDS * sample_rate))
        self._power = np.zeros(self.window // 2 + 1)
        self._samples = 0

    def add(self, audio: np.ndarray) -> None:
        """Takes the next block, float `(time,)`.

        One that is shorter than a window counts only if it is the first: the
        edge that padding gives it has a spectrum of its own.
        """
        from scipy.signal import welch

        samples = len(audio)
        if samples < self.window:
            if self._samples:
                return
            audio = np.pad(audio, (0, self.window - samples))
        # A window whose side lobes lie below what 16 bits resolve.
        _, power = welch(
            audio,
            self._sample_rate,
            "blackmanharris",
            nperseg=self.window,
            detrend=False,
            scaling="spectrum",
        )
        self._power += power * samples
        self._samples += samples

    def decibels(self) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies in Hz and mean power in dB, `(bins,)` each."""
        frequencies = np.linspace(0, self._sample_rate / 2, len(self._power))
        power = self._power / max(self._samples, 1)
        return frequencies, 10 * np.log10(np.maximum(power, _FLOOR))


def bandwidth(frequencies: np.ndarray, decibels: np.ndarray) -> float:
    """The frequency above which there is nothing, Hz.

    Args:
        frequencies: `(bins,)`, equally spaced from 0 to half the sample rate.
        decibels: The long-term average spectrum, `(bins,)`.

    Returns:
        Where the deepest step is half done; half the sample rate where there
        is no step, or only that of the sampling itself.
    """
    from scipy.ndimage import median_filter

    highest, spacing = float(frequencies[-1]), frequencies[1]
    step, band = round(_STEP_HZ / spacing), round(_BAND_HZ / spacing)
    # A line above the cut, such as a whistling monitor, is not speech.
    smooth = median_filter(decibels, round(_LINE_HZ / spacing), mode="nearest")
    loudest_above = np.maximum.accumulate(smooth[::-1])[::-1]
    above = np.arange(round(_LOWEST_HZ / spacing) + step, len(smooth) - 1)
    if not above.size:
        return highest
    below = np.lib.stride_tricks.sliding_window_view(smooth, band)
    level = np.median(below[above - step - band], axis=-1)
    drops = level - loudest_above[above]
    deepest = int(np.argmax(drops))
    if drops[deepest] < STEP_DB:
        return highest
    half = level[deepest] - drops[deepest] / 2
    edge = float(frequencies[np.flatnonzero(smooth > half)[-1]])
    return highest if edge > FULL_SHARE * highest else edge
