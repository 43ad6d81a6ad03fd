"""The Gaussian head against SciPy in float64."""

import hypothesis
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
from hypothesis import strategies as st

from pwavenet_tf.models.distributions import Gaussian

HALF_BIN = 1.0 / 65_536.0
PCM_VALUES = (np.arange(-32_768, 32_768) / 32_768.0).astype("float32")


def raw_for(location: float, log_scale: float) -> np.ndarray:
    return np.float32([location, log_scale + 4.0])


def std(head: Gaussian) -> np.ndarray:
    return np.exp(head.log_scale.numpy().astype("float64"))


def log_mass(lower, upper, location, scale) -> float:
    """ln P(lower < X < upper) in float64, by whichever tail is exact."""
    z = (np.array([lower, upper], "float64") - location) / scale
    if z[0] > 0.0:
        z = -z[::-1]
    logs = scipy.stats.norm.logcdf(z)
    return logs[1] + np.log1p(-np.exp(logs[0] - logs[1]))


@hypothesis.given(
    pcm=st.integers(-32_768, 32_767)
    | st.sampled_from([-32_768, -32_767, 32_766, 32_767]),
    log_scale=st.floats(-12.0, 1.0, width=32),
    standardised=st.floats(-12.0, 12.0),
)
def test_log_prob_is_scipys_within_twelve_standard_deviations(
    pcm, log_scale, standardised
) -> None:
    x = pcm / 32_768.0
    scale = std(Gaussian(raw_for(0.0, log_scale)))
    raw = raw_for(x - standardised * scale, log_scale)
    lower = -np.inf if pcm == -32_768 else x - HALF_BIN
    upper = np.inf if pcm == 32_767 else x + HALF_BIN
    expected = log_mass(lower, upper, np.float64(raw[0]), scale)
    found = Gaussian(raw).log_prob(np.float32(x)).numpy()
    assert abs(found - expected) <= 1e-4


@pytest.mark.parametrize("log_scale", [-20.0, -4.0, 0.0])
@pytest.mark.parametrize("location", [-1.5, -1.0, 0.123, 0.99997, 1.3])
def test_pmf_sums_to_one(location, log_scale) -> None:
    logs = Gaussian(raw_for(location, log_scale)).log_prob(PCM_VALUES).numpy()
    assert abs(np.exp(logs.astype("float64")).sum() - 1.0) <= 1e-4


@pytest.mark.parametrize("location", [-1.5, -0.9, 0.9, 1.3])
def test_the_outermost_pcm_values_hold_scipys_tails(location) -> None:
    """All of Φ below the lowest bin's upper edge, all above the highest's."""
    head = Gaussian(raw_for(location, -1.0))
    normal = scipy.stats.norm(np.float32(location), std(head))
    logs = head.log_prob(PCM_VALUES[[0, -1]])
    edges = [-32_767.5 / 32_768, 32_766.5 / 32_768]
    tails = [normal.logcdf(edges[0]), normal.logsf(edges[1])]
    np.testing.assert_allclose(logs, tails, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("x", [-1.7, 0.3, 0.99998, 1.2])
def test_unbounded_log_prob_is_the_integral_around_any_number(x) -> None:
    head = Gaussian(raw_for(x + 0.01, -5.0))
    scale = std(head)
    expected, _ = scipy.integrate.quad(
        lambda t: scipy.stats.norm.pdf(t, np.float32(x + 0.01), scale),
        x - HALF_BIN,
        x + HALF_BIN,
    )
    found = head.log_prob_unbounded(np.float32(x)).numpy()
    assert abs(found - np.log(expected)) <= 1e-4


def test_gradients_are_scipys_differences() -> None:
    pcm, location, log_scale = 0.25, 0.2, -3.0
    raw = tf.constant(raw_for(location, log_scale))
    x = tf.constant(pcm)
    with tf.GradientTape() as tape:
        tape.watch((x, raw))
        value = Gaussian(raw).log_prob_unbounded(x)
    by_x, by_raw = tape.gradient(value, (x, raw))

    def exact(x, location, raw_scale):
        scale = np.exp(np.logaddexp(raw_scale - 4.0, -9.0))
        return log_mass(x - HALF_BIN, x + HALF_BIN, location, scale)

    at = np.array([pcm, *raw.numpy().astype("float64")])
    step = 1e-5
    expected = [
        (exact(*(at + move)) - exact(*(at - move))) / (2.0 * step)
        for move in step * np.eye(3)
    ]
    np.testing.assert_allclose([by_x, *by_raw], expected, rtol=1e-4)


@pytest.mark.parametrize("pcm", [-1.0, -0.5, 0.0, PCM_VALUES[-1]])
@pytest.mark.parametrize("location", [-2.0, 0.001, 1.5, 300.0])
def test_value_and_gradient_are_finite_far_beyond(location, pcm) -> None:
    raw = tf.constant(raw_for(location, -20.0))
    x = tf.constant(pcm, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, raw))
        head = Gaussian(raw)
        bounded = head.log_prob(x)
        unbounded = head.log_prob_unbounded(x)
    # There ln p is about -z² / 2, which says which way the gradient leads.
    for value in (bounded, unbounded):
        assert np.isfinite(value)
        by_location = tape.gradient(value, raw).numpy()[0]
        assert np.isfinite(tape.gradient(value, raw)).all()
        assert np.isfinite(tape.gradient(value, x))
        inside_tail = value is bounded and abs(pcm) > 0.999
        if not inside_tail or np.sign(pcm) != np.sign(location):
            assert np.sign(by_location) == np.sign(pcm - location)


def test_cumulative_is_scipys() -> None:
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(500, 2)).astype("float32")
    audio = generator.choice(PCM_VALUES, 500)
    audio[:2] = PCM_VALUES[[0, -1]]
    head = Gaussian(raw)
    normal = scipy.stats.norm(raw[:, 0].astype("float64"), std(head))
    expected_below = normal.cdf(audio.astype("float64") - HALF_BIN)
    expected_up_to = normal.cdf(audio.astype("float64") + HALF_BIN)
    expected_below[0], expected_up_to[1] = 0.0, 1.0
    below, up_to = head.cumulative(audio)
    np.testing.assert_allclose(below, expected_below, atol=1e-6)
    np.testing.assert_allclose(up_to, expected_up_to, atol=1e-6)


def test_temperature_scales_the_standard_deviation() -> None:
    uniforms = np.random.default_rng(1).random((20_000, 1), dtype="float32")
    head = Gaussian(raw_for(0.1, -4.0))
    samples = head.sample(uniforms, 0.5).numpy().astype("float64")
    scale = 0.5 * std(head)
    assert abs(samples.std() / scale - 1.0) < 4.0 / np.sqrt(2 * 20_000)
    cold = head.sample(uniforms, 0.0).numpy()
    np.testing.assert_array_equal(cold, np.round(0.1 * 32_768) / 32_768)
