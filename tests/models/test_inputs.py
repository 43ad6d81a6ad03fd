"""The inputs of models: checked, and repeated at the ends."""

import numpy as np
import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.inputs import (
    at_frames,
    batch_and_frames,
    is_single,
    require_features,
)
from pwavenet_tf.synthesis.teacher import generate

FRAMES = 4


def required(features):
    return require_features(
        features, tiny_models.CONTRACT, tiny_models.EVERYTHING, "one.wav"
    )


def single(features: dict) -> dict:
    return {key: value[0] for key, value in features.items()}


def test_one_utterance_and_a_batch_of_one_are_the_same() -> None:
    batch = tiny_models.features(1, FRAMES)
    assert is_single(single(batch)) and not is_single(batch)
    found, expected = required(single(batch)), required(batch)
    assert batch_and_frames(found) == (1, FRAMES)
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])


def test_a_mel_spectrogram_may_stand_alone() -> None:
    mel = tiny_models.mel(2, FRAMES)
    found = require_features(mel, tiny_models.CONTRACT, tiny_models.ON_MEL)
    np.testing.assert_array_equal(found["mel"], mel)
    assert not is_single(mel) and is_single(mel[0])


def test_a_speaker_may_be_named() -> None:
    features = tiny_models.features(2, FRAMES) | {"speaker": ["ben", "anna"]}
    np.testing.assert_array_equal(required(features)["speaker"], [1, 0])
    one = single(tiny_models.features(1, FRAMES)) | {"speaker": "ben"}
    np.testing.assert_array_equal(required(one)["speaker"], [1])


def test_two_speakers_give_different_audio() -> None:
    teacher = tiny_models.teacher(conditioning=tiny_models.EVERYTHING)
    features = single(tiny_models.features(1, FRAMES))
    anna, ben = (
        generate(teacher, features | {"speaker": name}, seed=3)
        for name in ("anna", "ben")
    )
    assert anna.shape == (FRAMES * tiny_models.HOP,)
    assert (anna != ben).any()


@pytest.mark.parametrize("key", ["mel", "phones", "timing", "pitch", "speaker"])
def test_what_is_missing_is_named(key) -> None:
    features = tiny_models.features(1, FRAMES)
    del features[key]
    message = "--speaker" if key == "speaker" else f"needs '{key}'"
    with pytest.raises(UserError, match=f"^one.wav: .* {message}"):
        required(features)


@pytest.mark.parametrize("speaker", ["carl", 2, -1, 0.5, [[0]]])
def test_an_unknown_speaker_is_refused_with_the_known_ones(speaker) -> None:
    features = single(tiny_models.features(1, FRAMES)) | {"speaker": speaker}
    with pytest.raises(UserError, match="knows anna, ben"):
        required(features)


@pytest.mark.parametrize("phone", [4, -1, 1.5])
def test_phones_that_are_not_in_the_list_are_refused(phone) -> None:
    features = tiny_models.features(1, FRAMES)
    features["phones"] = features["phones"] * 1.0
    features["phones"][0, 1, 2] = phone
    with pytest.raises(UserError, match=r"from 0 .* to 3, places"):
        required(features)


def test_features_of_different_lengths_are_refused() -> None:
    features = tiny_models.features(1, FRAMES)
    features["pitch"] = features["pitch"][:, :-1]
    with pytest.raises(UserError, match="differ in batch or frames"):
        required(features)


def test_features_without_frames_are_refused() -> None:
    teacher = tiny_models.teacher(
        conditioning=tiny_models.Conditioning(inputs=(), channels=4)
    )
    with pytest.raises(UserError, match="the length of the audio"):
        generate(teacher, {"speaker": 0})


@given(start=st.integers(-9, 9), count=st.integers(1, 9))
def test_beyond_the_ends_the_nearest_frame_stands(start, count) -> None:
    features = required(tiny_models.features(2, FRAMES))
    places = np.arange(start, start + count)
    cut = at_frames(features, places)
    for key in ("mel", "phones", "timing", "pitch"):
        expected = features[key][:, [min(max(p, 0), 3) for p in places]]
        np.testing.assert_array_equal(cut[key], expected)
    np.testing.assert_array_equal(cut["speaker"], features["speaker"])
