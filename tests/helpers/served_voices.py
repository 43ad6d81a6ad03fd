"""Tiny exported students, and the audio that is expected of them."""

import functools
from pathlib import Path

import numpy as np
import tiny_models
from shared_files import made_once

from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.synthesis.student import Synthesizer

CONDITIONINGS = {
    "mel": tiny_models.ON_MEL,
    "everything": tiny_models.EVERYTHING,
}
HOP = tiny_models.HOP


@functools.cache
def synthesizer(kind: str) -> Synthesizer:
    """A student that is conditioned on the mel, or on everything."""
    sizes = tiny_models.FEW_LAYERS | {"conditioning": CONDITIONINGS[kind]}
    return Synthesizer(tiny_models.student(**sizes))


@functools.cache
def exported(kind: str) -> Path:
    """The folder of the student's first version, which nobody changes."""
    with made_once(f"served-{kind}") as (place, missing):
        voice = place / "deep" / "voice"
        if missing:
            export_saved_model(synthesizer(kind).student, voice)
    return voice / "1"


def features(kind: str, batch: int, frames: int) -> dict[str, np.ndarray]:
    """Features of the types that the signatures take."""
    arrays = tiny_models.features(batch, frames)
    if kind == "mel":
        arrays = {"mel": arrays["mel"]}
    return {
        name: x.astype(np.int64) if x.dtype.kind == "i" else x
        for name, x in arrays.items()
    }


def frames_of(features: dict, start: int, end: int) -> dict:
    """Some of the frames, of all rows."""
    return {
        name: x[:, start:end] if x.ndim == 3 else x
        for name, x in features.items()
    }


def expected_audio(
    kind: str, features: dict, lengths, seeds, temperature: float
) -> list[np.ndarray]:
    """The synthesizer's own audio of each row's frames, `(time,)` each."""
    rows = []
    for row, (length, seed) in enumerate(zip(lengths, seeds, strict=True)):
        alone = {name: x[[row]] for name, x in features.items()}
        alone = frames_of(alone, 0, length)
        rows.append(synthesizer(kind)(alone, seed, temperature)[0])
    return rows
