"""Requests to TensorFlow Serving over gRPC, in its own messages."""

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client.protocol import (
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

_OPTIONS = (
    # The default is 4 MB, which a state may exceed; the client bounds requests.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The client has its own pauses between attempts; during gRPC's, of a
    # second and growing, attempts would fail at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),
    # The connection is direct, as over REST.
    ("grpc.enable_http_proxy", 0),
)
_FIELDS = {"float32": "float_val", "int64": "int64_val", "object": "string_val"}


class GrpcTransport:
    """A connection to a server's gRPC port, `name:port`."""

    def __init__(self, address: str) -> None:
        from pwavenet_tf.core.imports import import_tensorflow

        try:
            import grpc

            import_tensorflow()
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as error:
            raise UserError(
                f"{address}: gRPC needs tensorflow-serving-api; install it "
                "(pip install tensorflow-serving-api), or use the REST port, "
                "http://..."
            ) from error
        self.place = address
        self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )

    def close(self) -> None:
        self._channel.close()

    def predict(self, request: Request, seconds: float) -> dict:
        """Sends a request once and returns tensors by name.

        Raises:
            MayPass: If another attempt may succeed.
            UserError: If not.
        """
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        message = predict_pb2.PredictRequest()
        _name(message.model_spec, request.servable)
        message.model_spec.signature_name = request.signature
        for name, x in request.inputs.items():
            message.inputs[name].CopyFrom(tf.make_tensor_proto(x))
        message.output_filter.extend(request.outputs)
        answer = self._answer(
            self._service.Predict, message, request.servable, seconds
        )
        return {
            name: self._array(name, tensor)
            for name, tensor in answer.outputs.items()
        }

    def settled(
        self, servable: Servable, seconds: float
    ) -> tuple[Servable, set[str]]:
        """The version that a model stands for now, and its signatures."""
        from google.protobuf.message import DecodeError
        from tensorflow_serving.apis import get_model_metadata_pb2

        message = get_model_metadata_pb2.GetModelMetadataRequest()
        _name(message.model_spec, servable)
        message.metadata_field.append("signature_def")
        answer = self._answer(
            self._service.GetModelMetadata, message, servable, seconds
        )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        try:
            known = answer.metadata["signature_def"].Unpack(signatures)
        except DecodeError:
            known = False
        if not known or not answer.model_spec.HasField("version"):
            raise not_asked(self.place, "it has no version or signatures")
        version = answer.model_spec.version.value
        return Servable(servable.name, version), set(signatures.signature_def)

    def _answer(self, call, message, servable: Servable, seconds: float):
        import grpc

        try:
            return call(message, timeout=seconds)
        except grpc.RpcError as error:
            raise self._failure(error, servable) from error
        except ValueError as error:
            raise UserError(
                f"{self.place}: this client has been closed; make another"
            ) from error

    def _failure(self, error, servable: Servable) -> Exception:
        import grpc

        code, text = error.code(), one_line(error.details() or "")
        codes = grpc.StatusCode
        if code is codes.DEADLINE_EXCEEDED:
            return too_late()
        if code is codes.NOT_FOUND:
            return not_served(self.place, servable, text)
        if code in (codes.INVALID_ARGUMENT, codes.FAILED_PRECONDITION):
            return refused(self.place, text)
        # The answer of an HTTP/1 server has no valid first frame.
        other = "http1" in text.lower() or "Expected SETTINGS" in text
        if code is codes.UNIMPLEMENTED or other:
            return UserError(
                f"{self.place}: is not TensorFlow Serving's gRPC port "
                f"({text}); for its REST port write http://{self.place}"
            )
        if "refused" in text.lower() and code is codes.UNAVAILABLE:
            port = self.place.rpartition(":")[2]
            return no_answer("connection refused", f"is {port} its gRPC port")
        if "resol" in text and code is codes.UNAVAILABLE:
            return no_answer("name not known", "is its name right")
        if code in (codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED):
            return broken_off(text)
        return UserError(
            f"{self.place}: the server failed ({code.name}: {text}); see its "
            "log"
        )

    def _array(self, name: str, tensor) -> np.ndarray:
        import tensorflow as tf

        try:
            dtype = np.dtype(tf.dtypes.as_dtype(tensor.dtype).as_numpy_dtype)
            values = (
                np.frombuffer(tensor.tensor_content, dtype).copy()
                if tensor.tensor_content
                else np.array(getattr(tensor, _FIELDS[dtype.name]), dtype)
            )
            # Not tf.make_ndarray, which repeats the last value of a truncated
            # tensor.
            return values.reshape([dim.size for dim in tensor.tensor_shape.dim])
        except (KeyError, TypeError, ValueError) as error:
            raise not_asked(self.place, f"{name} is no whole tensor") from error


def _name(spec, servable: Servable) -> None:
    spec.name = servable.name
    if servable.version is not None:
        spec.version.value = servable.version
    elif servable.label is not None:
        spec.version_label = servable.label
