"""The mel spectrogram of the acoustic contract by NumPy and SciPy alone."""

import numpy as np
import scipy.fft

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.features import hann, normalised


def numpy_log_mel(
    audio: np.ndarray, contract: AudioContract, filterbank: np.ndarray
) -> np.ndarray:
    """As `LogMel` of `pwavenet_tf.corpus.features`, in float64 up to the end.

    Args:
        audio: float32 `(time,)` in [-1, 1).
        contract: The acoustic contract; with statistics, the bands are
            normalised by them.
        filterbank: `(fft_length // 2 + 1, mels)`, from `mel_filterbank`.

    Returns:
        float32 `(ceil(time / hop_length), mels)`.
    """
    hop, window = contract.hop_length, contract.window_length
    frames = contract.frames(len(audio))
    fft = contract.fft_length
    # The window is centred within the FFT.
    left = (fft - hop) // 2 - (fft - window) // 2
    length = max(frames - 1, 0) * hop + window
    padded = np.zeros(length)
    # Where a hop is nearly as long as a window, the last samples are in none.
    covered = audio[: length - left]
    padded[left : left + len(covered)] = covered
    rows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = scipy.fft.rfft(rows[:frames] * hann(window), fft)
    mel = np.abs(spectrum) @ filterbank.astype(np.float64)
    mel = np.log(np.maximum(mel, contract.magnitude_floor))
    return normalised(mel.astype(np.float32), contract)
