"""Exports of a student that encodes recordings: `encode`, then audio."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from model_server import ModelServer

from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client, inputs
from pwavenet_tf.export.graphs import signatures as signature_graphs
from pwavenet_tf.export.graphs.signatures import Signatures
from pwavenet_tf.export.onnx import OnnxVoice, export_onnx
from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.export.tflite import LiteVoice, export_tflite
from pwavenet_tf.synthesis.student import Synthesizer

HOP = tiny_models.HOP


@pytest.fixture(scope="module")
def student():
    sizes = tiny_models.FEW_LAYERS | {"conditioning": tiny_models.ENCODED}
    return tiny_models.student(**sizes)


def test_encode_gives_each_row_its_encoding_in_any_batch_and_chunk(
    student, monkeypatch
) -> None:
    monkeypatch.setattr(signature_graphs, "_ENCODING_CHUNK_FRAMES", 4)
    signatures = Signatures(student, {"format": 1})
    audio = tiny_models.audio(3, 11)
    lengths = [11 * HOP, 5 * HOP - 3, 1]
    # What is beyond a row's length is never read.
    audio[1, lengths[1] :] = 0.7
    found = signatures.encode(audio, tf.constant(lengths, tf.int64))
    for row, length in enumerate(lengths):
        expected = student.encode(audio[row, :length])
        frames = int(found["lengths"][row])
        np.testing.assert_allclose(
            found["encoding"][row, :frames], expected, atol=1e-5
        )


def test_a_student_without_an_encoder_has_no_such_signature() -> None:
    student = tiny_models.student(**tiny_models.FEW_LAYERS)
    assert "encode" not in Signatures(student, {"format": 1}).all()


@pytest.fixture(scope="module")
def version(student, tmp_path_factory):
    """The folder of the exported version."""
    return export_saved_model(student, tmp_path_factory.mktemp("x") / "voice")


@pytest.mark.network
def test_a_saved_model_encodes_a_recording_and_synthesizes_it(
    student, version
) -> None:
    served = tf.saved_model.load(str(version))
    audio = tiny_models.audio(1, 9)[:, :-7]
    encoding = served.signatures["encode"](
        audio=tf.constant(audio), lengths=tf.constant([-1], tf.int64)
    )
    np.testing.assert_allclose(
        encoding["encoding"], student.encode(audio), atol=1e-5
    )
    found = served.signatures["serving_default"](
        encoding=encoding["encoding"],
        lengths=encoding["lengths"],
        seed=tf.constant([3], tf.int64),
        temperature=tf.constant([1.0]),
    )
    expected = Synthesizer(student)({"encoding": student.encode(audio)}, 3)
    np.testing.assert_allclose(found["audio"], expected, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("host", ["grpc_host", "rest_host"])
def test_a_client_has_recordings_encoded_in_pieces(
    student, version, tmp_path, monkeypatch, host
) -> None:
    audio = tiny_models.audio(1, 17)[0]
    write_audio(tmp_path / "note.wav", audio, tiny_models.CONTRACT.sample_rate)
    # Requests of eight frames.
    monkeypatch.setattr(inputs, "_CHUNK_SECONDS", 0.01)
    with (
        ModelServer({"voice": version.parent}) as server,
        Client(getattr(server, host)) as client,
    ):
        encoding = client.encode(audio)
        np.testing.assert_allclose(encoding, student.encode(audio), atol=1e-5)
        expected = Synthesizer(student)({"encoding": encoding}, 3)
        found = client.synthesize(tmp_path / "note.wav", seed=3)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize(
    ("export", "voice"),
    [(export_tflite, LiteVoice), (export_onnx, OnnxVoice)],
)
def test_other_files_synthesize_encodings_and_encode_nothing(
    student, tmp_path, export, voice
) -> None:
    path = tmp_path / "student.file"
    export(student, path)
    loaded = voice(path)
    encoding = student.encode(tiny_models.audio(1, 20))
    expected = Synthesizer(student)({"encoding": encoding}, 3)
    found = loaded({"encoding": encoding}, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(UserError, match="this file holds no encoder"):
        loaded.encode(tiny_models.audio()[0])
