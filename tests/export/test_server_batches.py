"""Requests that a server puts into one batch get what they would get alone.

The batches are made by the rules of TensorFlow Serving's BatchingSession:
tensors are filled up to the longest with copies of their own first number, and
the batch to an allowed size with its last request's first row.
"""

import functools

import hypothesis
import numpy as np
import pytest
import served_voices
import tensorflow as tf
from hypothesis import strategies as st
from served_voices import HOP, exported, features, frames_of
from test_serving_configs import message, parsed

FRAMES = 30


@functools.cache
def loaded(kind: str):
    return tf.saved_model.load(str(exported(kind)))


def run(kind: str, signature: str, inputs: dict) -> dict[str, np.ndarray]:
    answer = loaded(kind).signatures[signature](
        **{name: tf.constant(x) for name, x in inputs.items()}
    )
    return {name: x.numpy() for name, x in answer.items()}


def together(requests: list[dict]) -> dict[str, np.ndarray]:
    """One batch of several requests, as the server makes it."""
    batching = parsed("batching.config", message("BatchingParameters"))
    rows = sum(len(request["lengths"]) for request in requests)
    size = min(n for n in batching.allowed_batch_sizes if n >= rows)
    merged = {}
    for name in requests[0]:
        given = [request[name] for request in requests]
        longest = np.max([x.shape for x in given], axis=0)
        filled = []
        for x in given:
            behind = [(0, 0)] + [
                (0, wanted - found)
                for wanted, found in zip(longest[1:], x.shape[1:], strict=True)
            ]
            first = x.flat[0]
            filled.append(np.pad(x, behind, constant_values=first))
        filled += [filled[-1][:1]] * (size - rows)
        merged[name] = np.concatenate(filled)
    return merged


def asked(kind: str, frames: int, seed: int) -> dict[str, np.ndarray]:
    """One row's request with its number of frames."""
    one = {name: x[:1] for name, x in features(kind, 1, FRAMES).items()}
    return frames_of(one, 0, frames) | {
        "lengths": np.array([frames]),
        "seed": np.array([seed]),
        "temperature": np.float32([0.8]),
    }


lengths = st.lists(st.integers(1, FRAMES), min_size=1, max_size=8)


@pytest.mark.network
@pytest.mark.parametrize("kind", served_voices.CONDITIONINGS)
@hypothesis.settings(max_examples=10)
@hypothesis.given(lengths=lengths)
def test_utterances_of_any_lengths(kind, lengths):
    requests = [asked(kind, n, seed) for seed, n in enumerate(lengths)]
    batch = run(kind, "serving_default", together(requests))
    for row, request in enumerate(requests):
        alone = run(kind, "serving_default", request)
        samples = lengths[row] * HOP
        assert batch["lengths"][row] == samples
        np.testing.assert_allclose(
            batch["audio"][row, :samples], alone["audio"][0], atol=1e-5
        )


@pytest.mark.parametrize("kind", served_voices.CONDITIONINGS)
@hypothesis.settings(max_examples=10)
@hypothesis.given(lengths=lengths, ends=st.lists(st.booleans(), min_size=8))
def test_parts_of_streams_of_any_lengths(kind, lengths, ends):
    requests = []
    for seed, frames in enumerate(lengths):
        started = asked(kind, 5, seed) | {"end": np.array([False])}
        state = run(kind, "stream", started | beginning(kind))
        state = {n: x for n, x in state.items() if n.startswith("state_")}
        end = {"end": np.array([ends[seed]])}
        requests.append(asked(kind, frames, seed) | end | state)
    batch = run(kind, "stream", together(requests))
    for row, request in enumerate(requests):
        alone = run(kind, "stream", request)
        samples = alone["lengths"][0]
        assert batch["lengths"][row] == samples
        for name, x in alone.items():
            found = batch[name][row]
            if name == "audio":
                found, x = found[:samples], x[:, :samples]
            np.testing.assert_allclose(found, x[0], atol=1e-5)


def beginning(kind: str) -> dict[str, np.ndarray]:
    """The state before a stream's first frame."""
    inputs = loaded(kind).signatures["stream"].structured_input_signature[1]
    return {
        name: np.zeros((1, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
        for name, spec in inputs.items()
        if name.startswith("state_")
    }
