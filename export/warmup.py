"""Requests that TensorFlow Serving runs before it lets others in."""

from pathlib import Path

import tensorflow as tf

from pwavenet_tf.config import FRAME_ARRAYS
from pwavenet_tf.export.graphs.features import feature_specs

# TensorFlow Serving looks for it in assets.extra.
WARMUP_FILE = "tf_serving_warmup_requests"


def write_warmup_requests(student, model: str, path: Path) -> None:
    """Writes a request of a second of speech to each signature.

    Args:
        student: Whose signatures.
        model: The name that it is served under.
        path: The file, TFRecords of `PredictionLog`.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    contract = student.audio
    frames = contract.frames(contract.sample_rate)
    features = {
        name: tf.zeros(
            (1, frames, spec.shape[-1]) if name in FRAME_ARRAYS else (1,),
            spec.dtype,
        )
        for name, spec in feature_specs(student).items()
    }
    requests = {
        "serving_default": features,
        "stream": features,
        "mel_spectrogram": {"audio": tf.zeros((1, contract.sample_rate))},
        "describe": {"row": tf.zeros((1,), tf.int64)},
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
