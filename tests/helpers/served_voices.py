"""Tiny voices, exported, and what they must say."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import tiny_models

from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.synthesis.student import Synthesizer

CONDITIONINGS = {
    "mel": tiny_models.ON_MEL,
    "everything": tiny_models.EVERYTHING,
}
HOP = tiny_models.HOP


@functools.cache
def voice(kind: str) -> Synthesizer:
    """A voice that is told the mel spectrogram, or everything."""
    conditioning = CONDITIONINGS[kind]
    return Synthesizer(tiny_models.student(conditioning=conditioning))


_folder = tempfile.TemporaryDirectory(prefix="served-")


@functools.cache
def exported(kind: str) -> Path:
    """The folder of the voice's first version."""
    return export_saved_model(voice(kind).student, Path(_folder.name) / kind)


def features(kind: str, batch: int, frames: int) -> dict[str, np.ndarray]:
    """Features of the types that the signatures take."""
    found = tiny_models.features(batch, frames)
    if kind == "mel":
        found = {"mel": found["mel"]}
    return {
        name: x.astype(np.int64) if x.dtype.kind == "i" else x
        for name, x in found.items()
    }


def frames_of(features: dict, start: int, end: int) -> dict:
    """Some of the frames, of all rows."""
    return {
        name: x[:, start:end] if x.ndim == 3 else x
        for name, x in features.items()
    }


def spoken(
    kind: str, features: dict, lengths, seeds, temperature: float
) -> list[np.ndarray]:
    """What the voice itself says of each row's own frames, `(time,)` each."""
    rows = []
    for row, (length, seed) in enumerate(zip(lengths, seeds, strict=True)):
        alone = {name: x[[row]] for name, x in features.items()}
        alone = frames_of(alone, 0, length)
        rows.append(voice(kind)(alone, seed, temperature)[0])
    return rows
