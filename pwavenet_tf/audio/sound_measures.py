"""Level and spectrum of generated audio, next to the recordings'.

Everything here is NumPy, in float64.
"""

from collections.abc import Mapping

import numpy as np

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, LOWEST_SAMPLE

# Where voice, vowels, consonants and hiss lie, in Hz.
BANDS = {
    "below_300": (0, 300),
    "300_to_1000": (300, 1_000),
    "1000_to_3000": (1_000, 3_000),
    "3000_to_6000": (3_000, 6_000),
    "above_6000": (6_000, float("inf")),
}

# Shorter than a pause, and long enough that the third octave at 100 Hz has a
# bin.
_FRAME_SECONDS = 0.064

# What lies so far below the speech is inaudible: such a band is not compared.
_INAUDIBLE_DB = 60.0

# A thousandth of the square of one 16-bit step, so that silence has a
# logarithm.
_SILENCE = 1e-12

_TILT_FROM_HZ = 100.0
_QUIET_PERCENTILE = 10.0


def sound_measures(
    generated: list[np.ndarray],
    recorded: list[np.ndarray],
    sample_rate: int,
    bands: Mapping[str, tuple[float, float]] = BANDS,
) -> dict[str, float]:
    """Measures of generated audio and of the recordings of the same places.

    Both are float64 series `(time,)`, at least one; bands have a lower and an
    upper edge in Hz.

    Returns:
        `mean`, `deviation` (standard) and `mean_absolute` of the samples;
        `clipped`, the share at full scale or beyond; `level_db`, that of the
        standard deviation; `band_…_db` for each of `bands` below half the
        sample rate, the mean over the frames of their power in dB; `pauses_db`,
        the same in the tenth of the frames where the recordings are quietest;
        and `tilt`, how the density of the mean power rises from 100 Hz up, in
        dB per octave. Each once more as `recorded_…`. 0 dB is a mean square of
        1. Powers are floored at 60 dB below the recordings' level.
    """
    length = 2 * round(_FRAME_SECONDS * sample_rate / 2)
    floor = decibels(np.concatenate(recorded).var()) - _INAUDIBLE_DB
    theirs = _framed(recorded, length)
    power = np.square(theirs).mean(axis=1)
    quiet = power <= np.percentile(power, _QUIET_PERCENTILE)
    found = {}
    for prefix, runs in (("", generated), ("recorded_", recorded)):
        frames = theirs if runs is recorded else _framed(runs, length)
        measured = _samples(np.concatenate(runs)) | _spectrum(
            frames, sample_rate, floor, bands
        )
        pauses = decibels(np.square(frames[quiet]).mean(axis=1))
        measured["pauses_db"] = np.maximum(pauses, floor).mean()
        found |= {
            prefix + name: float(value) for name, value in measured.items()
        }
    return found


def decibels(power):
    """10 log10 of a power; -120 dB for none."""
    return 10.0 * np.log10(power + _SILENCE)


def _samples(samples: np.ndarray) -> dict[str, float]:
    beyond = (samples <= LOWEST_SAMPLE) | (samples >= HIGHEST_SAMPLE)
    return {
        "mean": samples.mean(),
        "deviation": samples.std(),
        "mean_absolute": np.abs(samples).mean(),
        "clipped": beyond.mean(),
        "level_db": decibels(samples.var()),
    }


def _spectrum(
    frames: np.ndarray,
    sample_rate: int,
    floor: float,
    bands: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    power = _power(frames)
    frequencies = np.fft.rfftfreq(frames.shape[-1], 1.0 / sample_rate)
    found = {"tilt": _tilt(power.mean(axis=0), frequencies, floor)}
    for name, (low, high) in bands.items():
        inside = (frequencies >= low) & (frequencies < high)
        if low < sample_rate / 2:
            # In dB before the mean: a few loud consonants must not hide what
            # hisses between them.
            level = decibels(power[:, inside].sum(axis=1))
            found[f"band_{name}_db"] = np.maximum(level, floor).mean()
    return found


def _framed(runs: list[np.ndarray], length: int) -> np.ndarray:
    """All frames of all runs, without the mean of the samples."""
    mean = np.concatenate(runs).mean()
    return np.concatenate([_frames(run - mean, length) for run in runs])


def _frames(run: np.ndarray, length: int) -> np.ndarray:
    """Frames that overlap by half; a short run is completed with zeros."""
    run = np.pad(run, (0, max(0, length - len(run))))
    windows = np.lib.stride_tricks.sliding_window_view(run, length)
    return windows[:: length // 2]


def _power(frames: np.ndarray) -> np.ndarray:
    """Power of each bin; those of a frame add up to its mean square."""
    length = frames.shape[-1]
    window = np.hanning(length + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window)))
    # Every bin but the first and the last stands for two.
    power[:, 1:-1] *= 2.0
    return power / (length * np.square(window).sum())


def _tilt(power: np.ndarray, frequencies: np.ndarray, floor: float) -> float:
    """The slope of a spectrum over third octaves, dB per octave."""
    thirds = np.arange(0.0, np.log2(frequencies[-1] / _TILT_FROM_HZ), 1 / 3)
    edges = _TILT_FROM_HZ * 2.0**thirds
    means = [
        power[(frequencies >= low) & (frequencies < high)].mean()
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
    # The floor's power, were it white.
    white = 10.0 ** (floor / 10.0) / len(power)
    heights = decibels(np.maximum(means, white) * len(power))
    return np.polyfit(thirds[:-1], heights, 1)[0]
