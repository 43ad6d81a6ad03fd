"""The SavedModel gives the same audio to all readers, without our code."""

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import served_voices
import tensorflow as tf
from repository import HELPERS
from served_voices import (
    HOP,
    expected_audio,
    exported,
    features,
    frames_of,
    synthesizer,
)
from tensorflow_serving.apis import prediction_log_pb2

from pwavenet_tf.audio.mel import log_mel_spectrogram

# Other programs and processes.
pytestmark = pytest.mark.system


LIBRARIES = Path(tf.sysconfig.get_lib())
READERS = {
    "TensorFlow alone": [HELPERS / "plain_tensorflow.py"],
    "the C API": [HELPERS / "c_api.py", LIBRARIES],
}
KINDS = list(served_voices.CONDITIONINGS)
every_reader = pytest.mark.parametrize("reader", READERS)
every_kind = pytest.mark.parametrize("kind", KINDS)

# More than a chunk of the graph's loop, and a row that is shorter.
FRAMES = 171
LENGTHS = [FRAMES, 90]
SEEDS = [3, -(2**40)]
TEMPERATURE = 0.8
# Where the stream is cut; its first part is shorter than the look-ahead.
CUTS = (0, 1, 30, FRAMES)
INVALID_ARGUMENT = "3 "


def asked(**inputs) -> dict:
    """Inputs of a request as arrays of the signatures' types."""
    dtypes = {"temperature": np.float32, "end": np.bool_}
    return {
        name: np.asarray(x, dtypes.get(name, np.int64))
        for name, x in inputs.items()
    }


def model_inputs(kind: str) -> dict:
    return features(kind, 2, FRAMES)


def stream_beginning(kind: str) -> dict:
    """The state before the first frame, of two rows."""
    card = json.loads(
        (exported(kind) / "assets.extra" / "model_card.json").read_text()
    )
    return {
        name: np.zeros((2, *spec["shape"]), spec["dtype"])
        for name, spec in card["state"].items()
    }


def recording() -> np.ndarray:
    return served_voices.tiny_models.audio(2, 9)


def requests(kind: str) -> dict[str, dict]:
    """The requests to each reader, with all inputs."""
    settings = asked(seed=SEEDS, temperature=[TEMPERATURE] * 2)
    whole = model_inputs(kind) | settings | asked(lengths=LENGTHS)
    broken = {name: x.copy() for name, x in whole.items()}
    broken["mel"][1, 5, 2] = np.nan
    found = {
        "whole.serving_default": whole,
        "broken.serving_default": broken,
        "card.describe": asked(row=[0, 0]),
        "sound.mel_spectrogram": {"audio": recording()}
        | asked(lengths=[9 * HOP, 4 * HOP]),
    }
    for number, (start, end) in enumerate(zip(CUTS, CUTS[1:], strict=False)):
        part = frames_of(model_inputs(kind), start, end) | settings
        part |= asked(lengths=[-1, -1], end=[end == FRAMES] * 2)
        if not number:
            part |= stream_beginning(kind)
        found[f"part{number}.stream"] = part
    return found


def warm_up(kind: str) -> dict[str, dict]:
    """The requests that a server runs before it lets others in."""
    path = exported(kind) / "assets.extra" / "tf_serving_warmup_requests"
    found = {}
    for number, record in enumerate(tf.data.TFRecordDataset(str(path))):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        name = f"warm{number}.{request.model_spec.signature_name}"
        found[name] = {
            key: tf.make_ndarray(x) for key, x in request.inputs.items()
        }
    return found


def requests_with_gaps(kind: str) -> dict[str, dict]:
    """What a session may be asked besides: what has defaults is left out."""
    return {
        "short.serving_default": model_inputs(kind),
        "short.describe": {},
        "short.stream": model_inputs(kind) | asked(end=[True]),
    } | warm_up(kind)


@functools.cache
def answers(reader: str, kind: str) -> dict[str, dict | str]:
    """Outputs, or an error's text, of every request."""
    if (
        reader == "the C API"
        and not (LIBRARIES / "libtensorflow_cc.so.2").exists()
    ):
        pytest.skip("this TensorFlow has no libtensorflow_cc.so.2")
    given = requests(kind)
    if reader == "the C API":
        given |= requests_with_gaps(kind)
    with tempfile.TemporaryDirectory() as folder:
        places = Path(folder) / "requests", Path(folder) / "answers"
        for place in places:
            place.mkdir()
        for name, inputs in given.items():
            np.savez(places[0] / f"{name}.npz", **inputs)
        script, *arguments = READERS[reader]
        subprocess.run(
            [sys.executable, "-I", script, *arguments, exported(kind), *places],
            check=True,
        )
        found = {
            path.stem: dict(np.load(path)) for path in places[1].glob("*.npz")
        }
        return found | {
            path.stem: path.read_text() for path in places[1].glob("*.txt")
        }


def require_said(audio: np.ndarray, rows: list[np.ndarray]) -> None:
    """Each row is as expected and silent behind its end."""
    for found, expected in zip(audio, rows, strict=True):
        np.testing.assert_allclose(
            found[: len(expected)], expected, atol=1e-5, rtol=0
        )
        assert not found[len(expected) :].any()


@every_reader
@every_kind
def test_an_utterance_sounds_the_same(reader, kind):
    answer = answers(reader, kind)["whole.serving_default"]
    rows = expected_audio(kind, model_inputs(kind), LENGTHS, SEEDS, TEMPERATURE)
    require_said(answer["audio"], rows)
    np.testing.assert_array_equal(answer["lengths"], np.multiply(LENGTHS, HOP))


@every_reader
@every_kind
def test_parts_of_a_stream_equal_the_whole(reader, kind):
    parts = [
        answers(reader, kind)[f"part{number}.stream"]
        for number in range(len(CUTS) - 1)
    ]
    assert parts[0]["audio"].shape == (2, 0)
    assert parts[1]["audio"].shape[1] > 0
    whole = np.concatenate([part["audio"] for part in parts], axis=1)
    require_said(
        whole,
        expected_audio(
            kind, model_inputs(kind), [FRAMES] * 2, SEEDS, TEMPERATURE
        ),
    )
    for name, zeros in stream_beginning(kind).items():
        np.testing.assert_array_equal(parts[-1][name], zeros)


@every_reader
@every_kind
def test_the_mel_spectrogram_is_that_of_the_contract(reader, kind):
    answer = answers(reader, kind)["sound.mel_spectrogram"]
    np.testing.assert_array_equal(answer["lengths"], [9, 4])
    for row, frames in enumerate((9, 4)):
        expected = log_mel_spectrogram(
            recording()[[row], : frames * HOP], synthesizer(kind).contract
        )
        np.testing.assert_allclose(
            answer["mel"][[row], :frames], expected, atol=1e-5
        )


@every_reader
@every_kind
def test_the_card_is_the_one_next_to_the_graph(reader, kind):
    path = exported(kind) / "assets.extra" / "model_card.json"
    cards = answers(reader, kind)["card.describe"]["card"]
    assert len(cards) == 2
    for card in cards:
        assert json.loads(card) == json.loads(path.read_text("utf-8"))


@every_reader
@every_kind
def test_values_that_are_not_finite_are_refused_by_the_graph(reader, kind):
    answer = answers(reader, kind)["broken.serving_default"]
    assert answer.startswith(INVALID_ARGUMENT)
    assert "mel holds values that are not finite numbers" in answer


@every_kind
def test_a_session_knows_the_defaults(kind):
    answer = answers("the C API", kind)
    rows = expected_audio(kind, model_inputs(kind), [FRAMES] * 2, [0, 0], 1.0)
    require_said(answer["short.serving_default"]["audio"], rows)
    require_said(answer["short.stream"]["audio"], rows)
    assert len(answer["short.describe"]["card"]) == 1


@every_kind
def test_a_session_answers_every_warm_up_request(kind):
    given = warm_up(kind)
    assert {name.partition(".")[2] for name in given} == {
        "serving_default",
        "stream",
        "mel_spectrogram",
        "describe",
    }
    for name in given:
        answer = answers("the C API", kind)[name]
        assert isinstance(answer, dict), answer
        for x in answer.values():
            assert x.dtype.kind != "f" or np.isfinite(x).all()


@pytest.mark.parametrize("kind, given", [("mel", False), ("everything", True)])
def test_saved_model_cli_gives_the_same_audio(kind, given, tmp_path):
    inputs = model_inputs(kind)
    lengths, seeds, temperature = [FRAMES] * 2, [0, 0], 1.0
    if given:
        lengths, seeds, temperature = LENGTHS, SEEDS, TEMPERATURE
        inputs |= asked(lengths=lengths, seed=seeds, temperature=[temperature])
    np.savez(tmp_path / "inputs.npz", **inputs)
    subprocess.run(
        [
            Path(sys.executable).with_name("saved_model_cli"),
            "run",
            f"--dir={exported(kind)}",
            "--tag_set=serve",
            "--signature_def=serving_default",
            "--inputs="
            + ";".join(f"{n}={tmp_path}/inputs.npz[{n}]" for n in inputs),
            f"--outdir={tmp_path}",
        ],
        check=True,
        capture_output=True,
    )
    rows = expected_audio(kind, model_inputs(kind), lengths, seeds, temperature)
    require_said(np.load(tmp_path / "audio.npy"), rows)
