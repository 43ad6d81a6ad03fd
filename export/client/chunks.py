"""Input of any length as requests that add up to one."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pwavenet_tf.export.client.inputs import chunk_frames
from pwavenet_tf.export.client.protocol import Deadline, Output, not_asked
from pwavenet_tf.export.client.server import Voice, VoiceServer
from pwavenet_tf.models.inputs import batch_and_frames

FLOAT, INTEGER = np.dtype(np.float32), np.dtype(np.int64)
LENGTHS = Output(INTEGER, (1,))


class Part(NamedTuple):
    """The next features of an utterance.

    Attributes:
        features: By name, with a batch of one.
        counts: Whether they do; JSON has no array of no frames, so with
            nothing left to say one frame is sent that does not count.
        end: Whether no more come.
    """

    features: dict[str, np.ndarray]
    counts: bool = True
    end: bool = False


def streamed(
    server: VoiceServer,
    voice: Voice,
    parts: Iterable[Part],
    noise: dict[str, np.ndarray],
    deadline: Callable[[], Deadline],
) -> Iterator[np.ndarray]:
    """Yields the audio of an utterance, part by part.

    The state is kept here and sent along, so it survives the server.

    Args:
        server: Who is asked.
        voice: Its voice.
        parts: The utterance's.
        noise: Seed and temperature.
        deadline: Gives each request's.

    Yields:
        float32 `(samples,)`.

    Raises:
        UserError: If the server does not answer, or not in step.
    """
    hop, due, spoken = voice.contract.hop_length, 0, 0
    specs = {
        name: Output(np.dtype(spec["dtype"]), (1, *spec["shape"]))
        for name, spec in voice.card["state"].items()
    }
    said = {
        "audio": Output(FLOAT, (1, None)),
        "lengths": LENGTHS,
    }
    # REST knows no defaults, so the beginning is told too.
    state = {
        name: np.zeros(spec.shape, spec.dtype) for name, spec in specs.items()
    }
    for part in parts:
        frames = batch_and_frames(part.features)[1] if part.counts else 0
        end = {"end": np.array([part.end])}
        answer = server.predict(
            voice.servable,
            "stream",
            part.features | lengths_of(frames) | noise | end | state,
            said | specs,
            deadline(),
        )
        due += frames * hop
        state = {name: answer[name] for name in specs}
        audio = own(answer, "audio", server.host)
        spoken += len(audio)
        in_step = spoken == due if part.end else spoken <= due
        if not in_step:
            raise not_asked(
                server.host, f"{spoken} samples of audio, and {due} were due"
            )
        if len(audio):
            yield audio


def mel_spectrogram(
    server: VoiceServer, voice: Voice, audio: np.ndarray, deadline: Deadline
) -> np.ndarray:
    """The mel spectrogram of audio, as the server computes it.

    Args:
        server: Who is asked.
        voice: Its voice.
        audio: float32 `(time,)`.
        deadline: Of all requests.

    Returns:
        float32 `(frames, mels)`.

    Raises:
        UserError: If the server does not answer.
    """
    contract, hop = voice.contract, voice.contract.hop_length
    margin = contract.margin_frames
    chunk, mels = chunk_frames(contract), []
    for start in range(0, contract.frames(len(audio)), chunk):
        first = max(start - margin, 0)
        part = audio[first * hop : (start + chunk + margin) * hop]
        answer = server.predict(
            voice.servable,
            "mel_spectrogram",
            {"audio": part[np.newaxis]} | lengths_of(len(part)),
            {
                "mel": Output(FLOAT, (1, None, contract.mels)),
                "lengths": LENGTHS,
            },
            deadline,
        )
        frames = contract.frames(len(part))
        mel = own(answer, "mel", server.host, frames)
        mels.append(mel[start - first :][:chunk])
    return np.concatenate(mels)


def lengths_of(count: int) -> dict[str, np.ndarray]:
    """The input that says how much of a row is its own.

    Said outright, for a server that puts requests into one batch fills the
    shorter ones up.
    """
    return {"lengths": np.array([count], INTEGER)}


def own(
    answer: dict, name: str, host: str, due: int | None = None
) -> np.ndarray:
    """The answer's own part of a tensor; a batch's others may be longer.

    Args:
        answer: With `lengths`.
        name: Of the tensor.
        host: Who answered.
        due: How long it must be, if that is known.

    Raises:
        UserError: If it is shorter than it says, or of another length.
    """
    length, row = int(answer["lengths"][0]), answer[name][0]
    if not 0 <= length <= len(row) or due not in (None, length):
        raise not_asked(
            host, f"{name} has {len(row)}, says {length}, and {due} were due"
        )
    return row[:length]
