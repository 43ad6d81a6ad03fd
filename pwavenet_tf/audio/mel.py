"""The log-mel spectrogram of the acoustic contract."""

import functools
import math
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
    """Weights that interpolate bands linearly at frequencies.

    Args:
        contract: The acoustic contract.
        hertz: The frequencies, `(points,)`; beyond the outermost peaks of the
            mel filters theirs are taken.

    Returns:
        float32 `(mels, points)`.
    """
    rows = np.eye(contract.mels)
    peaks = band_centres(contract)
    weights = [np.interp(hertz, peaks, row) for row in rows]
    return np.stack(weights).astype(np.float32)


def log_pre_emphasis(contract: AudioContract, hertz) -> np.ndarray:
    """The gain of the contract's pre-emphasis in nats, `(points,)`."""
    angle = np.asarray(hertz) * (2 * np.pi / contract.sample_rate)
    return np.log(np.abs(1 - contract.pre_emphasis * np.exp(-1j * angle)))


def log_noise_deviation(contract: AudioContract) -> float:
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
    holds statistics. Works eagerly, in a graph and under XLA.

    Args:
        audio: float32 `(batch, time)` in [-1, 1).
        contract: The acoustic contract.

    Returns:
        float32 `(batch, ceil(time / hop_length), mels)`.
    """
    import tensorflow as tf

    time = audio.shape[1] or tf.shape(audio)[1]
    # In float64: far below a loud tone the rounding of a float32 transform
    # would show in the logarithm.
    audio = tf.cast(audio, tf.float64)
    spectrum = tf.signal.stft(
        tf.pad(audio, [[0, 0], _padding(contract, time)]),
        frame_length=contract.window_length,
        frame_step=contract.hop_length,
        fft_length=contract.fft_length,
        window_fn=lambda _, dtype: tf.constant(
            hann(contract.window_length), dtype
        ),
    )
    mel = tf.abs(spectrum) @ mel_filterbank(contract).astype(np.float64)
    mel = tf.math.log(tf.maximum(mel, contract.magnitude_floor))
    return normalised(tf.cast(mel, tf.float32), contract)


def _padding(contract: AudioContract, time):
    """Zeros before and after audio, so that its frames are centred.

    Zeros around the window do not change a magnitude: framing by
    window_length equals a window centred within fft_length.
    """
    frames = -(-time // contract.hop_length)
    left = (contract.fft_length - contract.hop_length) // 2 - (
        contract.fft_length - contract.window_length
    ) // 2
    length = (frames - 1) * contract.hop_length + contract.window_length
    return left, length - left - time


def hann(length: int) -> np.ndarray:
    """Periodic Hann window, as tf.signal.hann_window is for even lengths."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def normalised(mel: Array, contract: AudioContract) -> Array:
    """Normalises each band to mean 0 and standard deviation 1.

    The statistics are the contract's.

    Args:
        mel: `(..., frames, mels)`, natural log magnitudes.
        contract: Without statistics `mel` is returned as it is.
    """
    if not contract.mel_mean:
        return mel
    mean, std = _statistics(contract)
    return (mel - mean) / std


def inverse_normalised(mel: Array, contract: AudioContract) -> Array:
    """Undoes `normalised`: back to natural log magnitudes.

    Args:
        mel: `(..., frames, mels)`.
        contract: Without statistics `mel` is returned as it is.
    """
    if not contract.mel_mean:
        return mel
    mean, std = _statistics(contract)
    return mel * std + mean


def _statistics(contract: AudioContract) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.asarray(contract.mel_mean, np.float32),
        np.asarray(contract.mel_deviation, np.float32),
    )


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
        self._window = hann(contract.window_length)
        self._filterbank = mel_filterbank(contract).astype(np.float64)

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """float32 `(time,)` in [-1, 1) to `(frames, mels)`.

        Raises:
            UserError: If the audio is far beyond full scale.
        """
        require_full_scale(audio, "audio")
        hop = self._contract.hop_length
        margin = self._contract.margin_frames
        frames = self._contract.frames(len(audio))
        chunks = []
        for start in range(0, frames, _CHUNK_FRAMES):
            end = min(start + _CHUNK_FRAMES, frames)
            first = max(0, start - margin)
            segment = audio[first * hop : (end + margin) * hop]
            mel = self._compute(segment)
            chunks.append(mel[start - first : end - first])
        return np.concatenate(chunks)

    def _compute(self, audio: np.ndarray) -> np.ndarray:
        contract = self._contract
        padded = np.pad(
            audio.astype(np.float64), _padding(contract, len(audio))
        )
        frames = np.lib.stride_tricks.sliding_window_view(
            padded, contract.window_length
        )[:: contract.hop_length]
        spectrum = np.fft.rfft(frames * self._window, contract.fft_length)
        mel = np.abs(spectrum) @ self._filterbank
        mel = np.log(np.maximum(mel, contract.magnitude_floor))
        return normalised(mel.astype(np.float32), contract)
