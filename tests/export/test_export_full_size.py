"""The presets' own sizes, exported: a second of sound by every route."""

import numpy as np
import pytest
import tensorflow as tf

from pwavenet_tf.core.presets import preset
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.export.onnx import OnnxVoice, export_onnx
from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.export.tflite import export_tflite
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["nano", "paper", "multispeaker"])
def student(request) -> ParallelWaveNet:
    settings = preset(request.param)
    conditioning = settings.conditioning.of_corpus((), ("anna", "ben"), None)
    student = ParallelWaveNet.from_preset(settings, conditioning=conditioning)
    student.build()
    # Untrained networks hardly listen: theirs would be the noise alone.
    random = np.random.default_rng(0)
    for network in student.networks:
        kernel = network.output_pair.kernel
        kernel.assign(random.normal(0.0, 0.02, kernel.shape))
    return student


@pytest.fixture(scope="module")
def features(student) -> dict[str, np.ndarray]:
    frames = student.audio.frames(student.audio.sample_rate)
    return random_features(student.audio, student.conditioning, 1, frames)


@pytest.fixture(scope="module")
def sound(student, features) -> np.ndarray:
    return Synthesizer(student)(features, seed=3)


def test_a_second_from_the_saved_model(
    student, features, sound, tmp_path
) -> None:
    version = export_saved_model(student, tmp_path / "voice")
    loaded = tf.saved_model.load(str(version))
    names = loaded.signatures["serving_default"].structured_input_signature[1]
    given = {
        name: tf.cast(features[name], names[name].dtype)
        for name in ("mel", "speaker")
        if name in names
    }
    seed = tf.constant([3], tf.int64)
    found = loaded.synthesize(given, seed=seed)["audio"]
    np.testing.assert_allclose(found, sound, atol=1e-5)
    streamed = loaded.stream(given, seed=seed, end=tf.constant([True]))
    np.testing.assert_allclose(streamed["audio"], sound, atol=1e-5)


def test_a_second_from_the_tflite(student, features, sound, tmp_path) -> None:
    export_tflite(student, tmp_path / "voice.tflite")
    found = LiteVoice(tmp_path / "voice.tflite")(features, seed=3)
    np.testing.assert_allclose(found, sound, atol=1e-4)


def test_a_second_from_the_onnx_file(
    student, features, sound, tmp_path
) -> None:
    export_onnx(student, tmp_path / "voice.onnx")
    found = OnnxVoice(tmp_path / "voice.onnx")(features, seed=3)
    np.testing.assert_allclose(found, sound, atol=1e-4)
