"""From files of recordings or features to sound files."""

import io
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pwavenet_tf.audio.files import SUFFIXES, read_audio, to_levels
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import written_aside
from pwavenet_tf.corpus.describe import FeatureExtractor, model_features
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.streaming import Stream, StreamedVoice, spoken
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler

ARRAY_SUFFIXES = (".npy", ".npz")


def find_inputs(place: Path) -> list[Path]:
    """Recordings, `.npy` and `.npz` files in a folder, or the one file named.

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
        if path.suffix.lower() in (*SUFFIXES, *ARRAY_SUFFIXES)
    )
    if not found:
        raise nothing_to_speak(place)
    by_stem: dict[str, Path] = {}
    for path in found:
        if path.stem in by_stem:
            raise same_sound(by_stem[path.stem], path, f"{path.stem}.wav")
        by_stem[path.stem] = path
    return found


def nothing_to_speak(place: Path) -> UserError:
    """What to say of a folder without inputs."""
    return UserError(
        f"{place}: holds neither recordings nor .npy or .npz files; put some "
        "in it"
    )


def same_sound(
    one: Path | str, other: Path | str, sound: Path | str
) -> UserError:
    """What to say of two inputs that would give one sound file."""
    return UserError(
        f"{one} and {other} would both become {sound}; rename one of them"
    )


def read_features(
    path: Path,
    voice: StreamedVoice,
    describe: FeatureExtractor,
    speaker: str | None = None,
) -> dict[str, np.ndarray]:
    """What a model reads of an input file.

    Args:
        path: A recording, which is analysed, an `.npy` file that holds a mel
            spectrogram `(frames, mels)` normalised by the contract, or an
            `.npz` file that holds features by name.
        voice: Whose contract and conditioning are followed.
        describe: For recordings of the folder that `path` is in.
        speaker: Who is to speak, instead of the recording's own speaker.

    Returns:
        By name, `(frames, channels)` each.

    Raises:
        UserError: If the file can't be read or does not suit the model.
    """
    if path.suffix.lower() in ARRAY_SUFFIXES:
        features = _read_arrays(path)
    else:
        audio = read_audio(path, voice.contract.sample_rate)
        features = model_features(
            describe(path.name, audio), voice.contract, voice.conditioning
        )
    return checked_features(features, voice, speaker, str(path))


def features_at(
    place: Path,
    voice: StreamedVoice,
    speaker: str | None = None,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> dict[Path, dict[str, np.ndarray]]:
    """What a voice reads of all that can be spoken at a place.

    Args:
        place: A recording, an `.npy` or `.npz` file, or a folder of them.
        voice: Whose contract and conditioning are followed.
        speaker: Who is to speak, instead of the recordings' own speakers.
        labels: Folder of label files, if not beside the recordings.
        speaker_pattern: Finds who speaks in a recording's path.

    Returns:
        By file, as `read_features`.

    Raises:
        UserError: If there is none, or one does not suit the voice.
    """
    describe = FeatureExtractor(
        voice.contract,
        inputs_to_describe(
            voice, find_speaker=not speaker and bool(speaker_pattern)
        ),
        place if place.is_dir() else place.parent,
        labels,
        speaker_pattern,
    )
    return {
        path: read_features(path, voice, describe, speaker)
        for path in find_inputs(place)
    }


def checked_features(
    features: dict[str, np.ndarray],
    voice: StreamedVoice,
    speaker: str | None,
    source: str,
) -> dict[str, np.ndarray]:
    """Features of one utterance, of which a model is sure to be able to speak.

    Raises:
        UserError: If they do not suit the model.
    """
    if speaker is not None:
        if "speaker" not in voice.conditioning.inputs:
            raise UserError(
                "this model knows one voice only; leave out --speaker"
            )
        features = features | {"speaker": speaker}
    found = require_features(
        features, voice.contract, voice.conditioning, source
    )
    if (batch := batch_and_frames(found)[0]) != 1:
        raise UserError(
            f"{source}: holds a batch of {batch}; save each utterance in a "
            "file of its own, (frames, channels)"
        )
    return {name: value[0] for name, value in found.items()}


def inputs_to_describe(
    voice: StreamedVoice, find_speaker: bool
) -> tuple[str, ...]:
    """What has to be found out about a recording that is to be spoken.

    Args:
        voice: Who speaks.
        find_speaker: Whether the recording's own speaker is to speak.
    """
    return tuple(
        name
        for name in voice.conditioning.inputs
        if name != "speaker" or find_speaker
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            return {"mel": arrays}
        with arrays:
            found = {name: arrays[name] for name in arrays}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: is not a NumPy array file; save one with numpy.save or "
            "numpy.savez"
        ) from error
    if not found:
        raise UserError(f"{path}: holds no arrays; save some with numpy.savez")
    return found


def voice_of(model: WaveNet | ParallelWaveNet) -> StreamedVoice:
    """What speaks with a model; keep it, for its first chunk compiles."""
    if isinstance(model, WaveNet):
        return CachedSampler(model)
    return Synthesizer(model)


def speak_to_file(
    voice: StreamedVoice,
    features: Features,
    path: Path,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """Writes what a voice speaks as 16-bit WAV, chunk by chunk.

    Args:
        voice: From `voice_of`.
        features: Of one utterance; a mel spectrogram may stand alone.
        path: The file; it appears only when it is complete.
        seed: The same seed gives the same audio.
        temperature: 1 samples from the model itself.
        progress: Called with the number of new samples behind each chunk.

    Raises:
        UserError: If the file can't be written, or the audio is not finite.
    """
    chunks = voice.chunks(features, seed, temperature)
    with written_aside(path) as aside, open(aside, "wb") as file:
        _write_wave(voice, features, chunks, file, str(path), progress)


def speak_to_listener(
    voice: StreamedVoice,
    features: Features,
    listener: BinaryIO,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """Writes 16-bit WAV to whoever plays it while it is still being made.

    Args:
        voice: From `voice_of`.
        features: As in `speak_to_file`.
        listener: Need not be able to go back, so it may be a pipe.
        seed: As in `speak_to_file`.
        temperature: As in `speak_to_file`.
        progress: As in `speak_to_file`.

    Raises:
        UserError: If nobody listens any more, or the audio is not finite.
    """
    stream = Stream(voice, seed, temperature, voice.block_frames)
    chunks = spoken(stream, [features])
    try:
        _write_wave(voice, features, chunks, listener, "the sound", progress)
    except BrokenPipeError as error:
        raise UserError(
            "nobody listens any more; give --out=DIR to keep the sound"
        ) from error


def _write_wave(voice, features, chunks, file, name, progress) -> None:
    frames = batch_and_frames(
        require_features(features, voice.contract, voice.conditioning)
    )[1]
    samples = frames * voice.contract.hop_length
    file.write(_wave_header(voice.contract.sample_rate, samples))
    for chunk in chunks:
        if not np.isfinite(chunk).all():
            raise UserError(
                f"{name}: not written, the model makes sound that is not "
                "finite; its training has diverged, train it anew"
            )
        file.write(to_levels(chunk[0]).tobytes())
        file.flush()
        progress(chunk.shape[1])


def _wave_header(sample_rate: int, samples: int) -> bytes:
    """Of 16-bit levels that are still to come: a pipe does not go back."""
    # Not soundfile: of a full disk it says "System error" and no more.
    header = io.BytesIO()
    with wave.open(header, "wb") as sound:
        sound.setparams((1, 2, sample_rate, samples, "NONE", None))
        sound.writeframesraw(b"")
        # Before it is closed, which would tell how much there was.
        return header.getvalue()
