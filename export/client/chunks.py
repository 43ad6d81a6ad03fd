"""Input of any length, divided among requests."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pwavenet_tf.export.client.inputs import chunk_frames
from pwavenet_tf.export.client.protocol import Deadline, Output, not_asked
from pwavenet_tf.export.client.server import ModelInfo, ModelServer
from pwavenet_tf.models.inputs import batch_and_frames

FLOAT, INTEGER = np.dtype(np.float32), np.dtype(np.int64)
LENGTHS = Output(INTEGER, (1,))


class Part(NamedTuple):
    """The next features of an utterance.

    Attributes:
        features: By name, with a batch of one.
        valid: Whether the frames are the utterance's; JSON has no empty
            arrays, so the end of a stream is sent with one invalid frame.
        end: Whether no more frames follow.
    """

    features: dict[str, np.ndarray]
    valid: bool = True
    end: bool = False


def stream_requests(
    server: ModelServer,
    model: ModelInfo,
    parts: Iterable[Part],
    noise: dict[str, np.ndarray],
    deadline: Callable[[], Deadline],
) -> Iterator[np.ndarray]:
    """Yields the audio of an utterance, one request for each part.

    The state is kept here and sent with each request, so it outlives the
    server.

    Args:
        server: The server.
        model: Its model.
        parts: Of the utterance.
        noise: Seed and temperature.
        deadline: Gives the deadline of each request.

    Yields:
        float32 `(samples,)`.

    Raises:
        UserError: If the server does not answer, or with too much or too
            little audio.
    """
    hop, due, received = model.contract.hop_length, 0, 0
    specs = {
        name: Output(np.dtype(spec["dtype"]), (1, *spec["shape"]))
        for name, spec in model.card["state"].items()
    }
    outputs = {"audio": Output(FLOAT, (1, None)), "lengths": LENGTHS}
    # REST has no defaults, so the initial state is sent too.
    state = {
        name: np.zeros(spec.shape, spec.dtype) for name, spec in specs.items()
    }
    for part in parts:
        frames = batch_and_frames(part.features)[1] if part.valid else 0
        end = {"end": np.array([part.end])}
        answer = server.predict(
            model.servable,
            "stream",
            part.features | lengths_of(frames) | noise | end | state,
            outputs | specs,
            deadline(),
        )
        due += frames * hop
        state = {name: answer[name] for name in specs}
        audio = own(answer, "audio", server.host)
        received += len(audio)
        as_due = received == due if part.end else received <= due
        if not as_due:
            raise not_asked(
                server.host, f"{received} samples of audio, and {due} were due"
            )
        if len(audio):
            yield audio


class Analysis(NamedTuple):
    """A signature that computes frames from audio.

    Attributes:
        signature: Its name.
        output: The name of what it returns.
        channels: Values of a frame.
        margin_frames: Frames on either side that a frame depends on.
    """

    signature: str
    output: str
    channels: int
    margin_frames: int


def mel_of(model: ModelInfo) -> Analysis:
    """How a model's server computes mel spectrograms."""
    contract = model.contract
    found = contract.mels, contract.margin_frames
    return Analysis("mel_spectrogram", "mel", *found)


def encoding_of(model: ModelInfo) -> Analysis:
    """How a model's server encodes audio."""
    conditioning = model.conditioning
    margin = model.contract.frames(conditioning.encoder_context)
    found = conditioning.encoding_channels, margin
    return Analysis("encode", "encoding", *found)


def analysed(
    server: ModelServer,
    model: ModelInfo,
    analysis: Analysis,
    audio: np.ndarray,
    deadline: Deadline,
) -> np.ndarray:
    """Frames of audio, as the server computes them, in pieces.

    Args:
        server: The server.
        model: Its model.
        analysis: What is computed.
        audio: float32 `(time,)`.
        deadline: Of all requests.

    Returns:
        float32 `(frames, channels)`.

    Raises:
        UserError: If the server does not answer.
    """
    contract, hop = model.contract, model.contract.hop_length
    margin, name = analysis.margin_frames, analysis.output
    chunk, found = chunk_frames(contract), []
    for start in range(0, contract.frames(len(audio)), chunk):
        first = max(start - margin, 0)
        segment = audio[first * hop : (start + chunk + margin) * hop]
        answer = server.predict(
            model.servable,
            analysis.signature,
            {"audio": segment[np.newaxis]} | lengths_of(len(segment)),
            {
                name: Output(FLOAT, (1, None, analysis.channels)),
                "lengths": LENGTHS,
            },
            deadline,
        )
        frames = contract.frames(len(segment))
        values = own(answer, name, server.host, frames)
        found.append(values[start - first :][:chunk])
    return np.concatenate(found)


def lengths_of(count: int) -> dict[str, np.ndarray]:
    """The input `lengths` of one row.

    It is always sent, because a server that joins requests to one batch pads
    the shorter ones.
    """
    return {"lengths": np.array([count], INTEGER)}


def own(
    answer: dict, name: str, host: str, due: int | None = None
) -> np.ndarray:
    """A tensor of an answer without padding to other rows of a batch.

    Args:
        answer: With `lengths`.
        name: Of the tensor.
        host: The server, for messages.
        due: The length that it must have, if known.

    Raises:
        UserError: If it is shorter than `lengths`, or of another length.
    """
    length, row = int(answer["lengths"][0]), answer[name][0]
    if not 0 <= length <= len(row) or due not in (None, length):
        raise not_asked(
            host, f"{name} has {len(row)}, states {length}, and {due} were due"
        )
    return row[:length]
