"""From files of recordings or mel spectrograms to sound files."""

import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import SUFFIXES, read_audio, to_levels
from pwavenet_tf.corpus.features import log_mel_spectrogram
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside
from pwavenet_tf.sampling import generate_chunks
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.synthesis import Synthesizer, require_mel
from pwavenet_tf.teacher import WaveNet


def find_inputs(place: Path) -> list[Path]:
    """Recordings and `.npy` files in a folder, or the one file named.

    Raises:
        UserError: If there is none, or two would give one sound file.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    found = sorted(
        path
        for path in place.iterdir()
        if path.suffix.lower() in (*SUFFIXES, ".npy")
    )
    if not found:
        raise UserError(
            f"{place}: holds neither recordings nor .npy files; put some in it"
        )
    by_stem: dict[str, Path] = {}
    for path in found:
        if path.stem in by_stem:
            raise UserError(
                f"{by_stem[path.stem]} and {path} would both become "
                f"{path.stem}.wav; rename one of them"
            )
        by_stem[path.stem] = path
    return found


def mel_of_recording(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """The normalised mel spectrogram `(frames, mels)` of audio `(time,)`."""
    return log_mel_spectrogram(audio[np.newaxis], contract)[0].numpy()


def read_mel(path: Path, contract: AudioContract) -> np.ndarray:
    """The mel spectrogram of an input file.

    Args:
        path: A recording, which is analysed, or an `.npy` file that holds a
            mel spectrogram `(frames, mels)` normalised by the contract.
        contract: The model's.

    Returns:
        `(frames, mels)`, float32.

    Raises:
        UserError: If the file can't be read or does not fit the contract.
    """
    if path.suffix.lower() != ".npy":
        audio = read_audio(path, contract.sample_rate)
        return mel_of_recording(audio, contract)
    try:
        mel = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: is not a NumPy array file; save one with numpy.save"
        ) from error
    mel = require_mel(mel, contract.mels, str(path))
    if len(mel) != 1:
        raise UserError(
            f"{path}: holds a batch of {len(mel)} mel spectrograms; save each "
            "in a file of its own"
        )
    return mel[0]


def speak(
    model: WaveNet | ParallelWaveNet,
    mel: np.ndarray,
    seed: int = 0,
    temperature: float = 1.0,
) -> Iterator[np.ndarray]:
    """Audio of a teacher or a student, `(batch, samples)` at a time."""
    if isinstance(model, WaveNet):
        return generate_chunks(model, mel, seed, temperature)
    synthesizer = Synthesizer(model, jit_compile=False)
    return synthesizer.chunks(mel, seed, temperature)


def speak_to_file(
    model: WaveNet | ParallelWaveNet,
    mel: np.ndarray,
    path: Path,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """Writes what a model speaks as 16-bit WAV, chunk by chunk.

    Args:
        model: A teacher or a student.
        mel: `(frames, mels)`.
        path: The file; it appears only when it is complete.
        seed: The same seed gives the same audio.
        temperature: 1 samples from the model itself.
        progress: Called with the number of new samples behind each chunk.

    Raises:
        UserError: If the file can't be written.
    """
    # Not soundfile: of a full disk it says "System error" and no more.
    with written_aside(path) as aside, wave.open(str(aside), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(model.audio.sample_rate)
        for chunk in speak(model, mel, seed, temperature):
            file.writeframes(to_levels(chunk[0]).tobytes())
            progress(chunk.shape[1])
