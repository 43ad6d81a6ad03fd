"""What the audit measures of a recording, in one pass, block by block.

Level, clipping, noise, and bandwidth: speech that was sampled at 8 kHz and
brought to 22 kHz later has nothing above 4 kHz, and MP3 leaves out what lies
above some frequency. Both cut off sharply, whereas with a dull voice or a
distant microphone the spectrum falls slowly. So a step is looked for in the
long-term average spectrum: the level falls by `STEP_DB` within `_STEP_HZ`, and
nothing rises again above.
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import (
    HIGHEST_PEAK,
    HIGHEST_RATE,
    LOWEST_RATE,
    blocks,
    open_sound,
    read_audio,
    to_pcm16,
)
from pwavenet_tf.audio.whole import require_whole
from pwavenet_tf.core.errors import UserError

# Two equal samples at a peak are chance, and three of them are not.
SHORTEST_RUN = 3
# At lower peaks a run of equal samples is the coarseness of the PCM.
LOWEST_PEAK = 0.05

FRAME_SECONDS = 0.02
# Pauses are frames so far below the loud ones: see `_loud`.
PAUSE_DB = 40
# The quietest frames, of which noise is estimated.
QUIET_SHARE = 0.1
HIGHEST_SNR_DB = 100.0
# Less than a second may hold no pause at all.
_FEWEST_FRAMES = 50

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

# A channel so far below the loudest has no part in the sound, dB.
_SILENT_DB = 40
# Channels that correlate so, or more strongly, cancel by 13 dB at least.
_INVERTED_CORRELATION = -0.9
# Below it the difference of two sums is their rounding.
_NO_POWER = 1e-12

_BLOCK_SECONDS = 10
_BITS = {
    **{"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32},
    **{"FLOAT": 32, "DOUBLE": 64, "ULAW": 8, "ALAW": 8},
}


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


def frame_powers(audio: np.ndarray, length: int) -> np.ndarray:
    """The power of each whole frame without its mean, `(frames,)`.

    Without the mean an offset is not taken for noise.
    """
    whole = len(audio) // length * length
    return audio[:whole].reshape(-1, length).var(axis=1, dtype=np.float64)


def noise_and_pauses(powers: np.ndarray) -> tuple[float | None, float]:
    """The signal-to-noise ratio in dB, and the share of frames that are pauses.

    The ratio is at most `HIGHEST_SNR_DB`, and None for less than a second of
    sound. The noise is taken to be stationary and to be alone in the quietest
    tenth of the frames, the minimum statistics of a whole recording (compare
    Martin 2001, "Noise power spectral density estimation based on optimal
    smoothing and minimum statistics"). The signal is what the mean power has
    beyond it. A recording without pauses has its quietest speech taken for
    noise: there the estimate is a lower bound. Frames without any power are no
    noise of a room, they are left out.
    """
    if not powers.any():
        return None, 1.0
    loud = _loud(powers)
    silence = float(np.mean(powers < loud * 10 ** (-PAUSE_DB / 10)))
    nonzero = np.sort(powers[powers > 0])
    if len(nonzero) < _FEWEST_FRAMES:
        return None, silence
    quiet = nonzero[: max(round(len(nonzero) * QUIET_SHARE), 1)]
    noise = quiet.mean()
    signal = max(nonzero.mean() - noise, np.finfo(np.float64).tiny)
    snr = 10 * np.log10(signal / noise)
    return float(np.clip(snr, -HIGHEST_SNR_DB, HIGHEST_SNR_DB)), silence


def _loud(powers: np.ndarray) -> float:
    """The level of the sound, however much of the recording is silence.

    Half of all energy is in frames of at least this power.
    """
    ordered = np.sort(powers)[::-1]
    energy = np.cumsum(ordered)
    return float(ordered[np.searchsorted(energy, energy[-1] / 2)])


class AverageSpectrum:
    """The long-term average spectrum, block by block."""

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
    """The frequency above which an average spectrum holds nothing, Hz.

    That is where the deepest step is half done; half the sample rate where
    there is no step, or only that of the sampling itself. Both arrays are
    `(bins,)`, equally spaced from 0 to half the sample rate.
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


def channel_faults(
    covariance: np.ndarray,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels that take level from the mean of all.

    By their covariance, `(channels, channels)`, the numbers, from 1 on, of
    those that are silent next to the loudest, and of those that are inverted
    against it.
    """
    power = np.maximum(np.diagonal(covariance), 0)
    loudest = int(power.argmax())
    if power[loudest] < _NO_POWER:
        return (), ()
    silent = power < power[loudest] * 10 ** (-_SILENT_DB / 10)
    scale = np.sqrt(power * power[loudest])
    inverted = ~silent & (covariance[loudest] < _INVERTED_CORRELATION * scale)
    silent, inverted = (
        tuple((np.flatnonzero(one) + 1).tolist()) for one in (silent, inverted)
    )
    return silent, inverted


@dataclasses.dataclass(frozen=True)
class Measures:
    """What was measured of one recording."""

    # As libsndfile names them: WAV, FLAC and so on; how samples are coded.
    container: str
    subtype: str
    # Of a coded sample; None if coded with loss.
    bits: int | None
    sample_rate: int
    channels: int
    seconds: float
    # Highest |x| of any channel; full scale is 1.
    peak: float
    # Of the worst channel, the samples in flat tops or beyond full scale and
    # the mean (DC).
    clipped_share: float
    offset: float
    # Whether no 16-bit PCM value differs from another.
    silent: bool
    # See `noise_and_pauses` and `bandwidth`.
    silence_share: float
    snr_db: float | None
    bandwidth_hz: float
    # A digest of the sample rate and of the samples, mixed to one channel.
    content: str
    # See `channel_faults`.
    silent_channels: tuple[int, ...] = ()
    inverted_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        # JSON has lists where Python has tuples.
        for name in ("silent_channels", "inverted_channels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


def measure(path: Path) -> Measures:
    """Measures a recording; memory does not grow with its length.

    Raises:
        UserError: As `read_audio` has it.
    """
    import soundfile

    path = Path(path)
    try:
        with open_sound(path) as file:
            if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
                raise _Broken
            meter = _Meter(file)
            for block in blocks(file, _BLOCK_SECONDS * file.samplerate):
                # NaN is not below it either.
                if not np.abs(block).max() <= HIGHEST_PEAK:
                    raise _Broken
                meter.add(block)
            return meter.measures(path)
    # Where a file cannot be read completely, the reason comes from the one
    # reader of audio that there is.
    except (_Broken, OSError, soundfile.SoundFileError, TypeError) as fault:
        read_audio(path)
        raise UserError(f"{path}: is damaged; copy it again") from fault


class _Broken(Exception):
    """Something that `read_audio` refuses with a better reason."""


class _Meter:
    """Takes the blocks of one file."""

    def __init__(self, file) -> None:
        self._file = file
        self._samples = 0
        self._peak = 0.0
        self._beyond = np.zeros(file.channels, np.int64)
        self._sums = np.zeros(file.channels)
        self._products = np.zeros((file.channels, file.channels))
        self._lowest, self._highest = np.inf, -np.inf
        self._tops = [FlatTops() for _ in range(file.channels)]
        self._spectrum = AverageSpectrum(file.samplerate)
        self._frame = max(round(FRAME_SECONDS * file.samplerate), 1)
        self._powers: list[np.ndarray] = []
        self._digest = hashlib.blake2b(
            f"{file.samplerate}:".encode(), digest_size=16
        )

    def add(self, block: np.ndarray) -> None:
        """Takes the next block, `(time, channels)`."""
        self._samples += len(block)
        self._peak = max(self._peak, float(np.abs(block).max()))
        self._beyond += (np.abs(block) > 1).sum(axis=0)
        self._sums += block.sum(axis=0, dtype=np.float64)
        precise = block.astype(np.float64)
        self._products += precise.T @ precise
        for tops, channel in zip(self._tops, block.T, strict=True):
            tops.add(channel)
        mono = block.mean(axis=1)
        self._lowest = min(self._lowest, float(mono.min()))
        self._highest = max(self._highest, float(mono.max()))
        self._spectrum.add(mono)
        self._powers.append(frame_powers(mono, self._frame))
        # Positive zero, because a FLAC encoder knows no negative one.
        self._digest.update((mono + np.float32(0)).tobytes())

    def measures(self, path: Path) -> Measures:
        file, samples = self._file, self._samples
        if not samples:
            raise _Broken
        require_whole(file, samples, path)
        snr_db, silence = noise_and_pauses(np.concatenate(self._powers))
        tops = np.array([tops.samples for tops in self._tops])
        clipped = np.maximum(tops, self._beyond).max()
        means = self._sums / samples
        covariance = self._products / samples - np.outer(means, means)
        silent, inverted = channel_faults(covariance)
        lowest, highest = to_pcm16(np.array([self._lowest, self._highest]))
        return Measures(
            container=file.format,
            subtype=file.subtype,
            bits=_BITS.get(file.subtype),
            sample_rate=file.samplerate,
            channels=file.channels,
            seconds=samples / file.samplerate,
            peak=self._peak,
            clipped_share=float(clipped / samples),
            offset=float(max(means, key=abs)),
            silent=bool(lowest == highest),
            silence_share=silence,
            snr_db=snr_db,
            bandwidth_hz=bandwidth(*self._spectrum.decibels()),
            content=self._digest.hexdigest(),
            silent_channels=silent,
            inverted_channels=inverted,
        )
