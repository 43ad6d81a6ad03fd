"""A server of a tiny student for the client's tests, and its audio."""

import numpy as np
import pytest
import served_voices
import tiny_models
from model_server import ModelServer

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client, synthesize

PREFIXES = {"grpc_host": "localhost:", "rest_host": "http://localhost:"}
MEL = tiny_models.mel(1, 9)[0]


def require_audio_of_mel(audio: np.ndarray) -> None:
    """Requires the synthesizer's own audio of `MEL`."""
    expected = served_voices.synthesizer("mel")(MEL)
    np.testing.assert_allclose(audio, expected, rtol=0, atol=1e-5)


def failure_of(host: str, **settings) -> str:
    """The one line of a failing call's error."""
    with pytest.raises(UserError) as failure:
        synthesize(MEL, host, **settings)
    message = str(failure.value)
    assert message.startswith(host) and "\n" not in message
    assert len(message) < 700
    return message


def warmed(server: ModelServer) -> ModelServer:
    """A running server whose signatures have been run once.

    The first run of each takes a second to prepare, which is no fault.
    """
    with Client(server.grpc_host) as client:
        client.synthesize(MEL)
        list(client.stream([MEL]))
    server.behave()
    return server
