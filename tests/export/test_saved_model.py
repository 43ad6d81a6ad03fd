"""The SavedModel: what lies in it, and what is never half written."""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest
import served_voices
import tensorflow as tf
import tiny_models
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.saved_model import export_saved_model

NAMED = {
    "serving_default": (
        ["lengths", "mel", "seed", "temperature"],
        ["audio", "lengths"],
    ),
    "mel_spectrogram": (["audio", "lengths"], ["lengths", "mel"]),
    "describe": (["row"], ["card"]),
    "stream": (
        [
            "end",
            "lengths",
            "mel",
            "seed",
            "state_mel",
            "state_newest",
            "state_past",
            "state_received",
            "temperature",
        ],
        [
            "audio",
            "lengths",
            "state_mel",
            "state_newest",
            "state_past",
            "state_received",
        ],
    ),
}


@pytest.fixture(scope="module")
def voice():
    return served_voices.synthesizer("mel")


@pytest.fixture(scope="module")
def version():
    """The folder of the exported version."""
    return served_voices.exported("mel")


@pytest.fixture(scope="module")
def definitions(version):
    """The signatures as a server reads them."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((version / "saved_model.pb").read_bytes())
    found = dict(saved.meta_graphs[0].signature_def)
    del found["__saved_model_init_op"]
    return found


@pytest.mark.network
def test_tensors_have_names_and_the_batch_comes_first(definitions) -> None:
    assert {
        name: (sorted(one.inputs), sorted(one.outputs))
        for name, one in definitions.items()
    } == NAMED
    for one in definitions.values():
        for tensor in (*one.inputs.values(), *one.outputs.values()):
            assert tensor.tensor_shape.dim[0].size == -1


def test_only_features_have_to_be_given(definitions) -> None:
    needed = {
        name: set(one.inputs) - set(one.defaults)
        for name, one in definitions.items()
    }
    assert needed == {
        "serving_default": {"mel"},
        "stream": {"mel"},
        "mel_spectrogram": {"audio"},
        "describe": set(),
    }


def test_the_loaded_graph_sounds_as_the_student(version, voice) -> None:
    loaded = tf.saved_model.load(str(version))
    mel = tiny_models.mel(2, 401)
    found = loaded.signatures["serving_default"](
        mel=tf.constant(mel),
        lengths=tf.constant([-1], tf.int64),
        seed=tf.constant([3, 4], tf.int64),
        temperature=tf.constant([0.8]),
    )["audio"]
    np.testing.assert_allclose(found, voice(mel, [3, 4], 0.8), atol=1e-5)


def test_contract_and_card_lie_next_to_the_graph(version, voice) -> None:
    extra = version / "assets.extra"
    contract = json.loads((extra / "contract.json").read_text("utf-8"))
    assert contract == json.loads(
        json.dumps(dataclasses.asdict(tiny_models.CONTRACT))
    )
    card = json.loads((extra / "model_card.json").read_text("utf-8"))
    assert card["contract"] == contract
    assert card["receptive_field"] == voice.student.receptive_field
    assert card["look_ahead_frames"] == 2
    assert card["state"]["state_mel"] == {
        "shape": [4, tiny_models.MELS],
        "dtype": "float32",
    }
    described = tf.saved_model.load(str(version)).describe()["card"]
    assert json.loads(described.numpy()[0]) == card
    page = (extra / "MODEL_CARD.md").read_text("utf-8")
    assert "16000 Hz" in page and "(batch, frames, 6)" in page


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum")
def test_sha256sum_finds_a_changed_byte(version, tmp_path) -> None:
    """In the graph too, whose checksum TensorFlow does not compare."""
    copy = shutil.copytree(version, tmp_path / "copy")
    command = ["sha256sum", "--check", "--quiet", "assets.extra/SHA256SUMS"]
    assert subprocess.run(command, cwd=copy).returncode == 0
    for name in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
        content = bytearray((version / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        done = subprocess.run(command, cwd=copy, capture_output=True)
        assert done.returncode == 1 and name.encode() in done.stdout


def test_warmup_requests_are_of_every_signature_and_answered(version) -> None:
    loaded = tf.saved_model.load(str(version))
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    asked = set()
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "voice"
        asked.add(request.model_spec.signature_name)
        given = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        if "mel" in given:
            signature = request.model_spec.signature_name
            name = {"serving_default": "synthesize"}.get(signature, signature)
            answer = getattr(loaded, name)(given)
            assert answer["audio"].shape[1] > 15_000
    assert asked == set(NAMED)


@pytest.mark.network
def test_the_next_version_leaves_those_before_it_alone(tmp_path) -> None:
    out = tmp_path / "voice"
    student = tiny_models.student()
    (out / "7").mkdir(parents=True)
    (out / "notes").mkdir()
    assert export_saved_model(student, out) == out / "8"
    before = (out / "8" / "saved_model.pb").read_bytes()
    assert export_saved_model(student, out) == out / "9"
    assert (out / "8" / "saved_model.pb").read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [
        "7",
        "8",
        "9",
        "notes",
    ]


@pytest.mark.network
def test_a_student_with_nan_weights_is_not_exported(tmp_path) -> None:
    student = tiny_models.student()
    bias = student.networks[-1].output_pair.bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    with pytest.raises(UserError, match="differs from the student by nan"):
        export_saved_model(student, tmp_path / "served")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("inputs", "listed"), [((), "nothing"), (("speaker",), "speaker")]
)
def test_a_student_without_features_of_frames_is_refused(
    tmp_path, inputs, listed
) -> None:
    conditioning = Conditioning(inputs=inputs, speakers=("anna",))
    student = tiny_models.student(conditioning=conditioning)
    with pytest.raises(
        UserError, match=f"is conditioned on {listed}, which does"
    ):
        export_saved_model(student, tmp_path / "served")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path) -> None:
    place = tmp_path / "voice"
    place.write_text("here", "ascii")
    with pytest.raises(UserError, match="voice: cannot hold a model's version"):
        export_saved_model(tiny_models.student(), place)


@pytest.mark.network
def test_a_linguistic_student_of_several_speakers_is_exported(tmp_path) -> None:
    student = tiny_models.student(conditioning=tiny_models.EVERYTHING)
    version = export_saved_model(student, tmp_path / "voice")
    loaded = tf.saved_model.load(str(version))
    _, inputs = loaded.signatures["serving_default"].structured_input_signature
    assert sorted(inputs) == [
        "lengths",
        "mel",
        "phones",
        "pitch",
        "seed",
        "sinusoids",
        "speaker",
        "temperature",
        "timing",
    ]
