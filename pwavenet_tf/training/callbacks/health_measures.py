"""Measures of a student's output and scales, next to the recordings'.

Everything here is NumPy, in float64. A loss says little about the sound: a
student that whispers or hisses may have a small KL.
"""

from collections.abc import Mapping

import numpy as np

from pwavenet_tf.audio.signal import (
    HIGHEST_SAMPLE,
    LOG_BIN_WIDTH,
    LOWEST_SAMPLE,
)

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


def weighted_segments(values, weight) -> list[np.ndarray]:
    """The contiguous segments with a positive weight.

    Args:
        values: `(batch, time)`.
        weight: `(batch, time)`, 1 where a sample is valid.

    Returns:
        Float64 series `(time,)`, in order; none where no sample is valid.
    """
    runs = []
    for row, valid in zip(
        np.asarray(values, np.float64), np.asarray(weight) > 0, strict=True
    ):
        edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
        runs += [
            row[start:end]
            for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    return runs


def sound_measures(
    generated: list[np.ndarray],
    recorded: list[np.ndarray],
    sample_rate: int,
    bands: Mapping[str, tuple[float, float]] = BANDS,
) -> dict[str, float]:
    """Level and spectrum of the student's output and of the recordings.

    Args:
        generated: The student's audio as `weighted_segments` gives it.
        recorded: The recordings of the same places, `(time,)` as well.
        sample_rate: Hz.
        bands: Lower and upper edge in Hz, by name.

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


def scale_measures(
    log_scale: list[np.ndarray],
    recorded: list[np.ndarray],
    noise_std: float,
    lowest: float = -np.inf,
) -> dict[str, float]:
    """How the student's ln s_tot are distributed.

    Args:
        log_scale: ln s_tot as `weighted_segments` gives it.
        recorded: The recordings likewise.
        noise_std: Standard deviation of the student's noise.
        lowest: The lowest ln s_tot that the flows can make.

    Returns:
        `log_scale_1`, `log_scale_50` and `log_scale_99`, the percentiles;
        `at_floor`, the share of scales at most one 16-bit step wide (ln s of
        -10.4) or the lowest there are; `recorded_at_floor`, the share of
        recorded samples that are no louder than such a scale: as much may be at
        the floor with reason.
    """
    scales = np.concatenate(log_scale)
    floor = max(LOG_BIN_WIDTH, lowest)
    quiet = np.exp(floor) * noise_std
    found = {
        f"log_scale_{share}": np.percentile(scales, share)
        for share in (1, 50, 99)
    }
    found["at_floor"] = (scales <= floor).mean()
    found["recorded_at_floor"] = (
        np.abs(np.concatenate(recorded)) <= quiet
    ).mean()
    return {name: float(value) for name, value in found.items()}
