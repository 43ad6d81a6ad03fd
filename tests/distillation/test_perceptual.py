"""The perceptual losses, against NumPy and finite differences."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.distillation.perceptual import (
    gram,
    perceptual_losses,
    relative_squared_error,
    require_same_contract,
)

FRAMES = 6
NAMES = ("feature", "style")


@pytest.fixture(scope="module")
def classifier():
    return tiny_models.phone_classifier()


def activations(steps: int, channels: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = (2, steps, channels)
    return generator.lognormal(size=shape).astype("float32")


several = given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))


@several
def test_gram_is_that_of_numpy(steps, channels, seed):
    x = activations(steps, channels, seed)
    expected = [one.T.astype("float64") @ one / steps for one in x]
    np.testing.assert_allclose(gram(x), expected, rtol=1e-5)


@several
def test_gram_is_symmetric_and_positive_semidefinite(steps, channels, seed):
    matrices = gram(activations(steps, channels, seed)).numpy()
    # A matrix product may sum the two halves in another order.
    np.testing.assert_allclose(
        matrices, matrices.transpose(0, 2, 1), rtol=1e-5, atol=1e-6
    )
    for one in matrices.astype("float64"):
        values = np.linalg.eigvalsh(one)
        assert values.min() > -1e-6 * values.max()


@several
def test_gram_ignores_the_order_of_time(steps, channels, seed):
    x = activations(steps, channels, seed)
    order = np.random.default_rng(seed).permutation(steps)
    np.testing.assert_allclose(gram(x[:, order]), gram(x), rtol=1e-5)


def test_losses_of_equal_audio_are_zero(classifier):
    audio = tiny_models.audio(2, FRAMES)
    losses = perceptual_losses(classifier, audio, audio)
    assert {name: float(x) for name, x in losses.items()} == dict.fromkeys(
        NAMES, 0.0
    )


def expected_losses(found: list, wanted: list) -> dict:
    """The formulae of the module, in float64."""

    def matrices(x):
        return np.einsum("btc,btd->bcd", x, x) / x.shape[1]

    def mean_ratio(pairs):
        return np.mean(
            [np.sum((one - two) ** 2) / np.sum(two**2) for one, two in pairs]
        )

    pairs = [
        (np.asarray(one, "float64"), np.asarray(two, "float64"))
        for one, two in zip(found, wanted, strict=True)
    ]
    return {
        "feature": mean_ratio(pairs),
        "style": mean_ratio([tuple(map(matrices, pair)) for pair in pairs]),
    }


def test_both_losses_are_those_of_numpy(classifier):
    audio, recording = (tiny_models.audio(2, FRAMES, seed) for seed in (0, 1))
    audio = 0.5 * audio
    losses = perceptual_losses(classifier, audio, recording)
    expected = expected_losses(
        classifier.features(audio), classifier.features(recording)
    )
    for name in NAMES:
        np.testing.assert_allclose(losses[name], expected[name], rtol=1e-5)
        assert losses[name] > 0.01


def test_style_ignores_the_order_of_time_and_features_do_not(
    classifier,
):
    """A sound that begins elsewhere: all layers see the same, later."""
    frames = 60
    sound = tiny_models.audio(1, frames)
    behind = np.roll(sound, 20 * tiny_models.HOP, axis=1)
    other = tiny_models.audio(1, frames, 1)
    moved = perceptual_losses(classifier, behind, sound)
    loud = perceptual_losses(classifier, 3 * other, sound)
    assert moved["style"] < 0.03 * moved["feature"]
    assert moved["style"] < 0.03 * loud["style"]


@given(st.floats(1e-3, 1e3), st.integers(0, 99))
def test_a_layers_gain_does_not_matter(gain, seed):
    one, other = activations(9, 4, seed), activations(9, 4, seed + 1)
    np.testing.assert_allclose(
        relative_squared_error(gain * one, gain * other),
        relative_squared_error(one, other),
        rtol=1e-4,
    )


def test_losses_of_layers_that_are_zero_throughout_are_zero():
    silent = np.zeros((2, 3, 4), "float32")
    assert relative_squared_error(silent, silent) == 0


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_finite_differences(classifier, name):
    audio, recording = (
        tf.constant(tiny_models.audio(2, FRAMES, seed)) for seed in (0, 1)
    )

    @tf.function
    def loss(x):
        return perceptual_losses(classifier, x, recording)[name]

    with tf.GradientTape() as tape:
        tape.watch(audio)
        value = loss(audio)
    gradient = tape.gradient(value, audio).numpy()
    generator = np.random.default_rng(0)
    length = np.linalg.norm(gradient)
    for direction in (
        gradient / length,
        *generator.normal(size=(3, *gradient.shape)),
    ):
        direction = direction / np.linalg.norm(direction)
        step = 3e-3 * direction.astype("float32")
        estimate = float(loss(audio + step) - loss(audio - step)) / 6e-3
        expected = np.sum(gradient * direction)
        assert abs(estimate - expected) < 0.01 * length


def test_only_the_audio_gets_a_gradient(classifier):
    audio, recording = (
        tf.constant(tiny_models.audio(2, FRAMES, seed)) for seed in (0, 1)
    )
    weights = [one.value for one in classifier.trainable_variables]
    assert weights
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([audio, recording])
        total = tf.add_n(
            list(perceptual_losses(classifier, audio, recording).values())
        )
        seen = tf.add_n([tf.reduce_sum(x) for x in classifier.features(audio)])
    assert tape.gradient(total, [*weights, recording]) == [None] * (
        len(weights) + 1
    )
    moved = tape.gradient(total, audio).numpy()
    assert np.isfinite(moved).all()
    assert (moved != 0).mean() > 0.9
    # The tape does watch them: a loss without the freezing would move them.
    assert any(x is not None for x in tape.gradient(seen, weights))


@pytest.mark.network
@pytest.mark.xla
def test_it_is_float32_and_the_same_under_xla_and_mixed_precision(classifier):
    mixed = tiny_models.phone_classifier(dtype="mixed_bfloat16")
    audio, recording = (tiny_models.audio(2, FRAMES, seed) for seed in (0, 1))
    compiled = tf.function(
        lambda x, y: perceptual_losses(mixed, x, y), jit_compile=True
    )
    plain = perceptual_losses(classifier, audio, recording)
    for name, value in compiled(audio, recording).items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, plain[name], rtol=1e-4)


def test_a_classifier_of_other_audio_is_refused(classifier):
    require_same_contract(classifier, tiny_models.CONTRACT)
    other = dataclasses.replace(tiny_models.CONTRACT, hop_length=10)
    with pytest.raises(
        UserError,
        match=r"the phone classifier and the student do not share .* "
        r"hop_length \(20 against 10\)",
    ):
        require_same_contract(classifier, other)
