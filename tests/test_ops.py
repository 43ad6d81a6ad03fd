"""Log-probabilities, noise and the spectrogram against their oracles."""

import hypothesis
import librosa
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import strategies as st

from pwavenet_tf import ops

LEVELS = np.arange(-32_768, 32_768) / 32_768.0


@pytest.mark.parametrize("log_scale", [-10.4, -4.0, -1.0])
@pytest.mark.parametrize("location", [-1.7, 0.123, 0.99997, 1.3])
def test_pmf_sums_to_one(location, log_scale) -> None:
    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-12)):
        logs = ops.logistic_level_log_probability(
            LEVELS.astype(dtype),
            tf.constant(location, dtype),
            tf.constant(log_scale, dtype),
        )
        assert logs.dtype == dtype
        mass = np.exp(logs.numpy().astype("float64")).sum()
        assert abs(mass - 1.0) <= tolerance


@tf.function(reduce_retracing=True)
def quantized_log_prob(level, location, log_scale):
    """The oracle: TFP in float64, in units of levels."""
    continuous = tfp.distributions.Logistic(
        location * 32_768.0 - 0.5, tf.exp(log_scale) * 32_768.0
    )
    quantized = tfp.distributions.QuantizedDistribution(
        continuous,
        low=tf.constant(-32_768.0, tf.float64),
        high=tf.constant(32_767.0, tf.float64),
    )
    return quantized.log_prob(level)


@hypothesis.given(
    level=st.integers(-32_768, 32_767)
    | st.sampled_from([-32_768, -32_767, 32_766, 32_767]),
    location=st.floats(-1.5, 1.5, width=32),
    log_scale=st.floats(-9.0, 1.0, width=32),
)
def test_level_log_probability_agrees_with_tfp_in_float64(
    level, location, log_scale
) -> None:
    expected = quantized_log_prob(
        *(tf.constant(v, tf.float64) for v in (level, location, log_scale))
    ).numpy()
    hypothesis.assume(np.isfinite(expected))
    found = ops.logistic_level_log_probability(
        tf.constant(level / 32_768.0), location, tf.constant(log_scale)
    ).numpy()
    # A log-probability of -10,000 has no 1e-4 to offer in float32.
    assert abs(found - expected) <= max(1e-4, 2e-6 * abs(expected))


@hypothesis.given(
    level=st.integers(-32_700, 32_700),
    log_scale=st.floats(-9.0, 1.0, width=32),
    standardised=st.floats(-30.0, 30.0),
)
def test_bin_log_probability_agrees_with_tfp_to_1e_4_nat(
    level, log_scale, standardised
) -> None:
    x = level / 32_768.0
    location = np.float32(x - standardised * np.exp(log_scale))
    expected = quantized_log_prob(
        *(tf.constant(v, tf.float64) for v in (level, location, log_scale))
    ).numpy()
    found = ops.logistic_bin_log_probability(
        tf.constant(x, tf.float32), location, tf.constant(log_scale)
    ).numpy()
    assert abs(found - expected) <= 1e-4


@pytest.mark.parametrize("distance", [-2.0, -0.01, 0.01, 2.0])
def test_gradients_hold_far_into_the_tails(distance) -> None:
    """There ln p = -|x - μ| / s - ln s + ln 2h, whose slopes are known."""
    log_scale = tf.constant(-9.0)
    location = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch((location, log_scale))
        value = ops.logistic_bin_log_probability(
            tf.constant(distance), location, log_scale
        )
    by_location, by_log_scale = tape.gradient(value, (location, log_scale))
    slope = np.exp(9.0)
    np.testing.assert_allclose(
        by_location, np.sign(distance) * slope, rtol=1e-4
    )
    # ln(2 sinh(h / s)) is not quite linear in 1 / s at a scale of 4 levels.
    np.testing.assert_allclose(
        by_log_scale, abs(distance) * slope - 1.0, rtol=1e-3
    )


@pytest.mark.parametrize("log_scale", [-10.4, -4.0, 3.0])
def test_gradients_are_finite_at_every_level(log_scale) -> None:
    x = tf.constant(LEVELS[::97].astype("float32"))
    inputs = (x, tf.zeros_like(x), tf.fill(x.shape, log_scale))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(ops.logistic_level_log_probability(*inputs))
    for gradient in tape.gradient(total, inputs):
        assert np.isfinite(gradient.numpy()).all()


def test_log1mexp_is_exact_at_both_ends() -> None:
    x = np.logspace(-30, 1.2, 500).astype("float32")
    exact = x.astype("float64")
    expected = np.log(-np.expm1(-exact))
    np.testing.assert_allclose(ops.log1mexp(x), expected, rtol=2e-6)
    np.testing.assert_allclose(
        ops.log1mexp(tf.constant(80.0)), -np.exp(-80.0), rtol=1e-5
    )
    argument = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(argument)
        total = tf.reduce_sum(ops.log1mexp(argument))
    np.testing.assert_allclose(
        tape.gradient(total, argument), 1.0 / np.expm1(exact), rtol=2e-6
    )


def test_soft_floor_is_a_smooth_maximum_whose_gradient_lives() -> None:
    x = tf.constant([-30.0, -10.4, 0.0, 20.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        floored = ops.soft_floor(x, -10.4)
    np.testing.assert_allclose(
        floored, np.logaddexp(x.numpy(), -10.4), rtol=1e-6, atol=1e-6
    )
    gradient = tape.gradient(floored, x).numpy()
    np.testing.assert_allclose(
        gradient, 1.0 / (1.0 + np.exp(-(x.numpy() + 10.4))), rtol=1e-4
    )
    assert (gradient > 0.0).all()


def test_standard_logistic_has_the_entropy_and_variance() -> None:
    """Entropy 2 + ln s, variance π² s² / 3, within four standard errors."""
    draws, log_scale = 200_000, -3.0
    uniform = np.random.default_rng(0).random(draws, dtype="float32")
    x = np.exp(log_scale) * ops.standard_logistic(uniform).numpy()
    surprise = -scipy.stats.logistic.logpdf(x, 0.0, np.exp(log_scale))
    error = surprise.std() / np.sqrt(draws)
    assert abs(surprise.mean() - (2.0 + log_scale)) < 4.0 * error
    squares = np.square(x, dtype="float64")
    error = squares.std() / np.sqrt(draws)
    assert abs(squares.mean() - np.pi**2 / 3 * np.exp(-6.0)) < 4.0 * error


def test_standard_logistic_is_the_quantile_function_and_always_finite() -> None:
    inside = np.linspace(0.01, 0.99, 99).astype("float32")
    np.testing.assert_allclose(
        ops.standard_logistic(inside),
        scipy.stats.logistic.ppf(inside),
        rtol=1e-4,
        atol=1e-5,
    )
    ends = np.array([0.0, 1.0 - 2.0**-24, 1.0 - 2.0**-23], "float32")
    extreme = ops.standard_logistic(ends).numpy()
    assert np.isfinite(extreme).all()
    assert extreme[0] < -16.0 and extreme[1] > 15.0


def test_rounding_gives_the_nearest_level_within_the_range() -> None:
    x = np.array([-5.0, -1.0, -0.99999, -1e-6, 0.3, 0.99998, 1.0, 7.0])
    expected = np.clip(np.round(x * 32_768), -32_768, 32_767) / 32_768
    np.testing.assert_array_equal(ops.to_levels(x.astype("float32")), expected)
    np.testing.assert_array_equal(
        ops.to_levels(LEVELS.astype("float32")), LEVELS
    )


def test_weighted_mean_counts_only_what_weighs() -> None:
    values = tf.constant([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]])
    weight = np.array([[1, 1, 0], [0, 1, 1]])
    assert ops.weighted_mean(values, weight) == 3.0
    assert ops.weighted_mean(values) == 4.0
    assert ops.weighted_mean(values, 0 * weight) == 0.0


def test_stft_magnitude_is_librosas() -> None:
    audio = np.random.default_rng(0).normal(size=3_000).astype("float32")
    found = ops.stft_magnitude(audio[None], 400, 100, 512)[0].numpy()
    expected = np.abs(
        librosa.stft(
            audio, n_fft=512, hop_length=100, win_length=400, center=False
        )
    ).T
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)
