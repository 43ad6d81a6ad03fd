"""The .tflite: its audio, its inputs, and that no bad file is left."""

import dataclasses
import functools
import json

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.synthesis.streaming import Stream, synthesize_stream
from pwavenet_tf.synthesis.student import Synthesizer

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from pwavenet_tf.export.lite.voice import LiteVoice  # noqa: E402
from pwavenet_tf.export.tflite import converted, export_tflite

HOP = tiny_models.HOP
BLOCK = 3
FRAMES = 31
REPEATED = dataclasses.replace(tiny_models.EVERYTHING, upsampling=())
STUDENTS = {
    "mel": {"conditioning": tiny_models.ON_MEL},
    "everything": {"conditioning": tiny_models.EVERYTHING},
    "everything, repeated": {"conditioning": REPEATED},
    "mel, gaussian noise": {
        "conditioning": tiny_models.ON_MEL,
        "noise": "gaussian",
    },
    "source": tiny_models.SOURCE,
    "mixed precision": {
        "conditioning": tiny_models.ON_MEL,
        "dtype": "mixed_bfloat16",
    },
}


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """By kind of student: the file, its voice, and Keras's in float32."""
    folder = tmp_path_factory.mktemp("lite")

    @functools.cache
    def made(kind: str):
        path = folder / f"{kind}.tflite"
        settings = tiny_models.FEW_LAYERS | STUDENTS[kind]
        student = tiny_models.student(**settings)
        export_tflite(student, path, block_frames=BLOCK)
        exact = tiny_models.student(**settings | {"dtype": "float32"})
        voice = Synthesizer(exact)
        return path, LiteVoice(path), voice

    return made


@pytest.mark.network
@pytest.mark.parametrize("kind", STUDENTS)
@pytest.mark.parametrize("frames", [1, BLOCK, FRAMES])
def test_it_sounds_as_keras_does_over_any_length(voices, kind, frames) -> None:
    _, lite, voice = voices(kind)
    features = tiny_models.features(1, frames)
    expected = voice(features, seed=5, temperature=0.8)
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(
        lite(features, seed=5, temperature=0.8), expected, atol=2e-5
    )


@hypothesis.given(
    cuts=st.lists(st.integers(1, FRAMES - 1), max_size=8), seed=st.integers(0)
)
@hypothesis.settings(max_examples=15)
def test_features_may_come_in_any_parts(voices, cuts, seed) -> None:
    _, lite, voice = voices("mel")
    mel = tiny_models.mel(1, FRAMES)
    parts = np.split(mel, sorted({*cuts}), axis=1)
    seed %= 2**62
    audio = np.concatenate(
        list(synthesize_stream(Stream(lite, seed, block_frames=BLOCK), parts)),
        axis=1,
    )
    np.testing.assert_allclose(audio, voice(mel, seed=seed), atol=2e-5)


def test_the_state_carries_over(voices) -> None:
    """The audio depends on earlier blocks, through the state alone."""
    _, lite, _ = voices("mel")
    mel = tiny_models.mel(1, FRAMES)
    whole = lite(mel)
    forgotten = Stream(lite, 0, block_frames=BLOCK)
    audio = []
    for block in synthesize_stream(forgotten, [mel]):
        audio.append(block)
        forgotten._state = None
    audio = np.concatenate(audio, axis=1)
    hop = BLOCK * HOP
    np.testing.assert_allclose(audio[:, :hop], whole[:, :hop], atol=1e-6)
    assert np.abs(audio[:, hop:] - whole[:, hop:]).max() > 1e-3


@pytest.mark.parametrize("kind", ["mel", "everything"])
def test_inputs_and_outputs_have_names_shapes_and_types(voices, kind) -> None:
    _, lite, voice = voices(kind)
    signatures = lite.interpreter.get_signature_list()
    assert list(signatures) == ["speak"]
    runner = lite.interpreter.get_signature_runner("speak")
    past, newest = voice.initial_state(1)
    window = BLOCK + 2 * voice.context_frames
    state = {
        "state_past": (past.shape, np.float32),
        "state_newest": (newest.shape, np.float32),
    }
    inputs = {"mel": ((1, window, tiny_models.MELS), np.float32)}
    if kind == "everything":
        inputs |= {
            "phones": ((1, window, 3), np.int32),
            "timing": ((1, window, 2), np.float32),
            "pitch": ((1, window, 2), np.float32),
            "sinusoids": ((1, window, 3), np.float32),
            "speaker": ((1,), np.int32),
        }
    sound = ((1, BLOCK * HOP), np.float32)
    assert _described(runner.get_input_details()) == (
        inputs | state | {"noise": sound}
    )
    assert _described(runner.get_output_details()) == state | {"audio": sound}


def _described(details: dict) -> dict:
    return {
        name: (tuple(one["shape"]), one["dtype"])
        for name, one in details.items()
    }


def test_the_card_has_the_contract_and_the_quality(voices) -> None:
    _, lite, voice = voices("everything")
    assert lite.contract == tiny_models.CONTRACT
    assert lite.conditioning == tiny_models.EVERYTHING
    assert lite.card["variant"] == "float32"
    assert lite.card["block_frames"] == BLOCK
    assert lite.card["look_ahead_frames"] == voice.context_frames
    assert lite.card["sizes"]["noise"] == "logistic"
    quality = lite.card["quality"]
    assert quality["largest_difference"] < 1e-4
    assert quality["snr_db"] > 80
    assert not quality["on_speech"]
    json.dumps(lite.card, allow_nan=False)


def test_another_division_and_a_batch_are_refused(voices) -> None:
    _, lite, _ = voices("mel")
    mel = tiny_models.mel(2, FRAMES)
    with pytest.raises(
        UserError, match="synthesizes 3 frames at a time, not 4"
    ):
        list(synthesize_stream(Stream(lite, block_frames=4), [mel[:1]]))
    with pytest.raises(UserError, match="one utterance at a time, not 2"):
        lite(mel)


@pytest.mark.network
def test_an_operation_that_is_not_built_in_is_named() -> None:
    specs = {"noise": tf.TensorSpec((1, 4), name="noise")}
    function = tf.function(lambda noise: {"audio": tf.math.erfinv(noise)})
    with pytest.raises(UserError, match=r"not built .*\(tf\.Erfinv\); export"):
        converted(tf.Module(), function, specs, "float32")


@pytest.mark.network
def test_a_student_with_nan_weights_leaves_no_file(tmp_path) -> None:
    student = tiny_models.student()
    bias = student.networks[-1].output_pair.bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    with pytest.raises(UserError, match="not finite; is the student's train"):
        export_tflite(student, tmp_path / "new" / "voice.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.network
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "int4"}, "'int4' is not known; choose from float32, fl"),
        ({"block_frames": 0}, "a block has 0 frames"),
        ({"variant": "int8"}, "int8 .* measured on speech; .* by --speech"),
        ({"variant": "int8-dynamic"}, "int8-dynamic .* measured on speech"),
        (
            {"speech": [tiny_models.mel(2, 9)]},
            "one utterance after the other",
        ),
        ({"speech": [np.zeros((9, 5))]}, r"mel must be \(frames, 6\)"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        export_tflite(
            tiny_models.student(), tmp_path / "voice.tflite", **changes
        )
    assert list(tmp_path.iterdir()) == []
