"""The μ-law head against SciPy's softmax in float64."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from pwavenet_tf.audio import signal as ops
from pwavenet_tf.models.distributions import MuLaw

PCM_VALUES = (np.arange(-32_768, 32_768) / 32_768.0).astype("float32")


def raw_logits(*shape: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.normal(0.0, 3.0, (*shape, 256)).astype("float32")


def test_log_prob_is_the_log_softmax_at_the_code_of_the_audio() -> None:
    raw = raw_logits(3, 50)
    audio = np.random.default_rng(2).choice(PCM_VALUES, (3, 50))
    codes = ops.mu_law_encode(audio).numpy()
    exact = scipy.special.log_softmax(raw.astype("float64"), axis=-1)
    expected = np.take_along_axis(exact, codes[..., None], -1)[..., 0]
    found = MuLaw(raw).log_prob(audio)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_codes_of_all_pcm_values_sum_to_one_with_the_edges_tails() -> None:
    """The outermost codes have the softmax's first and last probability.

    The lowest takes the PCM values down to -32,768, the highest those up to
    32,767: none has a code of its own beyond, or that of a neighbour.
    """
    raw = raw_logits()
    logs = MuLaw(raw).log_prob(PCM_VALUES).numpy().astype("float64")
    # Levels of one code follow each other, and no two codes are as likely.
    firsts = np.flatnonzero(np.diff(logs, prepend=np.inf))
    exact = scipy.special.softmax(raw.astype("float64"))
    np.testing.assert_allclose(np.exp(logs[firsts]), exact, rtol=1e-4)
    assert np.exp(logs[firsts]).sum() == pytest.approx(1.0, abs=1e-6)
    below, _ = MuLaw(raw).cumulative(PCM_VALUES[:1])
    _, up_to = MuLaw(raw).cumulative(PCM_VALUES[-1:])
    assert below == 0.0
    np.testing.assert_allclose(up_to, 1.0, atol=1e-6)


def test_gradient_is_the_code_minus_the_softmax() -> None:
    raw = raw_logits(40)
    audio = np.random.default_rng(3).choice(PCM_VALUES, 40)
    logits = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(MuLaw(logits).log_prob(audio))
    softmax = scipy.special.softmax(raw.astype("float64"), axis=-1)
    expected = np.eye(256)[ops.mu_law_encode(audio).numpy()] - softmax
    np.testing.assert_allclose(tape.gradient(total, logits), expected, 0, 1e-6)


def test_codes_are_one_hot_to_the_network_and_give_no_gradient() -> None:
    audio = tf.constant(np.random.default_rng(4).choice(PCM_VALUES, (2, 30)))
    with tf.GradientTape() as tape:
        tape.watch(audio)
        seen = MuLaw.network_input(audio)
        total = tf.reduce_sum(seen * seen)
    codes = ops.mu_law_encode(audio).numpy()
    np.testing.assert_array_equal(seen, np.eye(256)[codes])
    zero = tape.gradient(total, audio, unconnected_gradients="zero")
    np.testing.assert_array_equal(zero, np.zeros((2, 30)))


def test_every_sample_is_the_decoded_code_as_16_bit_pcm() -> None:
    """Logits that leave one code each, sampled at both ends of a uniform."""
    raw = 1e4 * np.eye(256, dtype="float32")
    for uniform in (0.0, 0.5, 1.0 - 2.0**-24):
        uniforms = np.full((256, 1), uniform, "float32")
        samples = MuLaw(raw).sample(uniforms).numpy()
        np.testing.assert_array_equal(
            samples, ops.quantise(ops.mu_law_decode(np.arange(256)))
        )
        np.testing.assert_array_equal(
            ops.mu_law_encode(samples), np.arange(256)
        )


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-24])
def test_codes_without_probability_are_never_sampled(uniform) -> None:
    raw = np.full((1, 256), -1e4, "float32")
    raw[0, 3:200] = raw_logits(1)[0, 3:200]
    sample = MuLaw(raw).sample(np.full((1, 1), uniform, "float32"))
    assert 3 <= int(ops.mu_law_encode(sample)[0]) < 200


@pytest.mark.parametrize("temperature", [0.0, 1e-3])
def test_low_temperature_gives_the_likeliest_code(temperature) -> None:
    raw = raw_logits(200)
    raw[np.arange(200), np.arange(200)] = 20.0
    uniforms = np.random.default_rng(5).random((200, 1), dtype="float32")
    samples = MuLaw(raw).sample(uniforms, tf.constant(temperature))
    np.testing.assert_array_equal(
        ops.mu_law_encode(samples), np.argmax(raw, axis=-1)
    )


def test_temperature_divides_the_logits() -> None:
    raw = raw_logits(500)
    uniforms = np.random.default_rng(6).random((500, 1), dtype="float32")
    np.testing.assert_array_equal(
        MuLaw(raw).sample(uniforms, 0.5), MuLaw(2.0 * raw).sample(uniforms)
    )
