"""Synthesis from files of recordings or features to audio files."""

import io
import itertools
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from pwavenet_tf.audio.files import read_audio, to_pcm16, with_undecodable
from pwavenet_tf.core.errors import UserError, unreadable
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.sizes import load_arrays
from pwavenet_tf.corpus.describe import (
    Description,
    FeatureExtractor,
    model_features,
)
from pwavenet_tf.models.inputs import (
    batch_and_frames,
    require_features,
    warn_of_oddities,
)
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer

ARRAY_SUFFIXES = (".npy", ".npz")
# Of 16 bits each, as far as the header's 32 bits count bytes.
_MOST_SAMPLES = (2**32 - 1 - 36) // 2

_Input = TypeVar("_Input", Path, str)
_Output = TypeVar("_Output", Path, str)


def find_inputs(place: Path) -> list[Path]:
    """Recordings, `.npy` and `.npz` files in a folder, or the file itself."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    paths = input_files(path for path in place.iterdir() if path.is_file())
    if not paths:
        raise no_inputs(place)
    by_output((f"{path.stem}.wav", path) for path in paths)
    return paths


def input_files(paths: Iterable[Path]) -> list[Path]:
    """Recordings and features among files, sorted.

    Recordings that cannot be decoded are among them; see `find_audio`.
    """
    paths = list(paths)
    arrays = [path for path in paths if path.suffix.lower() in ARRAY_SUFFIXES]
    return sorted(with_undecodable(paths) + arrays)


def no_inputs(place: Path) -> UserError:
    """The error of a folder without inputs."""
    return UserError(
        f"{place}: holds neither recordings nor .npy or .npz files; put some "
        "in it"
    )


def by_output(pairs: Iterable[tuple[_Output, _Input]]) -> dict[_Output, _Input]:
    """Inputs by their audio files; refuses two that would give one file."""
    inputs: dict[_Output, _Input] = {}
    for output, one in pairs:
        if (other := inputs.setdefault(output, one)) != one:
            raise UserError(
                f"{other} and {one} would both become {output}; rename one of "
                "them"
            )
    return inputs


def read_features(
    path: Path,
    synthesizer: StreamingSynthesizer,
    describe: Callable[[str, np.ndarray], Description],
    speaker: str | None = None,
) -> dict[str, np.ndarray]:
    """An input file's features by name, `(frames, channels)` each.

    The file is a recording, which `describe` analyses, an `.npy` file that
    holds a mel spectrogram `(frames, mels)` normalised by the contract, or an
    `.npz` file that holds features by name. The speaker takes the place of the
    recording's own.

    Raises:
        UserError: If the file can't be read or does not suit the model.
    """
    if path.suffix.lower() in ARRAY_SUFFIXES:
        features = _read_arrays(path)
    else:
        audio = read_audio(path, synthesizer.contract.sample_rate)
        features = model_features(
            describe(path.name, audio),
            synthesizer.contract,
            synthesizer.conditioning,
        )
        if "encoding" in synthesizer.conditioning.inputs:
            features["encoding"] = synthesizer.encode(audio)
    return require_utterance(features, synthesizer, speaker, str(path))


def mixed_features(
    one: Path,
    other: Path,
    by: float,
    synthesizer: StreamingSynthesizer,
    speaker: str | None = None,
) -> dict[str, np.ndarray]:
    """Features with an encoding between those of two recordings.

    (1 - by) z(one) + by z(other), as NSynth mixes notes (1704.01279, section
    4.2). Silence follows the shorter one. What else the model reads, such as
    pitch, is of the first one.
    """
    contract, conditioning = synthesizer.contract, synthesizer.conditioning
    if "encoding" not in conditioning.inputs:
        raise UserError(
            "mixing takes a model with an encoder, and this one has none; "
            "train one with --conditioning=encoding"
        )
    sounds = [read_audio(path, contract.sample_rate) for path in (one, other)]
    longest = max(map(len, sounds))
    first, second = (np.pad(x, (0, longest - len(x))) for x in sounds)
    inputs = inputs_to_extract(synthesizer, find_speaker=False)
    describe = FeatureExtractor(contract, inputs, one.parent)
    features = model_features(describe(one.name, first), contract, conditioning)
    features["encoding"] = (1 - by) * synthesizer.encode(first)
    features["encoding"] += by * synthesizer.encode(second)
    return require_utterance(features, synthesizer, speaker, str(one))


def features_at(
    place: Path,
    synthesizer: StreamingSynthesizer,
    speaker: str | None = None,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> dict[Path, dict[str, np.ndarray]]:
    """The features of all input files at a place, as `read_features`, by file.

    The place is a recording, an `.npy` or `.npz` file, or a folder of them.
    The folder `labels` has label files, if they are not next to the
    recordings; `speaker_pattern` finds the speaker in a recording's path.
    """
    describe = FeatureExtractor(
        synthesizer.contract,
        inputs_to_extract(
            synthesizer, find_speaker=not speaker and bool(speaker_pattern)
        ),
        place if place.is_dir() else place.parent,
        labels,
        speaker_pattern,
    )
    return {
        path: read_features(path, synthesizer, describe, speaker)
        for path in find_inputs(place)
    }


def require_utterance(
    features: dict[str, np.ndarray],
    synthesizer: StreamingSynthesizer,
    speaker: str | None,
    source: str,
) -> dict[str, np.ndarray]:
    """Features of one utterance, checked for a model."""
    if speaker is not None:
        if "speaker" not in synthesizer.conditioning.inputs:
            raise UserError(
                "this model has one speaker only; leave out --speaker"
            )
        features = {**features, "speaker": np.asarray(speaker)}
    features = require_features(
        features, synthesizer.contract, synthesizer.conditioning, source
    )
    if (batch := batch_and_frames(features)[0]) != 1:
        raise UserError(
            f"{source}: holds a batch of {batch}; save each utterance in a "
            "file of its own, (frames, channels)"
        )
    warn_of_oddities(
        features, synthesizer.contract, synthesizer.conditioning, source
    )
    return {name: value[0] for name, value in features.items()}


def inputs_to_extract(
    synthesizer: StreamingSynthesizer, find_speaker: bool
) -> tuple[str, ...]:
    """The conditioning inputs that a recording has to provide.

    The speaker is among them if the recording's own is to be found.
    """
    return tuple(
        name
        for name in synthesizer.conditioning.inputs
        if name != "speaker" or find_speaker
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays = load_arrays(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if isinstance(arrays, np.ndarray):
        return {"mel": arrays}
    if not arrays:
        raise UserError(f"{path}: holds no arrays; save some with numpy.savez")
    return arrays


def synthesize_to_file(
    synthesizer: StreamingSynthesizer,
    features: dict[str, np.ndarray],
    path: Path,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """Synthesizes one utterance to a 16-bit WAV file, chunk by chunk.

    The features are those that `read_features` returned, checked there. The
    file appears only when it is complete. `progress` is called with the number
    of new samples after each chunk.

    Raises:
        UserError: If the file can't be written, or the audio is not finite.
    """
    how = (seed, temperature)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        _write_wave(synthesizer, features, how, file, str(path), progress)


def synthesize_to_pipe(
    synthesizer: StreamingSynthesizer,
    features: dict[str, np.ndarray],
    pipe: BinaryIO,
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    """As `synthesize_to_file`, to a pipe, for playback during synthesis.

    It is written in short blocks, and need not be seekable.

    Raises:
        UserError: If the audio is not finite.
        BrokenPipeError: If nobody reads from the pipe any more.
    """
    how = (seed, temperature, synthesizer.block_frames)
    _write_wave(synthesizer, features, how, pipe, "the audio", progress)


def speech_to_file(
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    path: Path,
    progress: Callable[[int], object] = lambda samples: None,
) -> float:
    """Writes audio of unknown length to a 16-bit WAV file, block by block.

    Blocks are `(time,)` each, in [-1, 1). Returns the seconds of audio; file,
    progress and errors are as in `synthesize_to_file`.
    """
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        start = file.write(_wave_header(sample_rate, 0))
        _write_pcm(blocks, file, str(path), progress)
        samples = (file.tell() - start) // 2
        file.seek(0)
        file.write(_wave_header(sample_rate, samples))
    return samples / sample_rate


def speech_to_pipe(
    blocks: Iterable[np.ndarray], sample_rate: int, pipe: BinaryIO
) -> None:
    """As `speech_to_file`, to a pipe, which need not be seekable.

    The header states the greatest length, which players take for unknown;
    it comes with the first block.

    Raises:
        UserError: If the audio is not finite.
        BrokenPipeError: If nobody reads from the pipe any more.
    """
    blocks = iter(blocks)
    # A text that is refused gives no block, and no header either.
    first = list(itertools.islice(blocks, 1))
    pipe.write(_wave_header(sample_rate, _MOST_SAMPLES))
    _write_pcm(itertools.chain(first, blocks), pipe, "the audio")


def _write_wave(synthesizer, features, how, file, name, progress) -> None:
    contract = synthesizer.contract
    batch = {key: np.asarray(value)[None] for key, value in features.items()}
    chunks = synthesizer.checked_chunks(batch, *how)
    samples = batch_and_frames(batch)[1] * contract.hop_length
    file.write(_wave_header(contract.sample_rate, samples))
    _write_pcm((chunk[0] for chunk in chunks), file, name, progress)


def _write_pcm(
    blocks: Iterable[np.ndarray],
    file: BinaryIO,
    name: str,
    progress: Callable[[int], object] = lambda samples: None,
) -> None:
    for block in blocks:
        if not np.isfinite(block).all():
            raise UserError(
                f"{name}: not written, the model generates audio that is "
                "not finite; its training has diverged, train it again"
            )
        file.write(to_pcm16(block).tobytes())
        file.flush()
        progress(len(block))


def _wave_header(sample_rate: int, samples: int) -> bytes:
    """The header of 16-bit PCM that follows: a pipe is not seekable."""
    # Not soundfile: it reports a full disk as "System error" and no more.
    header = io.BytesIO()
    with wave.open(header, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(sample_rate)
        sound.setnframes(samples)
        sound.writeframesraw(b"")
        # Before it is closed, which would write the actual length.
        return header.getvalue()
