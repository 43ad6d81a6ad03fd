"""A SavedModel with an acoustic model takes phones, and a client texts."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from model_server import ModelServer

from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client
from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.models.acoustic_model import AcousticConfig, AcousticModel
from pwavenet_tf.synthesis.speech import Speaker
from pwavenet_tf.synthesis.student import Synthesizer

pytestmark = pytest.mark.network

CONTRACT = dataclasses.replace(
    tiny_models.CONTRACT,
    mel_mean=(-3.0,) * tiny_models.MELS,
    mel_deviation=(2.0,) * tiny_models.MELS,
)
CONDITIONING = Conditioning(
    inputs=("mel", "pitch", "sinusoids"),
    channels=4,
    upsampling=(4, 5),
    mean_pitch_hz=170.0,
    harmonics=2,
)
# Enough of American English for any text, by parts.
PHONES = ("sil", *"ædɛfɡhiɪjklmnŋɑoʊpɹsʃtuvwzðθəɚʌbɔaᵻɐeɾʒ")
ROWS = ([1, 5, 9, 12, 1], [1, 7, 1])


@pytest.fixture(scope="module")
def acoustic_model() -> AcousticModel:
    config = AcousticConfig(
        channels=8,
        encoder_layers=1,
        decoder_dilations=(1, 2),
        predictor_channels=8,
    )
    model = AcousticModel(CONTRACT, PHONES, 150.0, config=config)
    return tiny_models.randomised(model)


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(
        tiny_models.student(audio=CONTRACT, conditioning=CONDITIONING)
    )


@pytest.fixture(scope="module")
def version(acoustic_model, synthesizer, tmp_path_factory):
    out = tmp_path_factory.mktemp("spoken") / "voice"
    return export_saved_model(synthesizer.student, out, acoustic_model)


@pytest.fixture(scope="module")
def served(version):
    model = tf.saved_model.load(str(version))
    assert "say" in model.signatures
    # With the defaults of what a request leaves out.
    yield model.say


def asked(rows, padding: int = 0) -> dict[str, tf.Tensor]:
    longest = max(map(len, rows))
    phones = [row + [padding] * (longest - len(row)) for row in rows]
    return {
        "phones": tf.constant(phones, tf.int64),
        "lengths": tf.constant([len(row) for row in rows], tf.int64),
    }


@pytest.mark.parametrize("padding", [0, 1, 99])
def test_each_row_is_spoken_as_it_would_be_alone(
    served, acoustic_model, synthesizer, padding
):
    """Servers pad the rows that they join with any value."""
    factors = {
        "rate": tf.constant([1.0, 0.7]),
        "pitch": tf.constant([1.2, 0.8]),
        "seed": tf.constant([3, 4], tf.int64),
    }
    answer = served(**asked(ROWS, padding), **factors)
    speaker = Speaker(acoustic_model, synthesizer)
    for row, ids in enumerate(ROWS):
        features = speaker.features(
            np.array(ids, np.int32),
            float(factors["rate"][row]),
            float(factors["pitch"][row]),
        )
        expected = synthesizer(features, 3 + row)
        samples = int(answer["lengths"][row])
        assert samples == len(expected)
        np.testing.assert_allclose(
            answer["audio"][row, :samples], expected, rtol=0, atol=1e-3
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phones": [[1, 0, 1]]}, "phones must be from 1 to"),
        ({"phones": [[1, 99, 1]]}, "phones must be from 1 to"),
        ({"phones": np.zeros((1, 0))}, "there is not one phone"),
        ({"rate": [3.0]}, "rate must be from 0.5 to 2"),
        ({"pitch": [np.nan]}, "pitch must be from 0.5 to 2"),
    ],
)
def test_bad_input_is_refused_in_the_graph(served, change, message):
    inputs = {"phones": tf.constant([[1, 2, 1]], tf.int64)}
    for name, value in change.items():
        dtype = tf.int64 if name == "phones" else tf.float32
        inputs[name] = tf.constant(value, dtype)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served(**inputs)


@pytest.fixture(scope="module", params=["grpc_host", "rest_host"])
def client(version, request):
    pytest.importorskip("espeakng_loader")
    with (
        ModelServer({"voice": version.parent}) as server,
        Client(getattr(server, request.param)) as client,
    ):
        yield client


def test_a_client_says_what_the_speaker_says(
    client, acoustic_model, synthesizer
):
    text, how = "Two sentences. One pause.\n\nOver.", {"rate": 1.5, "seed": 5}
    expected = Speaker(acoustic_model, synthesizer).say(text, **how)
    found = client.say(text, **how)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_a_client_refuses_what_cannot_be_said(client):
    with pytest.raises(UserError, match="there is nothing to say"):
        client.say("...")
    with pytest.raises(UserError, match="rate 3 is out of bounds"):
        client.say("Hello.", rate=3)


def test_a_student_that_reads_phones_itself_is_refused(
    acoustic_model, tmp_path
):
    conditioning = dataclasses.replace(
        CONDITIONING, inputs=("linguistic", "pitch"), phones=PHONES
    )
    student = tiny_models.student(audio=CONTRACT, conditioning=conditioning)
    with pytest.raises(UserError, match="reads phones itself"):
        export_saved_model(student, tmp_path / "voice", acoustic_model)
    assert not list(tmp_path.iterdir())
