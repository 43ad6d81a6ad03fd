"""From files of recordings or mel spectrograms to sound files."""

import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import SUFFIXES, read_audio, to_levels
from pwavenet_tf.corpus.features import LogMel
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside
from pwavenet_tf.sampling import CachedSampler
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.synthesis import Synthesizer
from pwavenet_tf.teacher import WaveNet

Voice = CachedSampler | Synthesizer


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
    return LogMel(contract)(audio)


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


def voice_of(model: WaveNet | ParallelWaveNet) -> Voice:
    """What speaks with a model; keep it, for its first chunk compiles."""
    if isinstance(model, WaveNet):
        return CachedSampler(model)
    return Synthesizer(model)


def speak_to_file(
    voice: Voice,
    mel: np.ndarray,
    path: Path,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """Writes what a voice speaks as 16-bit WAV, chunk by chunk.

    Args:
        voice: From `voice_of`.
        mel: `(frames, mels)`.
        path: The file; it appears only when it is complete.
        seed: The same seed gives the same audio.
        temperature: 1 samples from the model itself.
        progress: Called with the number of new samples behind each chunk.

    Raises:
        UserError: If the file can't be written, or the audio is not finite.
    """
    # Not soundfile: of a full disk it says "System error" and no more.
    with written_aside(path) as aside, wave.open(str(aside), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(voice.contract.sample_rate)
        for chunk in voice.chunks(mel, seed, temperature):
            if not np.isfinite(chunk).all():
                raise UserError(
                    f"{path}: not written, the model makes sound that is not "
                    "finite; its training has diverged, train it anew"
                )
            file.writeframes(to_levels(chunk[0]).tobytes())
            progress(chunk.shape[1])
