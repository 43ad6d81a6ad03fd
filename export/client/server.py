"""A model server, and what is known of its model."""

import json
import threading
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.card_format import require_format
from pwavenet_tf.export.client.protocol import (
    Deadline,
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


class ModelInfo(NamedTuple):
    """A served model, as its card describes it."""

    servable: Servable
    card: dict
    contract: AudioContract
    conditioning: Conditioning


class ModelServer:
    """Sends requests to a server of one model.

    Args:
        host: As `Client` takes it.
        servable: The model.
        attempts: How often a request is sent at most.

    Raises:
        UserError: If the host is no address, or gRPC is not installed.
    """

    def __init__(self, host: str, servable: Servable, attempts: int) -> None:
        self.host = host
        self._servable = servable
        self._attempts = attempts
        self._transport = _transport(host)
        self._model_info: ModelInfo | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def model_info(self, deadline: Deadline) -> ModelInfo:
        """The model, requested once.

        Raises:
            UserError: If no server answers, or its model is not our export.
        """
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
        """The outputs of a signature, checked.

        Raises:
            UserError: If the server does not answer by the deadline, or not
                with what was asked for.
        """
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
        except (
            AttributeError,
            KeyError,
            TypeError,
            json.JSONDecodeError,
        ) as error:
            raise not_asked(
                self.host, f"the card of {servable} is invalid"
            ) from error


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
