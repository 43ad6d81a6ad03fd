"""The ONNX file gives the student's audio, in any blocks."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.synthesis.streaming import Stream, synthesize_stream
from pwavenet_tf.synthesis.student import Synthesizer

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")

from pwavenet_tf.export.onnx import OnnxVoice, export_onnx  # noqa: E402

FRAMES = 30
STUDENTS = {
    "mel": {},
    "everything": {"conditioning": tiny_models.EVERYTHING},
    "source": tiny_models.SOURCE,
    "repeated, gaussian": {
        "conditioning": dataclasses.replace(
            tiny_models.EVERYTHING, upsampling=()
        ),
        "noise": "gaussian",
    },
}


@pytest.fixture(scope="module", params=STUDENTS)
def both(request, tmp_path_factory):
    """A student's voice, and that of its file."""
    settings = tiny_models.FEW_LAYERS | STUDENTS[request.param]
    student = tiny_models.student(**settings)
    path = tmp_path_factory.mktemp("onnx") / "voice.onnx"
    assert export_onnx(student, path) < 1e-5
    return Synthesizer(student), OnnxVoice(path)


@pytest.mark.network
@pytest.mark.parametrize("block_frames", [1, 7, FRAMES])
@pytest.mark.parametrize("rows", [1, 3])
def test_it_sounds_as_the_student_in_any_blocks(
    both, block_frames, rows
) -> None:
    voice, other = both
    features = tiny_models.features(rows, FRAMES)
    stream = Stream(other, 5, 0.7, block_frames)
    found = np.concatenate(list(synthesize_stream(stream, [features])), axis=1)
    np.testing.assert_allclose(found, voice(features, 5, 0.7), atol=1e-5)


@pytest.mark.network
def test_it_has_a_card(both) -> None:
    voice, other = both
    assert other.contract == voice.contract
    assert other.conditioning == voice.conditioning
    assert other.context_frames == voice.context_frames


@pytest.mark.network
def test_a_student_with_nan_weights_is_not_exported(tmp_path) -> None:
    student = tiny_models.student()
    bias = student.networks[-1].output_pair.bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    with pytest.raises(UserError, match="differs from the student by nan"):
        export_onnx(student, tmp_path / "deep" / "voice.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_file_that_is_no_export_is_named(tmp_path, content) -> None:
    path = tmp_path / "voice.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="voice.onnx: is missing, damaged or"):
        OnnxVoice(path)


@pytest.mark.network
def test_a_card_of_another_format_is_refused(both, tmp_path) -> None:
    import onnx

    path = tmp_path / "voice.onnx"
    export_onnx(both[0].student, path)
    model = onnx.load(path)
    card, checksum = model.metadata_props
    model.metadata_props.remove(checksum)
    card.value = json.dumps(json.loads(card.value) | {"format": 99})
    onnx.save(model, path)
    with pytest.raises(UserError, match="card of format 99, .* reads 1;"):
        OnnxVoice(path)
    card.value = "{}"
    onnx.save(model, path)
    with pytest.raises(UserError, match="card of format None"):
        OnnxVoice(path)
