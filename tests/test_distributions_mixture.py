"""The mixture of logistics against TFP, and its samples against its pmf."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from pwavenet_tf import ops
from pwavenet_tf.distributions import LOG_SCALE_FLOOR, MixtureOfLogistics

tfd = tfp.distributions
LEVELS = (np.arange(-32_768, 32_768) / 32_768.0).astype("float32")


def raw_parameters(*shape: int) -> np.ndarray:
    """Network outputs for ten components; locations beyond ±1 among them."""
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(*shape, 10))
    locations = generator.normal(0.0, 0.6, (*shape, 10))
    raw = generator.uniform(-5.0, 3.0, (*shape, 10))
    together = np.concatenate([logits, locations, raw], axis=-1)
    return together.astype("float32")


def narrow(location: float) -> MixtureOfLogistics:
    """Three components a few levels wide around `location`."""
    steps = np.array([-20.0, 0.0, 7.0]) / 32_768
    raw = np.concatenate(
        [[0.0, 1.0, 0.5], location + steps, [-5.5, -5.0, -6.0]]
    )
    return MixtureOfLogistics(raw.astype("float32"))


def test_mixture_agrees_with_tfp_in_float64() -> None:
    raw = raw_parameters(40)
    mixture = MixtureOfLogistics(raw)
    levels = np.random.default_rng(2).choice(LEVELS, 40)
    levels[:2] = LEVELS[[0, -1]]
    log_scales = tf.cast(mixture.log_scales, tf.float64)
    components = tfd.QuantizedDistribution(
        tfd.Logistic(
            32_768.0 * raw[:, 10:20].astype("float64") - 0.5,
            32_768.0 * tf.exp(log_scales),
        ),
        low=np.float64(-32_768.0),
        high=np.float64(32_767.0),
    )
    oracle = tfd.MixtureSameFamily(
        tfd.Categorical(raw[:, :10].astype("float64")), components
    )
    np.testing.assert_allclose(
        mixture.log_prob(levels),
        oracle.log_prob(32_768.0 * levels.astype("float64")),
        atol=1e-4,
        rtol=2e-6,
    )


def test_mixture_pmf_sums_to_one() -> None:
    for raw in raw_parameters(3):
        logs = MixtureOfLogistics(raw).log_prob(LEVELS)
        assert abs(np.exp(logs.numpy().astype("float64")).sum() - 1) <= 1e-4


def test_unbounded_log_prob_equals_the_pmf_inside_and_decays_outside() -> None:
    mixture = narrow(1.0)
    inside = LEVELS[1:-1]
    np.testing.assert_array_equal(
        mixture.log_prob(inside), mixture.log_prob_unbounded(inside)
    )
    beyond = mixture.log_prob_unbounded(np.float32([1.01, 1.1, 2.0, 5.0]))
    assert (np.diff(beyond.numpy()) < 0.0).all()


def test_log_scales_never_fall_below_one_level() -> None:
    raw = np.float32([[0.0, 0.0, raw] for raw in (-1e4, -50.0, -6.4, 9.0)])
    log_scales = MixtureOfLogistics(raw).log_scales.numpy()[:, 0]
    assert (log_scales >= np.float32(LOG_SCALE_FLOOR)).all()
    np.testing.assert_allclose(log_scales[-1], 5.0, atol=1e-5)


@pytest.mark.parametrize("location", [0.1, -1.0, LEVELS[-1]])
def test_samples_follow_the_pmf(location) -> None:
    """χ² of 100,000 draws; the last two mix into the edge levels' tails."""
    draws = 100_000
    mixture = narrow(location)
    uniforms = np.random.default_rng(3).random((draws, 4), dtype="float32")
    samples = mixture.sample(uniforms).numpy()
    probability = np.exp(mixture.log_prob(LEVELS).numpy().astype("float64"))
    indices = np.round(samples * 32_768).astype(int) + 32_768
    np.testing.assert_array_equal(LEVELS[indices], samples)
    observed = np.bincount(indices, minlength=65_536)
    expected = draws * probability / probability.sum()
    common = expected >= 5.0
    rest_observed = observed[~common].sum()
    rest_expected = expected[~common].sum()
    result = scipy.stats.chisquare(
        [*observed[common], rest_observed], [*expected[common], rest_expected]
    )
    assert result.pvalue > 1e-3


def test_temperature_one_is_bit_identical_to_none() -> None:
    """The oracle draws without the word temperature."""
    raw = raw_parameters(500)
    uniforms = np.random.default_rng(4).random((500, 11), dtype="float32")
    mixture = MixtureOfLogistics(raw)
    inside = ops.open_unit_interval(uniforms[:, :-1])
    gumbel = -keras.ops.log(-keras.ops.log(inside))
    chosen = np.argmax((mixture.log_weights + gumbel).numpy(), axis=-1)
    location = tf.gather(mixture.locations, chosen, batch_dims=1)
    scale = tf.exp(tf.gather(mixture.log_scales, chosen, batch_dims=1))
    expected = ops.to_levels(
        location + scale * ops.standard_logistic(uniforms[:, -1])
    )
    np.testing.assert_array_equal(mixture.sample(uniforms), expected)
    np.testing.assert_array_equal(
        mixture.sample(uniforms, tf.constant(1.0)), expected
    )


@pytest.mark.parametrize("temperature", [0.0, 1e-3])
def test_low_temperature_gives_the_heaviest_component_location(
    temperature,
) -> None:
    mixture = narrow(0.25)
    uniforms = np.random.default_rng(5).random((50, 4), dtype="float32")
    np.testing.assert_array_equal(mixture.sample(uniforms, temperature), 0.25)


def test_mean_is_the_mean_of_the_samples() -> None:
    mixture = narrow(0.1)
    uniforms = np.random.default_rng(6).random((50_000, 4), dtype="float32")
    samples = mixture.sample(uniforms).numpy().astype("float64")
    error = samples.std() / np.sqrt(len(samples))
    assert abs(samples.mean() - mixture.mean().numpy()) < 4.0 * error
