"""Compact corpora: 16-bit FLAC, and no mel spectrograms.

These are computed from the samples when the corpus is read, with the filter
bank that lies next to them: that takes neither TensorFlow nor librosa.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import scipy.fft

from pwavenet_tf.audio.mel import hann, normalised
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.sizes import load_arrays

LEVELS = "levels.flac"
FILTERBANK = "mel_filterbank.npz"

# Of FLAC's levels the one that makes the smallest files.
_SMALLEST = 1.0
_BLOCK = 2**20


class FlacWriter:
    """Writes recordings end to end into one FLAC file.

    Args:
        path: The file.
        sample_rate: Hz.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        import soundfile

        self._path = path
        self._file = soundfile.SoundFile(
            path,
            "w",
            sample_rate,
            1,
            "PCM_16",
            format="FLAC",
            compression_level=_SMALLEST,
        )

    def write(self, levels: np.ndarray) -> None:
        """Adds int16 `(time,)`."""
        self._file.write(levels)

    @property
    def bytes(self) -> int:
        """The size of what has been written out so far."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Completes the file."""
        self._file.close()


def unpacked(
    levels: Path, filterbank: Path, lengths: np.ndarray, contract: AudioContract
) -> dict[str, np.ndarray]:
    """The samples of a split and their mel spectrograms.

    Args:
        levels: The FLAC file.
        filterbank: The file of the mel filter bank.
        lengths: Samples of each recording, `(recordings,)`.
        contract: The acoustic contract, with statistics.

    Returns:
        `levels`, int16 `(samples,)`, and `mel`, float32 `(frames, mels)`.

    Raises:
        UserError: If a file is missing, damaged or of another corpus.
    """
    samples = _decoded(levels, contract.sample_rate)
    if len(samples) != lengths.sum():
        raise UserError(
            f"{levels}: holds {len(samples)} samples where the corpus has "
            f"{lengths.sum()}; copy or export it again"
        )
    try:
        bank = load_arrays(filterbank)["filterbank"]
        if bank.shape != (contract.fft_length // 2 + 1, contract.mels):
            raise ValueError(f"its shape is {bank.shape}")
    except (OSError, ValueError, LookupError) as error:
        reason = str(error).removeprefix(f"{filterbank}: ")
        raise UserError(
            f"{filterbank}: is damaged ({reason}); copy or export it again"
        ) from error
    return {"levels": samples, "mel": _mel(samples, lengths, contract, bank)}


def _mel(
    samples: np.ndarray,
    lengths: np.ndarray,
    contract: AudioContract,
    filterbank: np.ndarray,
) -> np.ndarray:
    """On all cores: an hour takes half a minute of one."""
    from pwavenet_tf.core.progress import Bar

    def of_recording(levels):
        audio = levels.astype(np.float32) / 32768
        return numpy_log_mel(audio, contract, filterbank)

    recordings = np.split(samples, np.cumsum(lengths)[:-1])
    with ThreadPoolExecutor() as pool:
        found = Bar(
            pool.map(of_recording, recordings),
            desc="mel spectrograms",
            total=len(recordings),
            unit="file",
        )
        return np.concatenate(list(found))


def _decoded(path: Path, sample_rate: int) -> np.ndarray:
    import soundfile

    if not path.exists():
        raise UserError(
            f"{path}: is missing; name a folder that `pwavenet export-corpus` "
            "has written"
        )
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = file.samplerate, file.channels
            # Its header may state any length.
            samples = list(file.blocks(_BLOCK, dtype="int16"))
    except soundfile.SoundFileError as error:
        raise UserError(
            f"{path}: is damaged ({error}); copy or export it again"
        ) from error
    if rate != sample_rate or channels != 1:
        raise UserError(
            f"{path}: has {rate} Hz and not {sample_rate}, or several "
            "channels; copy or export it again"
        )
    return np.concatenate(samples or [np.zeros(0, np.int16)])


def numpy_log_mel(
    audio: np.ndarray, contract: AudioContract, filterbank: np.ndarray
) -> np.ndarray:
    """As `LogMel` of `pwavenet_tf.audio.mel`, in float64 up to the end.

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
