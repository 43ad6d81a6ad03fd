"""What a served student answers: the same in every batch, row and division."""

import dataclasses
import functools
import json

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import strategies as st

from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.export.graphs.signatures import Signatures
from pwavenet_tf.synthesis.student import Synthesizer

HOP = tiny_models.HOP
# More than a chunk of the graph's loop.
FRAMES = 171
SEEDS = [5, -7, 2**40]
TEMPERATURES = [1.0, 0.4, 0.8]
STUDENTS = {
    "mel": {},
    "everything": {"conditioning": tiny_models.EVERYTHING},
    "everything, repeated": {
        "conditioning": dataclasses.replace(
            tiny_models.EVERYTHING, upsampling=()
        )
    },
    "source": tiny_models.SOURCE,
}


def tensors(features: dict) -> dict:
    """Features of the types that the signatures take."""
    return {
        name: tf.constant(x, tf.float32 if x.dtype == np.float32 else tf.int64)
        for name, x in features.items()
    }


@functools.cache
def served(kind: str):
    """A voice, its signatures, three rows of features and their sound."""
    features = tiny_models.features(3, FRAMES)
    if kind == "mel":
        features = {"mel": features["mel"]}
    student = tiny_models.student(**tiny_models.FEW_LAYERS | STUDENTS[kind])
    # One chunk, for each other length is traced anew.
    voice = Synthesizer(student, chunk_frames=FRAMES)
    alone = [
        voice(row_of(features, row), SEEDS[row], TEMPERATURES[row])[0]
        for row in range(3)
    ]
    signatures = Signatures(voice.student, {"format": 1})
    return voice, signatures, tensors(features), np.stack(alone)


def row_of(features: dict, row: int) -> dict:
    return {name: x[row : row + 1] for name, x in features.items()}


def frames_of(features: dict, start: int, end: int) -> dict:
    return {
        name: x if len(x.shape) == 1 else x[:, start:end]
        for name, x in features.items()
    }


def answer_of(signature, features, **given) -> dict[str, np.ndarray]:
    """A signature's answer, with the seeds and temperatures of this module."""
    given = {"seed": SEEDS, "temperature": TEMPERATURES} | given
    types = {
        "seed": tf.int64,
        "lengths": tf.int64,
        "temperature": tf.float32,
        "end": tf.bool,
    }
    answers = signature(
        features,
        **{
            name: tf.constant(value, types[name]) if name in types else value
            for name, value in given.items()
        },
    )
    return {name: x.numpy() for name, x in answers.items()}


@pytest.mark.network
@pytest.mark.parametrize("kind", STUDENTS)
def test_each_row_sounds_as_the_synthesizer_does_on_it_alone(kind) -> None:
    _, signatures, features, alone = served(kind)
    found = answer_of(signatures.synthesize, features)
    np.testing.assert_allclose(found["audio"], alone, atol=1e-5)
    np.testing.assert_array_equal(found["lengths"], [FRAMES * HOP] * 3)


@pytest.mark.network
@pytest.mark.parametrize("kind", ["mel", "everything", "source"])
@hypothesis.given(
    lengths=st.tuples(*[st.integers(1, FRAMES)] * 3),
    filler=st.sampled_from([0.0, 7.0, np.nan, np.inf]),
)
@hypothesis.settings(max_examples=10)
def test_padding_never_changes_a_rows_samples(kind, lengths, filler) -> None:
    voice, signatures, features, _ = served(kind)
    padded = {}
    for name, x in features.items():
        padded[name] = x.numpy().copy()
        if x.dtype == tf.float32:
            for row, length in enumerate(lengths):
                padded[name][row, length:] = filler
    found = answer_of(signatures.synthesize, padded, lengths=lengths)
    np.testing.assert_array_equal(found["lengths"], np.multiply(lengths, HOP))
    for row, length in enumerate(lengths):
        expected = voice(
            frames_of(row_of(features, row), 0, length),
            SEEDS[row],
            TEMPERATURES[row],
        )[0]
        samples = length * HOP
        np.testing.assert_allclose(
            found["audio"][row, :samples], expected, atol=1e-5
        )
        assert not found["audio"][row, samples:].any()


@pytest.mark.parametrize("kind", ["mel", "everything"])
def test_optional_inputs_have_defaults(kind) -> None:
    voice, signatures, features, _ = served(kind)
    one = row_of(features, 1)
    found = signatures.synthesize(one)["audio"].numpy()
    np.testing.assert_allclose(found, voice(one, 0, 1.0), atol=1e-5)


def test_one_value_serves_all_rows() -> None:
    _, signatures, features, _ = served("everything")
    one = features | {"speaker": features["speaker"][:1]}
    each = features | {"speaker": tf.repeat(features["speaker"][:1], 3)}
    np.testing.assert_array_equal(
        answer_of(signatures.synthesize, one, seed=[3], temperature=[0.5])[
            "audio"
        ],
        answer_of(
            signatures.synthesize, each, seed=[3] * 3, temperature=[0.5] * 3
        )["audio"],
    )


@pytest.mark.network
@pytest.mark.parametrize("kind", STUDENTS)
@hypothesis.given(
    cuts=st.lists(st.integers(0, FRAMES), max_size=6),
)
@hypothesis.settings(max_examples=8)
def test_a_stream_equals_the_whole_however_it_is_divided(kind, cuts) -> None:
    """Parts of no frames among them."""
    _, signatures, features, alone = served(kind)
    edges = sorted([0, FRAMES, *cuts])
    state, pieces = {}, []
    for start, end in zip(edges, edges[1:], strict=False):
        found = answer_of(
            signatures.stream, frames_of(features, start, end), **state
        )
        pieces.append(found.pop("audio"))
        assert (found.pop("lengths") == pieces[-1].shape[1]).all()
        state = {"state": found}
    nothing = frames_of(features, 0, 0)
    pieces.append(
        answer_of(signatures.stream, nothing, end=[True], **state)["audio"]
    )
    np.testing.assert_allclose(np.concatenate(pieces, 1), alone, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("kind", ["mel", "everything, repeated"])
@hypothesis.given(
    steps=st.lists(
        st.tuples(*[st.sampled_from([0, 1, 37, 90])] * 3), max_size=6
    )
)
@hypothesis.settings(max_examples=6)
def test_streams_in_one_batch_may_be_at_different_places(kind, steps) -> None:
    """Each row brings another number of frames, and ends at another time."""
    _, signatures, features, alone = served(kind)
    place, audio_of_rows = [0, 0, 0], [[], [], []]
    state = {}
    for step in [*steps, (90,) * 3, (90,) * 3]:
        lengths = [
            min(new, FRAMES - at) for new, at in zip(step, place, strict=True)
        ]
        # Rows of one tensor are equally long: what is beyond is not looked at.
        part = {
            name: x
            if len(x.shape) == 1
            else tf.stack(
                [
                    tf.pad(x[row], [[0, 90], [0, 0]])[at : at + 90]
                    for row, at in enumerate(place)
                ]
            )
            for name, x in features.items()
        }
        before = list(place)
        place = [at + more for at, more in zip(place, lengths, strict=True)]
        end = [
            at == FRAMES and at > old
            for at, old in zip(place, before, strict=True)
        ]
        found = answer_of(
            signatures.stream, part, lengths=lengths, end=end, **state
        )
        audio, samples = found.pop("audio"), found.pop("lengths")
        for row in range(3):
            if before[row] < FRAMES:
                audio_of_rows[row].append(audio[row, : samples[row]])
            assert not audio[row, samples[row] :].any()
        state = {"state": found}
    for row in range(3):
        np.testing.assert_allclose(
            np.concatenate(audio_of_rows[row]), alone[row], atol=1e-5
        )


def test_after_the_end_a_stream_is_reset() -> None:
    _, signatures, features, alone = served("mel")
    state = {}
    for _ in range(2):
        found = answer_of(signatures.stream, features, end=[True], **state)
        np.testing.assert_allclose(found.pop("audio"), alone, atol=1e-5)
        del found["lengths"]
        state = {"state": found}
        assert not any(x.any() for x in found.values())


def test_a_stream_gives_audio_as_soon_as_it_can() -> None:
    """All but the look-ahead of what it was given."""
    voice, signatures, features, _ = served("mel")
    found = answer_of(signatures.stream, frames_of(features, 0, 9))
    assert (found["lengths"] == (9 - voice.context_frames) * HOP).all()


@pytest.mark.parametrize("samples", [1, 19, 20, 777, 3_000])
def test_mel_spectrogram_is_the_contracts_whatever_the_padding(samples) -> None:
    voice, signatures, _, _ = served("mel")
    random = np.random.default_rng(samples)
    audio = random.normal(0.0, 0.1, samples).astype("float32")
    expected = LogMel(voice.contract)(audio)
    padded = np.full((2, samples + 333), np.nan, "float32")
    padded[1], padded[0, :samples] = 0.1, audio
    lengths = tf.constant([samples, -1], tf.int64)
    found = signatures.mel_spectrogram(tf.constant(padded), lengths)
    assert found["lengths"][0] == len(expected)
    np.testing.assert_allclose(
        found["mel"][0, : len(expected)], expected, atol=1e-5
    )


def test_a_long_mel_spectrogram_is_computed_in_chunks_that_join_exactly() -> (
    None
):
    voice, signatures, _, _ = served("mel")
    random = np.random.default_rng(0)
    audio = random.normal(0.0, 0.1, 5_000 * HOP + 3).astype("float32")
    found = signatures.mel_spectrogram(tf.constant(audio[None]))["mel"][0]
    np.testing.assert_allclose(found, LogMel(voice.contract)(audio), atol=1e-5)


def test_describe_answers_every_row_with_the_card() -> None:
    _, signatures, _, _ = served("mel")
    cards = signatures.describe(tf.constant([0, 0], tf.int64))["card"].numpy()
    assert [json.loads(card) for card in cards] == [{"format": 1}] * 2
