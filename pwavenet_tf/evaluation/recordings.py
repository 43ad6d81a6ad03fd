"""The recordings that models are compared with, and what is told of them."""

import dataclasses
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import read_audio, to_levels
from pwavenet_tf.corpus.described import (
    Describer,
    Description,
    model_features,
)
from pwavenet_tf.errors import UserError
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet

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
        folder: Of recordings; see `Describer`.
        labels: As `Describer` has it.
        speaker_pattern: As `Describer` has it.

    Raises:
        UserError: If a recording can't be read, or what a model needs is not
            found.
    """
    contract = models[0].audio
    asked = {name for model in models for name in model.conditioning.inputs}
    describe = Describer(
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
