"""The log-mel spectrogram of the acoustic contract."""

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pwavenet_tf.audio.files import require_full_scale
from pwavenet_tf.core.config import AudioContract

if TYPE_CHECKING:
    import tensorflow as tf

Array = TypeVar("Array", np.ndarray, "tf.Tensor")

_CHUNK_FRAMES = 4096


@functools.cache
def mel_filterbank(contract: AudioContract) -> np.ndarray:
    """Weights from linear frequency to mel bands, Slaney's scale and norm.

    Returns:
        float32 `(fft_length // 2 + 1, mels)`, read-only.
    """
    import librosa.filters

    weights = librosa.filters.mel(
        sr=contract.sample_rate,
        n_fft=contract.fft_length,
        n_mels=contract.mels,
        fmin=contract.lowest_hz,
        fmax=contract.highest_hz,
        htk=False,
        norm="slaney",
    ).T
    weights.setflags(write=False)
    return weights


def band_centres(contract: AudioContract) -> np.ndarray:
    """The peaks of the mel filters in Hz, `(mels,)`."""
    import librosa

    edges = librosa.mel_frequencies(
        contract.mels + 2, fmin=contract.lowest_hz, fmax=contract.highest_hz
    )
    return edges[1:-1]


def band_interpolation(contract: AudioContract, hertz) -> np.ndarray:
    """Weights that interpolate bands linearly, float32 `(mels, points)`.

    Beyond the outermost peaks of the mel filters theirs are taken.
    """
    rows = np.eye(contract.mels)
    peaks = band_centres(contract)
    weights = [np.interp(hertz, peaks, row) for row in rows]
    return np.stack(weights).astype(np.float32)


def log_pre_emphasis(contract: AudioContract, hertz) -> np.ndarray:
    """The gain of the contract's pre-emphasis in nats, `(points,)`."""
    angle = np.asarray(hertz) * (2 * np.pi / contract.sample_rate)
    return np.log(np.abs(1 - contract.pre_emphasis * np.exp(-1j * angle)))


def log_noise_std(contract: AudioContract) -> float:
    """ln(σ / M), where white noise of deviation σ has the mel magnitude M.

    A periodic Hann window w has Σ w² = 3/8 of its length, a complex normal
    variable a mean magnitude of √π / 2 of its deviation, and Slaney's filters
    an area of one hertz.
    """
    magnitude = math.sqrt(0.375 * contract.window_length * math.pi) / 2
    bins = contract.fft_length / contract.sample_rate
    return -math.log(magnitude * bins)


def log_mel_spectrogram(
    audio: "tf.Tensor", contract: AudioContract
) -> "tf.Tensor":
    """Mel spectrogram: natural log of mel-weighted STFT magnitudes.

    It is framed as `AudioContract` says and normalised where the contract
    holds statistics: float32 `(batch, time)` in [-1, 1) to `(batch,
    ceil(time / hop_length), mels)`. Works eagerly, in a graph and under XLA.
    """
    import tensorflow as tf

    hop, window = contract.hop_length, contract.window_length
    time = audio.shape[1] or tf.shape(audio)[1]
    left = _padding(contract)
    right = (-(-time // hop) - 1) * hop + window - left - time
    # In float64: far below a loud tone the rounding of a float32 transform
    # would show in the logarithm.
    audio = tf.cast(audio, tf.float64)
    spectrum = tf.signal.stft(
        tf.pad(audio, [[0, 0], [left, right]]),
        frame_length=window,
        frame_step=hop,
        fft_length=contract.fft_length,
        window_fn=lambda _, dtype: tf.constant(hann(window), dtype),
    )
    mel = tf.abs(spectrum) @ mel_filterbank(contract).astype(np.float64)
    mel = tf.math.log(tf.maximum(mel, contract.magnitude_floor))
    return normalised(tf.cast(mel, tf.float32), contract)


def _padding(contract: AudioContract) -> int:
    """Zeros before audio, so that its frames are centred on their hops.

    Zeros around the window do not change a magnitude: framing by
    window_length equals a window centred within fft_length.
    """
    fft, window = contract.fft_length, contract.window_length
    return (fft - contract.hop_length) // 2 - (fft - window) // 2


def log_mel(
    audio: np.ndarray,
    contract: AudioContract,
    filterbank: np.ndarray,
    rfft: Callable[[np.ndarray, int], np.ndarray] = np.fft.rfft,
) -> np.ndarray:
    """As `log_mel_spectrogram`, by NumPy, in float64 up to the end.

    float32 `(time,)` in [-1, 1) to `(ceil(time / hop_length), mels)`, with the
    filter bank `(fft_length // 2 + 1, mels)`.
    """
    hop, window = contract.hop_length, contract.window_length
    frames, left = contract.frames(len(audio)), _padding(contract)
    length = max(frames - 1, 0) * hop + window
    padded = np.zeros(length)
    # Where a hop is nearly as long as a window, the last samples are in none.
    covered = audio[: length - left]
    padded[left : left + len(covered)] = covered
    rows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = rfft(rows[:frames] * hann(window), contract.fft_length)
    mel = np.abs(spectrum) @ filterbank.astype(np.float64)
    mel = np.log(np.maximum(mel, contract.magnitude_floor))
    return normalised(mel.astype(np.float32), contract)


def hann(length: int) -> np.ndarray:
    """Periodic Hann window, as tf.signal.hann_window is for even lengths."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def normalised(mel: Array, contract: AudioContract) -> Array:
    """Normalises each band, `(..., frames, mels)`, to mean 0 and std 1.

    The statistics are the contract's; without them `mel` is returned as it is.
    """
    if not contract.mel_mean:
        return mel
    mean, std = _statistics(contract)
    return (mel - mean) / std


def inverse_normalised(mel: Array, contract: AudioContract) -> Array:
    """Undoes `normalised`: back to natural log magnitudes."""
    if not contract.mel_mean:
        return mel
    mean, std = _statistics(contract)
    return mel * std + mean


def _statistics(contract: AudioContract) -> np.ndarray:
    return np.array([contract.mel_mean, contract.mel_deviation], np.float32)


class LogMel:
    """Log-mel spectrogram of recordings of any length in bounded memory.

    That of `log_mel_spectrogram`, by NumPy: TensorFlow is not imported.

    Args:
        contract: The acoustic contract; with statistics, `Corpus.contract`
            or `with_mel_statistics`, the bands are normalised by them.

    Example:
        mel = LogMel(corpus.contract)(audio)
    """

    def __init__(self, contract: AudioContract) -> None:
        self._contract = contract

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """float32 `(time,)` in [-1, 1) to `(frames, mels)`.

        Raises:
            UserError: If the audio is far beyond full scale.
        """
        require_full_scale(audio, "audio")
        contract = self._contract
        # Not before: what reads features alone need not import librosa.
        filterbank = mel_filterbank(contract)
        hop, margin = contract.hop_length, contract.margin_frames
        frames = contract.frames(len(audio))
        chunks = []
        for start in range(0, frames, _CHUNK_FRAMES):
            end = min(start + _CHUNK_FRAMES, frames)
            first = max(0, start - margin)
            segment = audio[first * hop : (end + margin) * hop]
            mel = log_mel(segment, contract, filterbank)
            chunks.append(mel[start - first : end - first])
        return np.concatenate(chunks)
