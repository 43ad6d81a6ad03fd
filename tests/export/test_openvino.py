"""A runtime that is none of TensorFlow's reads the graph and agrees."""

import json

import numpy as np
import pytest
from served_voices import expected_audio, exported, features, frames_of

pytest.importorskip("openvino", reason="OpenVINO is not installed")

import openvino_reader  # noqa: E402

# Other programs and processes.
pytestmark = pytest.mark.system


FRAMES = 40
SEEDS = [3, 11]


@pytest.fixture(
    scope="module",
    params=["mel", pytest.param("everything", marks=pytest.mark.slow)],
)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def stream(kind, tmp_path_factory) -> openvino_reader.Signature:
    scratch = tmp_path_factory.mktemp("openvino") / kind
    return openvino_reader.Signature(exported(kind), "stream", scratch)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("cuts", [(0, FRAMES), (0, 13, 14, FRAMES)])
def test_openvino_gives_the_same_audio_part_by_part(
    kind, stream, cuts, temperature
):
    inputs = features(kind, 2, FRAMES)
    card = exported(kind) / "assets.extra" / "model_card.json"
    state = {
        name: np.zeros((2, *spec["shape"]), spec["dtype"])
        for name, spec in json.loads(card.read_text("utf-8"))["state"].items()
    }
    chunks = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        answer = stream(
            frames_of(inputs, start, end)
            | state
            | {
                "lengths": np.array([-1, -1]),
                "seed": np.array(SEEDS),
                "temperature": np.float32([temperature, temperature]),
                "end": np.array([end == FRAMES] * 2),
            }
        )
        chunks.append(answer["audio"])
        state = {n: answer[n].astype(x.dtype) for n, x in state.items()}
    expected = expected_audio(kind, inputs, [FRAMES] * 2, SEEDS, temperature)
    np.testing.assert_allclose(
        np.concatenate(chunks, axis=1), np.stack(expected), atol=1e-5, rtol=0
    )


@pytest.fixture(scope="module")
def whole(kind, tmp_path_factory) -> openvino_reader.Signature:
    scratch = tmp_path_factory.mktemp("openvino") / f"{kind} whole"
    return openvino_reader.Signature(exported(kind), "serving_default", scratch)


@pytest.mark.parametrize("frames", [FRAMES, 171])
def test_openvino_gives_the_same_audio_at_once(kind, whole, frames):
    """In one chunk of the graph's loop, and in two."""
    inputs = features(kind, 2, frames)
    answer = whole(
        inputs
        | {
            "lengths": np.array([-1, -1]),
            "seed": np.array(SEEDS),
            "temperature": np.float32([1.0, 1.0]),
        }
    )
    expected = expected_audio(kind, inputs, [frames] * 2, SEEDS, 1.0)
    np.testing.assert_allclose(
        answer["audio"], np.stack(expected), atol=1e-5, rtol=0
    )
