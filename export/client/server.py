"""A model server, and what is known of its model."""

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.card_format import require_format
from pwavenet_tf.export.client.inputs import chunk_frames
from pwavenet_tf.export.client.protocol import (
    Deadline,
    ModelInfo,
    NotServed,
    Output,
    Request,
    Servable,
    answered,
    not_asked,
    require_outputs,
)
from pwavenet_tf.export.client.transport_grpc import GrpcTransport
from pwavenet_tf.export.client.transport_rest import RestTransport
from pwavenet_tf.models.inputs import batch_and_frames

_FLOAT, _INTEGER = np.dtype(np.float32), np.dtype(np.int64)
_LENGTHS = {"lengths": Output(_INTEGER, (1,))}
_INVALID_CARD = AttributeError, KeyError, TypeError, json.JSONDecodeError
AUDIO = {"audio": Output(_FLOAT, (1, None))}


class Part(NamedTuple):
    """The next features of an utterance, by name, with a batch of one.

    The end of a stream, after which no more frames follow, is sent with one
    frame that is not valid, because JSON has no empty arrays.
    """

    features: dict[str, np.ndarray]
    valid: bool = True
    end: bool = False


class ModelServer:
    """Sends requests to a server of one model; see `Client`."""

    def __init__(self, host: str, servable: Servable, attempts: int) -> None:
        self.host = host
        self._servable = servable
        self._attempts = attempts
        self._transport = _transport(host)
        self._model_info: ModelInfo | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        self._transport.close()

    def model_info(self, deadline: Deadline) -> ModelInfo:
        """The model, requested once."""
        with self._lock:
            if self._model_info is None:
                self._model_info = self._request_info(deadline)
            return self._model_info

    def predict(
        self,
        servable: Servable,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, Output],
        deadline: Deadline,
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature, checked."""
        request = Request(servable, signature, inputs, outputs)
        try:
            answer = answered(
                lambda seconds: self._transport.predict(request, seconds),
                deadline,
                self._attempts,
                self.host,
            )
        except NotServed:
            # The next call requests the current version.
            self._model_info = None
            raise
        return require_outputs(answer, outputs, self.host)

    def predict_row(
        self,
        model: ModelInfo,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        length: int,
        output: Mapping[str, Output],
        deadline: Deadline,
        due: int | None = None,
    ) -> np.ndarray:
        """The one output of a signature, for one row of a length.

        The answer must have as many values as are due, if that is known.
        """
        answer = self.predict(
            model.servable,
            signature,
            inputs | _lengths(length),
            output | _LENGTHS,
            deadline,
        )
        (name,) = output
        return self._own(answer, name, due)

    def stream(
        self,
        model: ModelInfo,
        parts: Iterable[Part],
        noise: dict[str, np.ndarray],
        deadline: Callable[[], Deadline],
    ) -> Iterator[np.ndarray]:
        """Yields audio `(samples,)`, by one request for each part.

        The state is kept here and sent with each request, so it outlives the
        server. `deadline` gives that of each request.
        """
        hop, due, received = model.contract.hop_length, 0, 0
        specs = {
            name: Output(np.dtype(spec["dtype"]), (1, *spec["shape"]))
            for name, spec in model.card["state"].items()
        }
        # REST has no defaults, so the initial state is sent too.
        state = {
            name: np.zeros(spec.shape, spec.dtype)
            for name, spec in specs.items()
        }
        for part in parts:
            frames = batch_and_frames(part.features)[1] if part.valid else 0
            end = {"end": np.array([part.end])}
            answer = self.predict(
                model.servable,
                "stream",
                part.features | _lengths(frames) | noise | end | state,
                AUDIO | _LENGTHS | specs,
                deadline(),
            )
            due += frames * hop
            state = {name: answer[name] for name in specs}
            audio = self._own(answer, "audio")
            received += len(audio)
            if received > due or (part.end and received < due):
                raise not_asked(
                    self.host,
                    f"{received} samples of audio, and {due} were due",
                )
            if len(audio):
                yield audio

    def analysed(
        self, model: ModelInfo, name: str, audio: np.ndarray, deadline: Deadline
    ) -> np.ndarray:
        """Features `(frames, channels)` of audio `(time,)`, in chunks."""
        contract, hop = model.contract, model.contract.hop_length
        signature, channels, context_frames = model.analyses[name]
        chunk, found = chunk_frames(contract), []
        for start in range(0, contract.frames(len(audio)), chunk):
            first = max(start - context_frames, 0)
            last = start + chunk + context_frames
            segment = audio[first * hop : last * hop]
            values = self.predict_row(
                model,
                signature,
                {"audio": segment[np.newaxis]},
                len(segment),
                {name: Output(_FLOAT, (1, None, channels))},
                deadline,
                due=contract.frames(len(segment)),
            )
            found.append(values[start - first :][:chunk])
        return np.concatenate(found)

    def _own(self, answer: dict, name: str, due: int | None = None):
        """A tensor of an answer without padding to other rows of a batch."""
        length, row = int(answer["lengths"][0]), answer[name][0]
        if not 0 <= length <= len(row) or due not in (None, length):
            raise not_asked(
                self.host,
                f"{name} has {len(row)}, states {length}, and {due} were due",
            )
        return row[:length]

    def _request_info(self, deadline: Deadline) -> ModelInfo:
        servable, signatures = answered(
            lambda seconds: self._transport.settled(self._servable, seconds),
            deadline,
            self._attempts,
            self.host,
        )
        if missing := {"describe", "stream"} - signatures:
            raise UserError(
                f"{self.host}: {servable.name!r} has no signature "
                f"{' and '.join(sorted(missing))}, only "
                f"{', '.join(sorted(signatures))}; serve what `pwavenet "
                "export` writes"
            )
        answer = self.predict(
            servable,
            "describe",
            {"row": np.array([0], np.int64)},
            {"card": Output(np.dtype(object), (1,))},
            deadline,
        )
        return self._read(servable, answer["card"][0])

    def _read(self, servable: Servable, text: str | bytes) -> ModelInfo:
        try:
            card = json.loads(text)
            require_format(card, f"{self.host}: {servable}")
            return ModelInfo(
                servable,
                card,
                AudioContract.from_config(card["contract"]),
                Conditioning.from_config(card["conditioning"]),
            )
        except _INVALID_CARD as error:
            raise not_asked(
                self.host, f"the card of {servable} is invalid"
            ) from error


def _lengths(count: int) -> dict[str, np.ndarray]:
    """The input `lengths` of one row.

    It is always sent, because a server that joins requests to one batch pads
    the shorter ones.
    """
    return {"lengths": np.array([count], _INTEGER)}


def _transport(host: str) -> GrpcTransport | RestTransport:
    scheme, _, address = host.rpartition("://")
    try:
        parts = urllib.parse.urlsplit(f"//{address}")
        port, name = parts.port, parts.hostname
    except ValueError:
        port = name = None
    if name and scheme in ("http", "https"):
        return RestTransport(host)
    if name and port and scheme in ("", "grpc") and not parts.path:
        return GrpcTransport(address)
    raise UserError(
        f"{host!r} is no address of a server; write localhost:8500 for its "
        "gRPC port, or http://localhost:8501 for its REST port"
    )
