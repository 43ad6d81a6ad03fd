"""TensorFlow Serving's REST API, on top of its gRPC messages."""

import json
import re
import urllib.parse
from http.server import BaseHTTPRequestHandler

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from grpc import StatusCode
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

_HTTP_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
}
_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
    r"(:predict|/metadata)"
)
_ESCAPES = {"\n": "\\n", "\t": "\\t", "'": "\\'", '"': '\\"', "\\": "\\\\"}


class Refused(Exception):
    """A request is answered with a status other than OK."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> Refused:
    return Refused(StatusCode.INVALID_ARGUMENT, message)


class Handler(BaseHTTPRequestHandler):
    """Answers with what its `models`, a `ModelServer`, make of a request."""

    protocol_version = "HTTP/1.1"
    models = None

    def do_GET(self) -> None:
        self._answer(self._metadata)

    def do_POST(self) -> None:
        self._answer(self._predict)

    def log_message(self, *_) -> None:
        pass

    def _answer(self, make) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        try:
            status, body = 200, self.models.body(make(content))
        except Refused as error:
            text = "".join(_ESCAPES.get(c, c) for c in str(error))
            body = f'{{ "error": "{text}" }}'.encode()
            status = _HTTP_STATUS[error.code]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _spec(self, spec, verb: str) -> None:
        found = _PATH.fullmatch(self.path)
        if not found or found[4] != verb:
            raise invalid(f"Malformed request: {self.command} {self.path}")
        spec.name = urllib.parse.unquote(found[1])
        if found[2]:
            spec.version.value = int(found[2])
        elif found[3]:
            spec.version_label = urllib.parse.unquote(found[3])

    def _metadata(self, _: bytes) -> bytes:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        self._spec(request.model_spec, "/metadata")
        response = self.models.described(request)
        found = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        spec, signatures = (
            json_format.MessageToDict(x, preserving_proto_field_name=True)
            for x in (response.model_spec, found)
        )
        metadata = {"signature_def": signatures}
        return json.dumps({"model_spec": spec, "metadata": metadata}).encode()

    def _predict(self, content: bytes) -> bytes:
        request = predict_pb2.PredictRequest()
        self._spec(request.model_spec, ":predict")
        try:
            question = json.loads(content)
        except ValueError as error:
            raise invalid(f"JSON Parse error: {error}") from error
        name = question.get("signature_name", "")
        request.model_spec.signature_name = name
        _, model = self.models.model(request.model_spec)
        for alias, info in model.signature(name).inputs.items():
            # Over REST there are no defaults, and what is too much passes.
            if alias not in question["inputs"]:
                raise invalid(
                    f"Missing named input: {alias} in 'inputs' object."
                )
            dtype = tf.dtypes.as_dtype(info.dtype).as_numpy_dtype
            tensor = _tensor(question["inputs"][alias], dtype)
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(tensor))
        response = self.models.predicted(request)
        outputs = {
            alias: _json_value(tf.make_ndarray(tensor))
            for alias, tensor in response.outputs.items()
        }
        if len(outputs) == 1:
            (outputs,) = outputs.values()
        return json.dumps({"outputs": outputs}).encode()


def _tensor(value, dtype) -> np.ndarray:
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise invalid("Encountered list at unexpected size") from error
    kinds = {"f": "fi", "i": "i", "b": "b"}[np.dtype(dtype).kind]
    if found.size and found.dtype.kind not in kinds:
        raise invalid(f"JSON Value: {value} is not of expected type")
    return found.astype(dtype)


def _json_value(x: np.ndarray):
    """Nested lists; as many digits as bring the same float32 back."""
    if x.dtype == object:
        return [text.decode() for text in x.tolist()]
    if x.dtype.kind == "f":
        digits = [float(f"{value:.9g}") for value in x.reshape(-1).tolist()]
        return np.reshape(np.array(digits), x.shape).tolist()
    return x.tolist()
