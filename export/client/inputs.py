"""The inputs of a client's requests, checked."""

from collections.abc import Iterator, Mapping

import numpy as np

from pwavenet_tf.audio.files import require_full_scale
from pwavenet_tf.core.config import INPUT_ARRAYS, AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client.protocol import ModelInfo
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    is_single,
    require_features,
    require_seed,
    require_temperature,
    warn_of_oddities,
)

# Audio of one request, which bounds the size and time of each.
_CHUNK_SECONDS = 10


def request_features(
    speech: Features, speaker: str | int | None, model: ModelInfo
) -> dict[str, np.ndarray]:
    """Features of one utterance as the signatures read them, a batch of one.

    `speech` is a mel spectrogram `(frames, mels)` or features by name, and
    `speaker` is given if it is not among them.
    """
    conditioning = model.conditioning
    given = dict(speech) if isinstance(speech, Mapping) else {"mel": speech}
    if not is_single(given):
        raise UserError(
            "a client takes one utterance at a time, its features (frames, "
            "channels); call it once for each"
        )
    if speaker is not None:
        given["speaker"] = speaker
        if "speaker" not in conditioning.inputs:
            raise UserError(
                "this model has one speaker only; leave out the speaker"
            )
    elif "speaker" in conditioning.inputs and "speaker" not in given:
        raise UserError(
            "this model has several speakers; choose one by speaker=: "
            f"{', '.join(conditioning.speakers)}"
        )
    features = require_features(given, model.contract, conditioning)
    warn_of_oddities(features, model.contract, conditioning)
    return {
        name: features[name].astype(
            np.int64 if features[name].dtype.kind == "i" else np.float32
        )
        for kind in conditioning.inputs
        for name in INPUT_ARRAYS[kind]
    }


def noise_inputs(seed: int, temperature: float) -> dict[str, np.ndarray]:
    """Seed and temperature of one row, checked."""
    seeds = np.atleast_1d(require_seed(seed))
    if len(seeds) != 1:
        raise UserError(f"seed is {seed!r}, but one utterance has one seed")
    temperatures = np.array([require_temperature(temperature)], np.float32)
    return {"seed": seeds, "temperature": temperatures}


def one_channel(audio: np.ndarray) -> np.ndarray:
    """Audio as float32 `(time,)`, checked."""
    audio = np.asarray(audio)
    if (
        audio.ndim != 1
        or not audio.size
        or audio.dtype.kind not in "fiu"
        or not np.isfinite(audio).all()
    ):
        raise UserError(
            "audio must be (time,), finite and not empty, but its shape is "
            f"{audio.shape} ({audio.dtype}); give one channel of a sound "
            "recording"
        )
    require_full_scale(audio, "audio")
    return audio.astype(np.float32)


def chunk_frames(contract: AudioContract) -> int:
    """Frames of one request at most."""
    frames = _CHUNK_SECONDS * contract.sample_rate / contract.hop_length
    return max(1, int(frames))


def parts_of(features: dict, frames: int) -> Iterator[dict[str, np.ndarray]]:
    """The features, some frames at a time."""
    for start in range(0, batch_and_frames(features)[1], frames):
        yield {
            name: x[:, start : start + frames] if x.ndim == 3 else x
            for name, x in features.items()
        }
