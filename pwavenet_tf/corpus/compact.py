"""Compact corpora: 16-bit FLAC, and no mel spectrograms.

These are computed from the samples when the corpus is read, with the filter
bank that lies next to them: that takes neither TensorFlow nor librosa.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from pwavenet_tf.audio.mel import log_mel
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.sizes import load_arrays

if TYPE_CHECKING:
    import soundfile

LEVELS = "levels.flac"
FILTERBANK = "mel_filterbank.npz"

# Of FLAC's compression levels the one that makes the smallest files.
_SMALLEST = 1.0
_BLOCK = 2**20


def flac_writer(path: Path, sample_rate: int) -> "soundfile.SoundFile":
    """A FLAC file for recordings end to end, int16 `(time,)` each."""
    import soundfile

    return soundfile.SoundFile(
        *(path, "w", sample_rate, 1, "PCM_16"),
        format="FLAC",
        compression_level=_SMALLEST,
    )


def unpacked(
    flac: Path, filterbank: Path, lengths: np.ndarray, contract: AudioContract
) -> dict[str, np.ndarray]:
    """The samples of a split and their mel spectrograms.

    Returns:
        `levels`, PCM int16 `(samples,)`, of recordings with so many samples
        each, and `mel`, float32 `(frames, mels)`, normalised as the contract
        says.

    Raises:
        UserError: If a file is missing, damaged or of another corpus.
    """
    pcm = _decoded(flac, contract.sample_rate)
    if len(pcm) != lengths.sum():
        raise UserError(
            f"{flac}: holds {len(pcm)} samples where the corpus has "
            f"{lengths.sum()}; copy or export it again"
        )
    with exported(filterbank):
        bank = load_arrays(filterbank)["filterbank"]
        if bank.shape != (contract.fft_length // 2 + 1, contract.mels):
            raise ValueError(f"its shape is {bank.shape}")

    def mel_of(recording):
        audio = recording.astype(np.float32) / 32768
        return numpy_log_mel(audio, contract, bank)

    recordings = np.split(pcm, np.cumsum(lengths)[:-1])
    # On all cores: an hour takes half a minute of one.
    with ThreadPoolExecutor() as pool:
        found = Bar(
            pool.map(mel_of, recordings),
            desc="mel spectrograms",
            total=len(recordings),
            unit="file",
        )
        return {"levels": pcm, "mel": np.concatenate(list(found))}


@contextlib.contextmanager
def exported(path: Path, *faults: type[Exception]) -> Iterator[None]:
    """Refuses a file of an exported corpus if it is missing or damaged.

    The faults are those of reading it, beyond NumPy's.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: is missing; name a folder that `pwavenet export-corpus` "
            "has written"
        ) from error
    except (OSError, ValueError, LookupError, *faults) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise UserError(
            f"{path}: is damaged ({reason}); copy or export it again"
        ) from error


def _decoded(path: Path, sample_rate: int) -> np.ndarray:
    import soundfile

    with exported(path, soundfile.SoundFileError):
        # libsndfile does not tell a missing file from a damaged one.
        path.stat()
        with soundfile.SoundFile(path) as file:
            rate, channels = file.samplerate, file.channels
            # Its header may state any length.
            samples = list(file.blocks(_BLOCK, dtype="int16"))
    if rate != sample_rate or channels != 1:
        raise UserError(
            f"{path}: has {rate} Hz and not {sample_rate}, or several "
            "channels; copy or export it again"
        )
    return np.concatenate(samples or [np.zeros(0, np.int16)])


def numpy_log_mel(
    audio: np.ndarray, contract: AudioContract, filterbank: np.ndarray
) -> np.ndarray:
    """As `log_mel` of `pwavenet_tf.audio.mel`, by SciPy's transform."""
    return log_mel(audio, contract, filterbank, scipy.fft.rfft)
