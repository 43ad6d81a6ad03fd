"""The recordings of an evaluation, and the audio generated for them."""

import dataclasses
import os
import re
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pwavenet_tf.audio.files import read_audio, to_levels, write_audio
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.describe import (
    Description,
    FeatureExtractor,
    model_features,
)
from pwavenet_tf.models.inputs import (
    at_frames,
    batch_and_frames,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.files import voice_of

Model = WaveNet | ParallelWaveNet


@dataclasses.dataclass(frozen=True)
class Heard:
    """A recording, read and described.

    Attributes:
        path: Its file.
        name: The file's path within the folder of recordings, with `/`.
        audio: 16-bit levels `(time,)` in [-1, 1).
        description: What models may be told about it.
    """

    path: Path
    name: str
    audio: np.ndarray
    description: Description

    def features(self, model: Model) -> dict[str, np.ndarray]:
        """What a model reads, `(frames, channels)` each.

        Raises:
            UserError: If the model does not know the speaker.
        """
        try:
            return model_features(
                self.description, model.audio, model.conditioning
            )
        except UserError as fault:
            raise UserError(f"{self.path}: {fault}") from fault


def common_contract(models: dict[Path, Model]) -> AudioContract:
    """The acoustic contract that models share.

    Raises:
        UserError: If they do not.
    """
    (first_path, first), *others = models.items()
    for path, model in others:
        first.audio.require_equal(model.audio, str(first_path), str(path))
    return first.audio


def common_folder(recordings: list[Path]) -> Path:
    """The innermost folder that holds all recordings."""
    return Path(os.path.commonpath([path.parent for path in recordings]))


def hear(
    recordings: list[Path],
    models: list[Model],
    folder: Path,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> list[Heard]:
    """Reads recordings and finds out all that any of the models needs.

    Args:
        recordings: Files in `folder`.
        models: Of one acoustic contract.
        folder: Of recordings; see `FeatureExtractor`.
        labels: As `FeatureExtractor` has it.
        speaker_pattern: As `FeatureExtractor` has it.

    Raises:
        UserError: If a recording can't be read, or what a model needs is not
            found.
    """
    contract = models[0].audio
    asked = {name for model in models for name in model.conditioning.inputs}
    describe = FeatureExtractor(
        contract, tuple(sorted(asked)), folder, labels, speaker_pattern
    )
    heard = []
    for path in tqdm(recordings, desc="recordings", unit="file", disable=None):
        name = path.relative_to(folder).as_posix()
        levels = to_levels(read_audio(path, contract.sample_rate))
        audio = levels.astype(np.float32) / 32_768
        heard.append(Heard(path, name, audio, describe(name, audio)))
        for model in models:
            # A speaker that it does not know is told before hours of work.
            heard[-1].features(model)
    return heard


_BATCH = 8


def require_distinct(recordings: list[Path]) -> None:
    """Refuses recordings whose sound would have one file name.

    Raises:
        UserError: If there are two.
    """
    by_stem: dict[str, Path] = {}
    for path in recordings:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise UserError(
                f"{other} and {path} have one name, and so would the sound "
                "made from them; rename one of them"
            )


def speak_all(
    model: Model, heard: list[Heard], name: str
) -> tuple[list[np.ndarray], float | None]:
    """Each recording spoken anew, and samples per second.

    Batches are padded to their longest recording: later frames never change
    earlier samples but for the upsampler's short look-ahead. The first
    chunk, which holds the compiling, is not timed.

    Args:
        model: Who speaks.
        heard: The recordings.
        name: What the progress bar calls it.

    Returns:
        Audio by recording, `(frames * hop length,)` each, and the speed; None
        where everything fitted into first chunks.
    """
    hop = model.audio.hop_length
    voice = voice_of(model)
    frames = [model.audio.frames(len(one.audio)) for one in heard]
    spoken, timed_samples, seconds, seconds_before = [], 0, 0.0, 0.0
    with tqdm(
        total=sum(frames) * hop,
        desc=name,
        unit="sample",
        unit_scale=True,
        disable=None,
    ) as bar:
        for first in range(0, len(heard), _BATCH):
            batch = heard[first : first + _BATCH]
            chunks, started = [], None
            for chunk in voice.chunks(_padded(model, batch)):
                chunks.append(chunk)
                if started is None:
                    started = time.perf_counter()
                elif chunk.shape == chunks[0].shape:
                    timed_samples += chunk.size
                    seconds = seconds_before + time.perf_counter() - started
                bar.update(min(chunk.size, bar.total - bar.n))
            seconds_before = seconds
            audio = np.concatenate(chunks, axis=1)
            spoken += [
                row[: count * hop]
                for row, count in zip(
                    audio, frames[first : first + _BATCH], strict=True
                )
            ]
    return spoken, timed_samples / seconds if timed_samples else None


def _padded(model: Model, batch: list[Heard]) -> dict[str, np.ndarray]:
    each = [
        require_features(one.features(model), model.audio, model.conditioning)
        for one in batch
    ]
    longest = max(batch_and_frames(features)[1] for features in each)
    padded = [at_frames(features, np.arange(longest)) for features in each]
    return {
        key: np.concatenate([features[key] for features in padded])
        for key in padded[0]
    }


def write_sound(
    heard: list[Heard],
    voices: dict[str, list[np.ndarray]],
    folder: Path,
    contract: AudioContract,
) -> None:
    """Writes every voice of every recording as a WAV file.

    Raises:
        UserError: If `folder` can't be written.
    """
    for voice, spoken in voices.items():
        # Of two models of one name the second is a voice by its whole path.
        label = re.sub(r"[^\w.]+", "-", voice.removesuffix(".keras")).strip("-")
        for one, audio in zip(heard, spoken, strict=True):
            name = f"{one.path.stem}-{label}.wav"
            write_audio(folder / name, audio, contract.sample_rate)
