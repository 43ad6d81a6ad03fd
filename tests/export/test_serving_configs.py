"""The deployment files are what TensorFlow Serving and Docker read."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,  # noqa: F401 so that its messages can be referred to
)
from tensorflow_serving.config import model_server_config_pb2

SERVING = Path(str(resources.files("pwavenet_tf.export"))) / "serving"
REST_PORT = "8501"
Field = descriptor_pb2.FieldDescriptorProto

# tensorflow-serving-api lacks these two: names and numbers of their fields
# are those of tensorflow/serving's session_bundle_config.proto and
# monitoring_config.proto.
INT64_VALUE = ".google.protobuf.Int64Value"
MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": (1, INT64_VALUE),
        "batch_timeout_micros": (2, INT64_VALUE),
        "max_enqueued_batches": (3, INT64_VALUE),
        "num_batch_threads": (4, INT64_VALUE),
        "thread_pool_name": (5, ".google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, Field.TYPE_INT64),
        "pad_variable_length_inputs": (7, Field.TYPE_BOOL),
    },
    "PrometheusConfig": {
        "enable": (1, Field.TYPE_BOOL),
        "path": (2, Field.TYPE_STRING),
    },
    "MonitoringConfig": {"prometheus_config": (1, ".served.PrometheusConfig")},
}


def message(name: str):
    """An empty message of TensorFlow Serving's that pip does not install."""
    file = descriptor_pb2.FileDescriptorProto(
        name="served.proto",
        package="served",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for title, fields in MESSAGES.items():
        described = file.message_type.add(name=title)
        for field, (number, kind) in fields.items():
            added = described.field.add(name=field, number=number)
            if isinstance(kind, str):
                added.type, added.type_name = Field.TYPE_MESSAGE, kind
            else:
                added.type = kind
            added.label = (
                Field.LABEL_REPEATED
                if field == "allowed_batch_sizes"
                else Field.LABEL_OPTIONAL
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"served.{name}")
    return message_factory.GetMessageClass(found)()


def parsed(file: str, empty):
    return text_format.Parse((SERVING / file).read_text("ascii"), empty)


@pytest.fixture(scope="module")
def model():
    """The only model of models.config."""
    config = model_server_config_pb2.ModelServerConfig()
    (found,) = parsed("models.config", config).model_config_list.config
    return found


@pytest.fixture(scope="module")
def service() -> dict:
    """The only service of compose.yaml."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text("ascii"))
    (found,) = compose["services"].values()
    return found


@pytest.fixture(scope="module")
def flags(service) -> dict[str, str]:
    """The server's flags by name."""
    return dict(flag[2:].split("=", 1) for flag in service["command"])


@pytest.fixture(scope="module")
def mounts(service) -> dict[str, str]:
    """What is mounted read-only, by its place in the container."""
    return {
        mount["target"]: mount["source"]
        for mount in service["volumes"]
        if mount["read_only"]
    }


def test_stable_and_canary_name_versions_that_are_served(model):
    served = set(model.model_version_policy.specific.versions)
    assert set(model.version_labels) == {"stable", "canary"}
    assert set(model.version_labels.values()) <= served
    # What the first export writes, so that the files can be used as they are.
    assert served == {1}
    assert model.model_platform == "tensorflow"


def test_labels_are_allowed_before_anything_is_loaded(flags):
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    assert int(flags["model_config_file_poll_wait_seconds"]) > 0


def test_batches_grow_up_to_the_largest_and_may_differ_in_length():
    batching = parsed("batching.config", message("BatchingParameters"))
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == batching.max_batch_size.value
    assert batching.pad_variable_length_inputs
    assert batching.batch_timeout_micros.value < 10_000


def test_metrics_are_where_prometheus_looks_by_the_documents():
    monitoring = parsed("monitoring.config", message("MonitoringConfig"))
    assert monitoring.prometheus_config.enable
    docs = SERVING.parents[1] / "docs" / "serving.md"
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"
    if docs.exists():
        assert monitoring.prometheus_config.path in docs.read_text("utf-8")


def test_every_file_that_a_flag_names_lies_in_a_mount(flags, mounts):
    named = {n: Path(v) for n, v in flags.items() if n.endswith("_file")}
    assert set(named) == {
        "model_config_file",
        "batching_parameters_file",
        "monitoring_config_file",
    }
    for path in named.values():
        assert mounts[str(path.parent)] == "."
        assert (SERVING / path.name).is_file()
    # Without it the server refuses to start with such a file.
    assert flags["enable_batching"] == "true"


def test_the_model_is_mounted_where_the_config_looks(model, mounts):
    assert mounts[model.base_path].startswith("${MODEL:?")


def test_both_ports_are_open_to_this_machine_alone(service):
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]


def test_the_image_is_of_one_version_from_2_19_on(service):
    name, _, tag = service["image"].partition(":")
    assert name == "tensorflow/serving"
    assert tuple(map(int, tag.split("."))) >= (2, 19, 0)


def test_it_starts_again_and_has_a_bound_on_its_memory(service):
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"].endswith("g")


class Status(BaseHTTPRequestHandler):
    """Answers a question for a model's status as it is documented."""

    def do_GET(self) -> None:
        versions = ",".join(
            f'{{"version": "{number}", "state": "{state}", "status": '
            '{"error_code": "OK", "error_message": ""}}'
            for number, state in enumerate(self.server.states, start=1)
        )
        self.send_response(200 if self.path == "/v1/models/voice" else 404)
        self.end_headers()
        self.wfile.write(f'{{"model_version_status": [{versions}]}}'.encode())

    def log_message(self, *_) -> None:
        """Nothing: tests are quiet."""


def health(service: dict, port: int) -> int:
    """The exit status of the health check, asking another port."""
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    assert command[-1].count(REST_PORT) == 1
    command[-1] = command[-1].replace(REST_PORT, str(port))
    return subprocess.run(command, timeout=20, capture_output=True).returncode


@pytest.mark.parametrize(
    "states, healthy",
    [
        (["AVAILABLE"], True),
        (["AVAILABLE", "LOADING"], True),
        (["LOADING"], False),
        (["END"], False),
        ([], False),
    ],
)
def test_it_is_healthy_when_a_version_is_served(service, states, healthy):
    with HTTPServer(("127.0.0.1", 0), Status) as server:
        server.states = states
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            assert (health(service, server.server_port) == 0) == healthy
        finally:
            server.shutdown()
            thread.join()


def test_it_is_unhealthy_when_no_server_listens(service):
    with HTTPServer(("127.0.0.1", 0), Status) as server:
        port = server.server_port
    assert health(service, port) != 0
