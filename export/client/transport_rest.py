"""Requests to TensorFlow Serving over REST, in JSON."""

import contextlib
import http.client
import json
import re
import socket
import ssl
import urllib.parse
from functools import partial

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client.protocol import (
    Deadline,
    Output,
    Request,
    Servable,
    broken_off,
    no_answer,
    not_asked,
    not_served,
    one_line,
    refused,
    too_late,
)

_CHUNK_BYTES = 2**16
_HEADERS = {"Content-Type": "application/json", "Connection": "close"}
# What JSON may write a type's values as.
_KINDS = {"f": "fi", "i": "i", "O": "U"}
_MAY_PASS = (429, 502, 503, 504)


class RestTransport:
    """A server's REST port; a connection for each request.

    The URL has a path if a proxy puts one before the server's own.
    """

    def __init__(self, url: str) -> None:
        self.place = url
        parts = urllib.parse.urlsplit(url)
        self._port, self._path = parts.port, parts.path.rstrip("/")
        address = parts.hostname, parts.port
        self._connection = partial(http.client.HTTPConnection, *address)
        if parts.scheme == "https":
            self._connection = partial(
                http.client.HTTPSConnection,
                *address,
                context=ssl.create_default_context(),
            )

    def close(self) -> None:
        """Does nothing: no connection is kept open."""

    def predict(self, request: Request, seconds: float) -> dict:
        """Sends a request once and returns tensors by name.

        It must have all inputs of the signature, because REST has no defaults.

        Raises:
            MayPass: If another attempt may succeed.
            UserError: If not.
        """
        inputs = {name: x.tolist() for name, x in request.inputs.items()}
        try:
            body = json.dumps(
                {"signature_name": request.signature, "inputs": inputs},
                allow_nan=False,
            )
        except ValueError as error:
            raise UserError(
                f"{self.place}: not sent, the request holds values that are "
                "not finite numbers; give finite ones"
            ) from error
        answer = self._answer(
            "POST", request.servable, ":predict", body, seconds
        )
        if "outputs" not in answer:
            raise not_asked(self.place, "it has no outputs")
        outputs = answer["outputs"]
        # A single tensor comes without its name.
        if len(request.outputs) == 1 and not isinstance(outputs, dict):
            outputs = dict.fromkeys(request.outputs, outputs)
        if not isinstance(outputs, dict):
            raise not_asked(self.place, "its outputs have no names")
        return {
            name: self._array(name, outputs[name], output)
            for name, output in request.outputs.items()
            if name in outputs
        }

    def settled(
        self, servable: Servable, seconds: float
    ) -> tuple[Servable, set[str]]:
        """The version that a model stands for now, and its signatures."""
        answer = self._answer("GET", servable, "/metadata", None, seconds)
        try:
            version = int(answer["model_spec"]["version"])
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            return Servable(servable.name, version), set(signatures)
        except (KeyError, TypeError, ValueError) as error:
            raise not_asked(
                self.place, "it has no version or signatures"
            ) from error

    def _answer(
        self,
        method: str,
        servable: Servable,
        verb: str,
        body: str | None,
        seconds: float,
    ) -> dict:
        path = f"{self._path}/v1/models/{_quoted(servable.name)}"
        if servable.version is not None:
            path += f"/versions/{servable.version}"
        elif servable.label is not None:
            path += f"/labels/{_quoted(servable.label)}"
        status, content = self._sent(method, path + verb, body, seconds)
        if status != 200:
            raise self._failure(status, content, servable)
        try:
            answer = json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise not_asked(
                self.place, f"no JSON ({error}): {_beginning(content)}"
            ) from error
        if not isinstance(answer, dict):
            raise not_asked(self.place, f"no object: {_beginning(content)}")
        return answer

    def _sent(
        self, method: str, path: str, body: str | None, seconds: float
    ) -> tuple[int, bytes]:
        """Status and body of one exchange."""
        try:
            deadline = Deadline(seconds)
            connection = self._connection(timeout=deadline.left())
            with contextlib.closing(connection):
                connection.connect()
                wire = connection.sock
                _set_limit(wire, deadline)
                connection.request(method, path, body, _HEADERS)
                _set_limit(wire, deadline)
                response = connection.getresponse()
                return response.status, _content(response, wire, deadline)
        except TimeoutError as error:
            raise too_late() from error
        except ConnectionRefusedError as error:
            raise no_answer(
                "connection refused", f"is {self._port} its REST port"
            ) from error
        except socket.gaierror as error:
            raise no_answer("name not known", "is its name right") from error
        except ssl.SSLError as error:
            raise UserError(
                f"{self.place}: no secure connection ({one_line(str(error))});"
                " does it serve https, with a certificate that "
                "this machine trusts?"
            ) from error
        except (OSError, http.client.IncompleteRead) as error:
            raise broken_off(
                str(error) or "the connection broke off"
            ) from error
        except http.client.HTTPException as error:
            raise UserError(
                f"{self.place}: does not answer in HTTP/1; is it the gRPC "
                "port? That is written without http://"
            ) from error

    def _failure(
        self, status: int, content: bytes, servable: Servable
    ) -> Exception:
        text = _error_text(content)
        if status in _MAY_PASS:
            return broken_off(f"HTTP {status}: {text}")
        if status == 404:
            return not_served(self.place, servable, text)
        if status == 400:
            return refused(self.place, text)
        return UserError(
            f"{self.place}: the server failed (HTTP {status}: {text}); see "
            "its log"
        )

    def _array(self, name: str, value, output: Output) -> np.ndarray:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise not_asked(self.place, f"{name} is no whole tensor") from error
        # An empty list has no type of its own.
        if array.size and array.dtype.kind not in _KINDS[output.dtype.kind]:
            raise not_asked(self.place, f"{name} holds no {output.dtype}")
        return array.astype(output.dtype)


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _set_limit(wire: socket.socket, deadline: Deadline) -> None:
    """Limits the next wait to the time that is left to the deadline."""
    left = deadline.left()
    if left <= 0:
        raise TimeoutError
    wire.settimeout(left)


def _content(
    response: http.client.HTTPResponse, wire: socket.socket, deadline: Deadline
) -> bytes:
    stated, content = response.length, bytearray()
    while stated is None or len(content) < stated:
        _set_limit(wire, deadline)
        chunk = response.read1(_CHUNK_BYTES)
        if not chunk:
            break
        content += chunk
    # Headers that were cut off state no length, and nothing follows them.
    unstated = stated is None and not response.chunked
    if unstated and not content or stated and len(content) < stated:
        raise http.client.IncompleteRead(bytes(content))
    return bytes(content)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _beginning(content: bytes) -> str:
    return repr(one_line(content[:60].decode("utf-8", "replace")))


def _error_text(content: bytes) -> str:
    """The message of `{"error": …}`.

    TensorFlow Serving escapes apostrophes, which is not valid JSON; of
    anything else that is not JSON the beginning is returned.
    """
    text = re.sub(r"\\'", "'", content.decode("utf-8", "replace"))
    try:
        return one_line(str(json.loads(text, strict=False)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return one_line(text)[:100]
