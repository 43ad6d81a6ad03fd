"""What a served student refuses, inside the graph and in words."""

import mel_scales
import numpy as np
import pytest
import tensorflow as tf
from test_signatures import FRAMES, answer_of, frames_of, served

from pwavenet_tf.audio.mel_checks import extremes, faults, first_cause
from pwavenet_tf.export.graphs import features as features_graph


def changed(features, name, value):
    x = features[name].numpy().copy()
    x.flat[7 % x.size] = value
    return features | {name: tf.constant(x)}


@pytest.mark.network
@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (("mel", np.nan), {}, "mel holds values that are not finite"),
        (("pitch", np.inf), {}, "pitch holds values that are not finite"),
        (("timing", -np.inf), {}, "timing holds values that are not finite"),
        (("phones", 4), {}, "phones must be from 0 to 3"),
        (("phones", -1), {}, "phones must be from 0 to 3"),
        (("speaker", 2), {}, "speaker must be from 0 to 1"),
        (None, {"lengths": [FRAMES + 1]}, "lengths must be from"),
        (None, {"lengths": [-2]}, "lengths must be from"),
        (None, {"lengths": [3, 3]}, "lengths must have one value for each"),
        (None, {"seed": [1, 2]}, "seed must have one value for each row"),
        (None, {"temperature": [-0.1]}, "temperature must be from 0 to"),
        (None, {"temperature": [101.0]}, "temperature must be from 0 to"),
        (None, {"temperature": [np.nan]}, "temperature must be from 0 to"),
    ],
)
@pytest.mark.parametrize("name", ["synthesize", "stream"])
def test_bad_input_is_refused_in_the_graph(
    name, change, given, message
) -> None:
    _, signatures, features, _ = served("everything")
    if change:
        features = changed(features, *change)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        answer_of(getattr(signatures, name), features, **given)


@pytest.mark.network
@pytest.mark.parametrize("words", mel_scales.foreign(np.eye(2)))
def test_a_foreign_scale_is_told_in_the_graph_as_outside(words) -> None:
    """By the same function, whatever else is in the batch."""
    contract = mel_scales.contract()
    audio = mel_scales.speech(seed=7)
    own = mel_scales.right(audio, contract)
    other = mel_scales.foreign(mel_scales.logarithms(audio))[words]
    other = np.clip(other, -1e38, 1e38).astype(np.float32)
    cause = first_cause(faults(extremes(other[None], contract), contract))
    assert words in cause
    frames = len(own)
    rows = np.stack([own, other])
    check = tf.function(features_graph.on_scale)

    def checked(rows, lengths):
        own = tf.sequence_mask(lengths, rows.shape[1])[..., tf.newaxis]
        masked = tf.where(own, rows, tf.zeros_like(rows))
        return check(masked, lengths, own, contract)

    lengths = tf.constant([frames, frames], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        checked(tf.constant(rows), lengths)
    assert f"mel {cause}" in str(caught.value)
    # A row without frames and what pads a row are not judged.
    for shorter in ([frames, 0], [frames // 2, 0]):
        lengths = tf.constant(shorter, tf.int64)
        checked(tf.constant(rows), lengths)


@pytest.mark.network
@pytest.mark.parametrize("name", ["synthesize", "stream"])
def test_a_signature_refuses_another_scale(name) -> None:
    _, signatures, features, _ = served("mel")
    decibels = {"mel": features["mel"] - 90.0}
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds decibels"):
        answer_of(getattr(signatures, name), decibels)


def test_audio_of_another_scale_is_refused_in_the_graph() -> None:
    _, signatures, _, _ = served("mel")
    with pytest.raises(tf.errors.InvalidArgumentError, match="full scale"):
        signatures.mel_spectrogram(tf.constant([[0.0, 3e4, -3e4]]))


def test_features_that_differ_in_frames_are_refused() -> None:
    _, signatures, features, _ = served("everything")
    features = features | {"pitch": features["pitch"][:, 1:]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in batch"):
        answer_of(signatures.synthesize, features)


def test_no_frames_and_no_samples_are_refused() -> None:
    _, signatures, features, _ = served("mel")
    with pytest.raises(tf.errors.InvalidArgumentError, match="not one frame"):
        answer_of(signatures.synthesize, frames_of(features, 0, 0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not one sample"):
        signatures.mel_spectrogram(tf.zeros((1, 0)))


@pytest.mark.network
def test_no_rows_are_refused() -> None:
    _, signatures, features, _ = served("everything")
    nobody = {name: x[:0] for name, x in features.items()}
    for signature in (signatures.synthesize, signatures.stream):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not one row"):
            signature(nobody)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not one row"):
        signatures.mel_spectrogram(tf.zeros((0, 9)))


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *[
            (f"state_{name}", np.nan, f"state_{name} holds values")
            for name in ("past", "newest", "mel", "timing", "pitch")
        ],
        ("state_phones", 9, "state_phones must be from 0 to 3"),
        ("state_received", -1, "state_received must not be negative"),
    ],
)
def test_an_invalid_state_is_refused(name, value, message) -> None:
    _, signatures, features, _ = served("everything")
    found = answer_of(signatures.stream, features)
    state = {k: v for k, v in found.items() if k.startswith("state_")}
    state[name] = np.full_like(state[name], value)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        answer_of(signatures.stream, features, state=state)
