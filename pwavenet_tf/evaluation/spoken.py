"""What models make of recordings: their sound and its files."""

import re
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audio import write_audio
from pwavenet_tf.errors import UserError
from pwavenet_tf.evaluation.recordings import Heard, Model
from pwavenet_tf.model_inputs import (
    at_frames,
    batch_and_frames,
    require_features,
)
from pwavenet_tf.speaking import voice_of

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
