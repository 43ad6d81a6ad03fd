"""What the client makes of servers that fail, and of those that recover."""

import functools
import socket
import threading
import time

import numpy as np
import pytest
import served_voices
from broken_wire import Listener, cut_after, dripping, silent
from client_server import (
    MEL,
    PREFIXES,
    failure_of,
    require_audio_of_mel,
    warmed,
)
from grpc import StatusCode
from model_server import ModelServer
from rest_api import Refused

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client, synthesize
from pwavenet_tf.export.client import protocol as attempts_module


@pytest.fixture(scope="module")
def running():
    folder = served_voices.exported("mel").parent
    with ModelServer({"voice": folder}) as server:
        yield warmed(server)


@pytest.fixture
def server(running):
    yield running
    running.behave()


@pytest.fixture(params=PREFIXES)
def transport(request):
    return request.param


@pytest.fixture
def host(server, transport):
    return getattr(server, transport)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def refusing(times: int, code: StatusCode):
    """A server's `before` that refuses so many predictions."""
    left = iter(range(times))

    def before(signature: str) -> None:
        if next(left, None) is not None:
            raise Refused(code, "try later\nor never")

    return before


def test_a_closed_port_is_reported(transport):
    port = free_port()
    message = failure_of(
        f"{PREFIXES[transport]}{port}", attempts=3, deadline=20
    )
    assert "no server answers (connection refused) after 3 attempts" in message
    kind = "gRPC" if transport == "grpc_host" else "REST"
    assert f"is it running, and is {port} its {kind} port?" in message


def test_an_unknown_host_is_reported(transport):
    host = PREFIXES[transport].replace("localhost", "nobody.invalid") + "8500"
    assert "name not known" in failure_of(host, attempts=2, deadline=20)


@pytest.mark.network
def test_the_wrong_port_of_the_two_is_reported(server):
    grpc_as_rest = f"http://localhost:{server.grpc_port}"
    assert "is it the gRPC port?" in failure_of(grpc_as_rest)
    rest_as_grpc = f"localhost:{server.rest_port}"
    message = failure_of(rest_as_grpc)
    assert f"for its REST port write http://{rest_as_grpc}" in message
    assert "no secure connection" in failure_of(f"https://{rest_as_grpc}")


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED]
)
def test_a_request_that_fails_twice_and_then_passes_is_answered(
    server, host, code
):
    with Client(host, deadline=30) as client:
        client.card  # noqa: B018
        server.before = refusing(2, code)
        synthesized = client.synthesize(MEL)
    require_audio_of_mel(synthesized)
    assert server.asked == ["describe", *["serving_default"] * 3]


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED]
)
def test_a_persistent_failure_is_reported(server, host, code):
    server.before = refusing(99, code)
    message = failure_of(host, attempts=2, deadline=20)
    assert "after 2 attempts" in message and "try later or never" in message
    assert server.asked == ["describe"] * 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (StatusCode.INVALID_ARGUMENT, "refused the request: try later or"),
        (StatusCode.NOT_FOUND, "does not serve version 1 of 'voice'"),
        (StatusCode.INTERNAL, "the server failed"),
    ],
)
def test_a_permanent_failure_is_not_retried(server, host, code, words):
    server.before = refusing(1, code)
    assert words in failure_of(host)
    assert server.asked == ["describe"]


@pytest.mark.network
def test_an_attempt_that_hangs_is_followed_by_another(server, host):
    went_on = threading.Event()
    first = iter([None])

    def hang_once(signature: str) -> None:
        if next(first, 0) is None:
            went_on.wait(20)

    with Client(host, deadline=4) as client:
        client.card  # noqa: B018
        server.before = hang_once
        synthesized = client.synthesize(MEL)
    went_on.set()
    require_audio_of_mel(synthesized)
    assert server.asked == ["describe", *["serving_default"] * 2]


def test_a_hanging_server_is_abandoned_at_the_deadline(transport):
    with Listener(silent) as listener:
        host = f"{PREFIXES[transport]}{listener.port}"
        began = time.monotonic()
        message = failure_of(host, deadline=1.0)
        # A bound of being over at all: it would hang for ever.
        assert time.monotonic() - began < 20
    assert "no answer came in time" in message and "deadline=" in message


def test_a_slow_server_is_abandoned_at_the_deadline():
    ended = threading.Event()
    with Listener(functools.partial(dripping, ended=ended)) as listener:
        message = failure_of(f"http://localhost:{listener.port}", deadline=1.0)
    ended.set()
    assert "no answer came in time" in message


def test_all_chunks_share_the_deadline(server, host, monkeypatch):
    monkeypatch.setattr(
        "pwavenet_tf.export.client.inputs._CHUNK_SECONDS", 1 / 800
    )
    server.before = lambda signature: time.sleep(0.2)
    message = failure_of(host, deadline=1.5)
    assert "in time" in message or "deadline of 1.5 s has passed" in message
    assert 1 < server.asked.count("stream") < len(MEL)


@pytest.mark.network
@pytest.mark.parametrize("cut", [0, 60, 400])
def test_a_cut_connection_is_opened_again(server, transport, cut):
    port = server.grpc_port if transport == "grpc_host" else server.rest_port
    with Listener(cut_after(port, [cut, cut])) as listener:
        host = f"{PREFIXES[transport]}{listener.port}"
        synthesized = synthesize(MEL, host, deadline=30)
        assert listener.connections >= 3
    require_audio_of_mel(synthesized)


def test_a_connection_that_is_cut_repeatedly_is_reported(server, transport):
    port = server.grpc_port if transport == "grpc_host" else server.rest_port
    with Listener(cut_after(port, [60] * 99)) as listener:
        host = f"{PREFIXES[transport]}{listener.port}"
        message = failure_of(host, attempts=2, deadline=20)
    assert "the server is not available" in message
    assert "after 2 attempts" in message


@pytest.mark.network
def test_a_stream_survives_its_server(server, host):
    parts = [MEL[:3], MEL[3:4], MEL[4:]]
    synthesized = []
    with Client(host, deadline=30) as client:
        for number, audio in enumerate(client.stream(parts)):
            synthesized.append(audio)
            if number == 0:
                server.stop()
                threading.Timer(0.5, server.start).start()
    require_audio_of_mel(np.concatenate(synthesized))


def test_a_client_continues_with_a_new_version(server, host):
    with Client(host) as client:
        client.synthesize(MEL)
        old = server.models.pop(("voice", 1))
        server.models["voice", 2] = old
        try:
            with pytest.raises(UserError, match="version 1 of 'voice'"):
                client.synthesize(MEL)
            synthesized = client.synthesize(MEL)
        finally:
            server.models["voice", 1] = server.models.pop(("voice", 2))
    require_audio_of_mel(synthesized)


def test_pauses_grow_and_are_random(monkeypatch):
    pauses = []
    monkeypatch.setattr(attempts_module.time, "sleep", pauses.append)

    def fail(seconds: float) -> None:
        raise attempts_module.broken_off("gone")

    for _ in range(50):
        deadline = attempts_module.Deadline(1_000)
        with pytest.raises(UserError, match="after 5 attempts"):
            attempts_module.answered(fail, deadline, 5, "there")
    waited = np.reshape(pauses, (50, 4))
    for number, column in enumerate(waited.T):
        longest = 0.25 * 2**number
        assert column.min() >= longest / 2 and column.max() <= longest
        assert len(set(column)) > 40
