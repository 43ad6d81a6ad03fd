"""A server of SavedModels that answers as TensorFlow Serving does.

It uses the official messages over gRPC and the documented JSON over HTTP,
and runs the graph in a session as TensorFlow Serving does, with what a
request leaves out taken from the signature's defaults.
"""

import threading
from concurrent import futures
from http.server import ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from grpc import StatusCode
from rest_api import Handler, Refused, invalid
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class _Model:
    """One version's graph, in a session."""

    def __init__(self, folder: Path) -> None:
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.signatures = tf.compat.v1.saved_model.load(
                self.session, ["serve"], str(folder)
            ).signature_def

    def run(self, request, response) -> None:
        signature = self.signature(request.model_spec.signature_name)
        names = list(request.output_filter) or list(signature.outputs)
        for name in names:
            if name not in signature.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name}"
                )
        fetches = {name: signature.outputs[name].name for name in names}
        feeds = dict(_feeds(signature, request.inputs))
        try:
            answer = self.session.run(fetches, feeds)
        except tf.errors.InvalidArgumentError as error:
            # A session in Python has longer messages than one in C++.
            text = error.message.removeprefix("Graph execution error:\n\n")
            raise invalid(text.split("\n\nOriginal stack")[0]) from error
        except ValueError as error:
            raise invalid(str(error)) from error
        for name, x in answer.items():
            response.outputs[name].CopyFrom(_as_fields(x))

    def signature(self, name: str):
        name = name or "serving_default"
        if name not in self.signatures:
            raise Refused(
                StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        return self.signatures[name]


def _feeds(signature, inputs):
    """What is fed, by the tensors' names in the graph."""
    if extra := set(inputs) - set(signature.inputs):
        raise invalid(f"Inputs contains invalid name. {', '.join(extra)}")
    for alias, info in signature.inputs.items():
        if alias not in inputs and alias not in signature.defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.name}) not "
                "found in request and no default value provided."
            )
        tensor = inputs[alias] if alias in inputs else signature.defaults[alias]
        if tensor.dtype != info.dtype:
            due, given = map(tf.dtypes.as_dtype, (info.dtype, tensor.dtype))
            raise invalid(
                f"Expects {alias} to be {due.name} but {given.name} is provided"
            )
        yield info.name, tf.make_ndarray(tensor)


def _as_fields(x: np.ndarray):
    """A tensor with its values one by one, as TensorFlow Serving sends it."""
    tensor = tf.make_tensor_proto(x)
    if tensor.tensor_content:
        tensor.tensor_content = b""
        field = {"float32": tensor.float_val, "int64": tensor.int64_val}
        field[x.dtype.name].extend(x.reshape(-1).tolist())
    return tensor


class ModelServer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Serves models on a gRPC and a REST port of this machine.

    Args:
        folders: Folders of versions by the models' names.
        labels: Of versions, by name and label.

    Attributes:
        before: Called with the name of each predicted signature before it is
            run; it may wait or raise `Refused`.
        after: Called with each answer's outputs, which it may change.
        body: Makes of the body of a good REST answer what is sent.
        asked: The signatures that were asked for.
    """

    def __init__(
        self,
        folders: dict[str, Path],
        labels: dict[tuple[str, str], int] | None = None,
    ) -> None:
        self.models = {
            (name, int(version.name)): _Model(version)
            for name, folder in folders.items()
            for version in folder.iterdir()
        }
        self.labels = labels or {}
        self.grpc_port = self.rest_port = 0
        self.behave()

    def behave(self) -> None:
        """Takes all faults back."""
        self.before = lambda signature: None
        self.after = lambda outputs: None
        self.body = lambda content: content
        self.asked: list[str] = []

    @property
    def grpc_host(self) -> str:
        return f"localhost:{self.grpc_port}"

    @property
    def rest_host(self) -> str:
        return f"http://localhost:{self.rest_port}"

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Starts to listen; again on the same ports after `stop`."""
        no_limit = [("grpc.max_receive_message_length", -1)]
        self._grpc = grpc.server(
            futures.ThreadPoolExecutor(16), options=no_limit
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            self, self._grpc
        )
        self.grpc_port = self._grpc.add_insecure_port(
            f"localhost:{self.grpc_port}"
        )
        self._grpc.start()
        handler = type("Bound", (Handler,), {"models": self})
        self._http = ThreadingHTTPServer(("localhost", self.rest_port), handler)
        self.rest_port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """Lets go of both ports."""
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def model(self, spec) -> tuple[int, _Model]:
        """The version and the model that a request means."""
        versions = [v for name, v in self.models if name == spec.name]
        version = max(versions, default=None)
        asked = f"Latest({spec.name})"
        if spec.HasField("version"):
            version = spec.version.value
            asked = f"Specific({spec.name}, {version})"
        elif spec.version_label:
            version = self.labels.get((spec.name, spec.version_label))
            if version is None:
                raise invalid(
                    "Unrecognized servable version label: " + spec.version_label
                )
        if (spec.name, version) not in self.models:
            raise Refused(
                StatusCode.NOT_FOUND, f"Servable not found for request: {asked}"
            )
        return version, self.models[spec.name, version]

    def predicted(self, request):
        """The response to a `PredictRequest`."""
        signature = request.model_spec.signature_name
        self.asked.append(signature)
        self.before(signature)
        version, model = self.model(request.model_spec)
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = version
        model.run(request, response)
        self.after(response.outputs)
        return response

    def described(self, request):
        """The response to a `GetModelMetadataRequest`."""
        if list(request.metadata_field) != ["signature_def"]:
            raise invalid("metadata_field must be signature_def")
        version, model = self.model(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in model.signatures.items():
            found.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(found)
        return response

    def Predict(self, request, context):
        return _or_abort(self.predicted, request, context)

    def GetModelMetadata(self, request, context):
        return _or_abort(self.described, request, context)


def _or_abort(answer, request, context):
    try:
        return answer(request)
    except Refused as error:
        context.abort(error.code, str(error))
