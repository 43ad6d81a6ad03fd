"""The real TensorFlow Serving, where it is installed, serves the voice alike.

It has no package in pip's index; see BUILD.md for how to get it.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from repository import ROOT
from served_voices import expected_audio, exported, features, frames_of
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

SERVER = shutil.which("tensorflow_model_server")
SERVING = ROOT / "export" / "serving"
SECONDS_TO_START = 120
FRAMES = 60
TOLERANCE = {"atol": 1e-5, "rtol": 0}

pytestmark = [
    pytest.mark.skipif(
        SERVER is None, reason="tensorflow_model_server is not on the PATH"
    ),
    pytest.mark.slow,
]


class Server:
    """A running server's ports."""

    def __init__(self) -> None:
        self.grpc, self.rest = _free_port(), _free_port()
        channel = grpc.insecure_channel(f"localhost:{self.grpc}")
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._predict = stub.Predict

    def get(self, path: str) -> bytes:
        """A page of the REST port."""
        url = f"http://localhost:{self.rest}{path}"
        with urllib.request.urlopen(url, timeout=10) as page:
            return page.read()

    def post(self, path: str, body: dict) -> dict:
        """The answer to JSON."""
        request = urllib.request.Request(
            f"http://localhost:{self.rest}{path}", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as page:
            return json.load(page)

    def ask(self, signature: str, label: str = "stable", **inputs) -> dict:
        """A signature's outputs over gRPC."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "voice"
        request.model_spec.signature_name = signature
        request.model_spec.version_label = label
        for name, x in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(x))
        answer = self._predict(request, timeout=60)
        assert answer.model_spec.version.value == 1
        return {n: tf.make_ndarray(x) for n, x in answer.outputs.items()}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """TensorFlow Serving with the files that are shipped."""
    folder = tmp_path_factory.mktemp("server")
    models = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((SERVING / "models.config").read_text(), models)
    models.model_config_list.config[0].base_path = str(exported("mel").parent)
    config = folder / "models.config"
    config.write_text(text_format.MessageToString(models))
    running = Server()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                SERVER,
                f"--port={running.grpc}",
                f"--rest_api_port={running.rest}",
                f"--model_config_file={config}",
                "--allow_version_labels_for_unavailable_models=true",
                "--enable_batching=true",
                f"--batching_parameters_file={SERVING / 'batching.config'}",
                f"--monitoring_config_file={SERVING / 'monitoring.config'}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(running, process, folder / "log")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(server: Server, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            if b'"AVAILABLE"' in server.get("/v1/models/voice"):
                return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"no version became available: {log.read_text()[-3_000:]}")


def model_inputs() -> dict:
    return features("mel", 2, FRAMES)


def settings(seeds=(3, -7), lengths=(FRAMES, 21)) -> dict:
    return {
        "lengths": np.array(lengths),
        "seed": np.array(seeds),
        "temperature": np.full(len(seeds), 0.8, np.float32),
    }


def expected() -> list[np.ndarray]:
    return expected_audio("mel", model_inputs(), [FRAMES, 21], [3, -7], 0.8)


def require_rows(audio, lengths) -> None:
    for row, samples, sound in zip(audio, lengths, expected(), strict=True):
        assert samples == len(sound)
        np.testing.assert_allclose(row[:samples], sound, **TOLERANCE)


@pytest.mark.parametrize("label", ["stable", "canary"])
def test_audio_is_the_same_over_grpc_by_either_label(server, label):
    answer = server.ask(
        "serving_default", label, **model_inputs(), **settings()
    )
    require_rows(answer["audio"], answer["lengths"])


def test_audio_is_the_same_over_rest(server):
    body = {n: x.tolist() for n, x in (model_inputs() | settings()).items()}
    url = "/v1/models/voice/labels/stable:predict"
    columns = server.post(url, {"inputs": body})["outputs"]
    require_rows(np.array(columns["audio"]), columns["lengths"])
    rows = [
        dict(zip(body, row, strict=True))
        for row in zip(*body.values(), strict=True)
    ]
    rows = server.post(url, {"instances": rows})["predictions"]
    require_rows(
        np.array([row["audio"] for row in rows]),
        [row["lengths"] for row in rows],
    )


def test_optional_inputs_of_one_row_have_defaults(server):
    mel = model_inputs()["mel"][:1]
    (sound,) = expected_audio("mel", {"mel": mel}, [FRAMES], [0], 1.0)
    answer = server.ask("serving_default", mel=mel)
    np.testing.assert_allclose(answer["audio"][0], sound, **TOLERANCE)


def test_a_stream_equals_the_whole(server):
    state, parts = {}, []
    for start, end in ((0, 1), (1, 30), (30, FRAMES)):
        one = {
            n: x[:1] for n, x in frames_of(model_inputs(), start, end).items()
        }
        noise = settings([3], [end - start])
        ended = {"end": np.array([end == FRAMES])}
        answer = server.ask("stream", **one, **noise, **ended, **state)
        parts.append(answer["audio"][0, : answer["lengths"][0]])
        state = {n: x for n, x in answer.items() if n.startswith("state_")}
    np.testing.assert_allclose(
        np.concatenate(parts), expected()[0], **TOLERANCE
    )


def test_concurrent_requests_of_many_lengths_are_answered_as_alone(server):
    def ask(frames: int) -> np.ndarray:
        one = {n: x[:1, :frames] for n, x in model_inputs().items()}
        answer = server.ask("serving_default", **one, **settings([3], [frames]))
        return answer["audio"][0, : answer["lengths"][0]]

    lengths = [7, 13, 24, 36, 48, FRAMES] * 4
    with ThreadPoolExecutor(len(lengths)) as threads:
        for frames, audio in zip(
            lengths, threads.map(ask, lengths), strict=True
        ):
            one = {n: x[:1] for n, x in model_inputs().items()}
            (sound,) = expected_audio("mel", one, [frames], [3], 0.8)
            np.testing.assert_allclose(audio, sound, **TOLERANCE)


def test_values_that_are_not_finite_are_refused_by_the_graph(server):
    broken = model_inputs()
    broken["mel"][0, 3, 1] = np.nan
    with pytest.raises(grpc.RpcError) as refusal:
        server.ask("serving_default", **broken, **settings())
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "mel holds values that are not finite" in refusal.value.details()
    body = {n: x.tolist() for n, x in (broken | settings()).items()}
    with pytest.raises(urllib.error.HTTPError) as refusal:
        server.post("/v1/models/voice:predict", {"inputs": body})
    assert refusal.value.code == 400
    error = json.load(refusal.value)["error"]
    assert "mel holds values that are not finite" in error


def test_prometheus_reads_the_servers_metrics(server):
    server.ask("describe", row=np.array([0]))
    page = server.get("/monitoring/prometheus/metrics").decode()
    assert ":tensorflow:serving:" in page
