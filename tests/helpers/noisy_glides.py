"""Recordings in which no two places are alike, in any of their features."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from shared_files import made_once

from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.corpus.prepare import prepare

RATE = 16_000
SPEAKERS = ("anna", "ben")
# Two that end within a hop, one that fills its hops, one of one short clip.
LENGTHS = (8_345, 12_001, 9_000, 4_100)
INPUTS = ("mel", "linguistic", "pitch", "speaker")


def prepared() -> Path:
    """The folder of a prepared corpus of `LENGTHS` and `INPUTS`."""
    with made_once("glides") as (place, missing):
        if missing:
            write(place / "in", LENGTHS * 3)
            prepare(place / "in", place / "data", preset("nano"), INPUTS)
    return place / "data"


def write(folder: Path, lengths: Iterable[int]) -> None:
    """Writes a corpus of two speakers, with a folder of labels.

    Args:
        folder: Recordings are in a folder for each speaker.
        lengths: Samples of each recording; none of these is zero, so that
            silence in a clip is padding.
    """
    random = np.random.default_rng(0)
    for number, length in enumerate(lengths):
        name = f"{SPEAKERS[number % 2]}/{number}"
        time = np.arange(length) / RATE
        tone = np.sin(2 * np.pi * (110 + 10 * number) * (time + time**2 / 3))
        samples = 20_000 * tone + random.normal(0, 2_000, length)
        samples = np.rint(samples).astype(np.int16)
        samples[samples == 0] = 1
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.wav", samples, RATE)
        borders = np.sort(random.uniform(0, length / RATE, 9))
        phones = zip("abacabca", borders, borders[1:], strict=False)
        write_labels(
            folder / "labels" / f"{name}.csv",
            [Phone(symbol, start, end) for symbol, start, end in phones],
        )
