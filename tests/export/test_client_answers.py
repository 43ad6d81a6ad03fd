"""Answers that are not what was asked for are named, never taken for audio."""

import functools
import json

import numpy as np
import pytest
import served_voices
import tensorflow as tf
from broken_wire import Listener, saying
from client_server import MEL, PREFIXES, failure_of, warmed
from model_server import ModelServer

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client, synthesize


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


@pytest.mark.parametrize(
    "content", [b"\x00\xff\x17" * 99, b"<html>Welcome</html>", b""]
)
def test_a_server_of_something_else_is_reported(transport, content):
    with Listener(saying(content)) as listener:
        failure_of(
            f"{PREFIXES[transport]}{listener.port}", attempts=2, deadline=10
        )


@pytest.mark.network
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Welcome</html>", "no JSON.*<html>Welcome"),
        (b"\x00\xff\x17", "no JSON"),
        (b"", "no JSON"),
        (b'{"outputs": {"audio": [[0.1, 0.2', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1.0]", "no object"),
        (b"{}", "no outputs"),
        (b'{"outputs": null}', "no names"),
        (b'{"outputs": {"sound": [[0.5]]}}', "there is no audio"),
        (b'{"outputs": {"audio": [[NaN]]}}', "no JSON.*NaN"),
        (b'{"outputs": {"audio": [[1e999]]}}', "audio"),
        (b'{"outputs": {"audio": [["0.5"]]}}', "audio holds no float32"),
        (b'{"outputs": {"audio": [[null]]}}', "audio holds no float32"),
        (b'{"outputs": {"audio": [[0.5], []]}}', "no whole tensor"),
        (
            b'{"outputs": {"audio": [[0.5, 0.5]], "lengths": [180]}}',
            "audio has 2, states 180, and 180 were due",
        ),
        (
            b'{"outputs": {"audio": [[0.5, 0.5]], "lengths": [2]}}',
            "audio has 2, states 2, and 180 were due",
        ),
        (b'{"outputs": {"audio": [[0.5, 0.5]]}}', "there is no lengths"),
        (
            b'{"outputs": {"audio": 0.5, "lengths": [180]}}',
            r"\(\).*\(1, any\)",
        ),
    ],
)
def test_json_that_is_no_audio_is_reported(server, body, words):
    def spoil(content: bytes) -> bytes:
        return (
            body if server.asked == ["describe", "serving_default"] else content
        )

    server.body = spoil
    with pytest.raises(UserError, match=f"not what was asked for: .*{words}"):
        synthesize(MEL, server.rest_host)
    assert server.asked == ["describe", "serving_default"]


def without(name: str, outputs) -> None:
    del outputs[name]


def shorter(outputs) -> None:
    outputs["audio"].tensor_shape.dim[1].size -= 20
    del outputs["audio"].float_val[-20:]


def longer(outputs) -> None:
    """As it comes from a batch in which another one's was longer."""
    for name in ("audio", "mel"):
        if name in outputs:
            shape = [dim.size for dim in outputs[name].tensor_shape.dim]
            outputs[name].tensor_shape.dim[1].size += 20
            outputs[name].float_val.extend([0.5] * 20 * int(np.prod(shape[2:])))


def truncated(outputs) -> None:
    del outputs["audio"].float_val[-20:]


def truncated_bytes(outputs) -> None:
    values = np.array(outputs["audio"].float_val, np.float32)
    del outputs["audio"].float_val[:]
    outputs["audio"].tensor_content = values.tobytes()[:-2]


def not_finite(outputs) -> None:
    outputs["audio"].float_val[3] = float("nan")


def of_double(outputs) -> None:
    values = list(outputs["audio"].float_val)
    del outputs["audio"].float_val[:]
    outputs["audio"].dtype = 2
    outputs["audio"].double_val.extend(values)


def of_no_type(outputs) -> None:
    outputs["audio"].dtype = 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (functools.partial(without, "audio"), "there is no audio"),
        (shorter, "audio has 160, states 180"),
        (truncated, "no whole tensor"),
        (truncated_bytes, "no whole tensor"),
        (not_finite, "not finite"),
        (of_double, "audio"),
        (of_no_type, "no whole tensor"),
    ],
)
def test_tensors_that_are_no_audio_are_reported(server, spoil, words):
    server.after = lambda outputs: "audio" in outputs and spoil(outputs)
    with pytest.raises(UserError, match=f"not what was asked for: .*{words}"):
        synthesize(MEL, server.grpc_host)


def test_padding_of_a_batch_is_removed(server, host):
    with Client(host) as client:
        audio = client.synthesize(MEL, seed=3)
        streamed = np.concatenate(list(client.stream([MEL[:4], MEL[4:]])))
        mel = client.mel_spectrogram(audio)
        server.after = longer
        np.testing.assert_array_equal(client.synthesize(MEL, seed=3), audio)
        np.testing.assert_array_equal(
            np.concatenate(list(client.stream([MEL[:4], MEL[4:]]))), streamed
        )
        np.testing.assert_array_equal(client.mel_spectrogram(audio), mel)


def test_requests_state_their_own_lengths(server, host, monkeypatch):
    """-1 would count what a server fills a batch's shorter ones up with."""
    lengths, predicted = [], server.predicted

    def listen(request):
        if "lengths" in request.inputs:
            lengths.extend(tf.make_ndarray(request.inputs["lengths"]).tolist())
        return predicted(request)

    monkeypatch.setattr(server, "predicted", listen)
    with Client(host) as client:
        client.synthesize(MEL)
        list(client.stream([MEL[:4], MEL[4:]]))
        client.mel_spectrogram(np.zeros(70, np.float32))
    assert lengths == [len(MEL), 4, len(MEL) - 4, 0, 70]


def test_a_stream_of_wrong_length_is_reported(server, host):
    def lose_a_frame(outputs) -> None:
        if outputs["lengths"].int64_val[0]:
            outputs["lengths"].int64_val[0] -= 20
            outputs["audio"].tensor_shape.dim[1].size -= 20
            del outputs["audio"].float_val[-20:]

    with Client(host) as client:
        client.card  # noqa: B018
        server.after = lose_a_frame
        with pytest.raises(UserError, match="samples of audio, and .* due"):
            list(client.stream([MEL]))


@pytest.mark.parametrize(
    "card", ["{}", "none", "[]", json.dumps({"format": 2}), '{"format": 1}']
)
def test_a_card_of_another_kind_is_reported(server, host, card):
    def exchange(outputs) -> None:
        outputs["card"].string_val[0] = card.encode()

    server.after = exchange
    message = failure_of(host)
    assert (
        "card of version 1 of 'voice'" in message
        or "format 2" in message
        or "format None" in message
    )
