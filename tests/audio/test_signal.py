"""Noise, μ-law, rounding and the spectrogram against their oracles."""

import librosa
import numpy as np
import scipy.stats
import tensorflow as tf

from pwavenet_tf.audio import signal as ops

PCM_VALUES = np.arange(-32_768, 32_768) / 32_768.0


def test_soft_floor_is_a_smooth_maximum_whose_gradient_does_not_vanish() -> (
    None
):
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
    samples, log_scale = 200_000, -3.0
    uniform = np.random.default_rng(0).random(samples, dtype="float32")
    x = np.exp(log_scale) * ops.standard_logistic(uniform).numpy()
    surprise = -scipy.stats.logistic.logpdf(x, 0.0, np.exp(log_scale))
    error = surprise.std() / np.sqrt(samples)
    assert abs(surprise.mean() - (2.0 + log_scale)) < 4.0 * error
    squares = np.square(x, dtype="float64")
    error = squares.std() / np.sqrt(samples)
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


def test_quantising_gives_the_nearest_pcm_value_within_the_range() -> None:
    x = np.array([-5.0, -1.0, -0.99999, -1e-6, 0.3, 0.99998, 1.0, 7.0])
    expected = np.clip(np.round(x * 32_768), -32_768, 32_767) / 32_768
    np.testing.assert_array_equal(ops.quantise(x.astype("float32")), expected)
    np.testing.assert_array_equal(
        ops.quantise(PCM_VALUES.astype("float32")), PCM_VALUES
    )


def test_mu_law_encoding_undoes_decoding_for_every_code() -> None:
    codes = np.arange(256)
    decoded = ops.mu_law_decode(codes)
    np.testing.assert_array_equal(ops.mu_law_encode(decoded), codes)
    rounded = ops.quantise(decoded)
    np.testing.assert_array_equal(ops.mu_law_encode(rounded), codes)


def test_mu_law_codes_are_the_2016_papers_in_float64() -> None:
    """Outside a rounding error of the edge between two codes."""
    sign, size = np.sign(PCM_VALUES), np.abs(PCM_VALUES)
    place = 128.0 * (sign * np.log(1.0 + 255.0 * size) / np.log(256.0) + 1.0)
    clear = np.abs(place - np.round(place)) > 1e-4
    clear[[0, 32_768, -1]] = True
    assert clear.mean() > 0.99
    found = ops.mu_law_encode(PCM_VALUES.astype("float32")).numpy()
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found[clear], np.floor(place[clear]))
    assert (np.diff(found) >= 0).all()
    beyond = ops.mu_law_encode(np.float32([-3.0, 1.0, 3.0])).numpy()
    np.testing.assert_array_equal(beyond, [0, 255, 255])


def test_weighted_mean_ignores_zero_weights() -> None:
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
