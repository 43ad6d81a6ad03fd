"""The mixture of logistics against TFP, and its gradient's closed form."""

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import strategies as st

from pwavenet_tf.audio import signal as ops
from pwavenet_tf.models.distributions import LOG_SCALE_FLOOR, MixtureOfLogistics

tfd = tfp.distributions
PCM_VALUES = (np.arange(-32_768, 32_768) / 32_768.0).astype("float32")


def raw_parameters(*shape: int) -> np.ndarray:
    """Network outputs for ten components; locations beyond ±1 among them."""
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(*shape, 10))
    locations = generator.normal(0.0, 0.6, (*shape, 10))
    raw = generator.uniform(-5.0, 3.0, (*shape, 10))
    together = np.concatenate([logits, locations, raw], axis=-1)
    return together.astype("float32")


def narrow(location: float) -> MixtureOfLogistics:
    """Three components a few 16-bit steps wide around `location`."""
    steps = np.array([-20.0, 0.0, 7.0]) / 32_768
    raw = np.concatenate(
        [[0.0, 1.0, 0.5], location + steps, [-5.5, -5.0, -6.0]]
    )
    return MixtureOfLogistics(raw.astype("float32"))


def oracle(logits, locations, log_scales):
    """The mixture by TFP in float64, over the integer PCM values."""
    components = tfd.QuantizedDistribution(
        tfd.Logistic(
            32_768.0 * tf.cast(locations, tf.float64) - 0.5,
            32_768.0 * tf.exp(tf.cast(log_scales, tf.float64)),
        ),
        low=tf.constant(-32_768.0, tf.float64),
        high=tf.constant(32_767.0, tf.float64),
    )
    weights = tfd.Categorical(tf.cast(logits, tf.float64))
    return tfd.MixtureSameFamily(weights, components)


def oracle_of(raw: np.ndarray):
    logits, locations, _ = np.split(raw, 3, axis=-1)
    return oracle(logits, locations, MixtureOfLogistics(raw).log_scales)


def test_mixture_agrees_with_tfp_in_float64() -> None:
    raw = raw_parameters(40)
    audio = np.random.default_rng(2).choice(PCM_VALUES, 40)
    audio[:2] = PCM_VALUES[[0, -1]]
    np.testing.assert_allclose(
        MixtureOfLogistics(raw).log_prob(audio),
        oracle_of(raw).log_prob(32_768.0 * audio.astype("float64")),
        atol=1e-4,
        rtol=2e-6,
    )


@hypothesis.given(
    pcm=st.integers(-32_768, 32_767)
    | st.sampled_from([-32_768, -32_767, 32_766, 32_767]),
    location=st.floats(-1.5, 1.5, width=32),
    raw_scale=st.floats(-9.0, 5.0, width=32),
)
def test_one_component_agrees_with_tfp_in_float64(
    pcm, location, raw_scale
) -> None:
    raw = np.float32([0.0, location, raw_scale])
    expected = oracle_of(raw).log_prob(np.float64(pcm)).numpy()
    hypothesis.assume(np.isfinite(expected))
    found = MixtureOfLogistics(raw).log_prob(np.float32(pcm / 32_768.0))
    # A log-probability of -10,000 has no 1e-4 to offer in float32.
    assert abs(found - expected) <= max(1e-4, 2e-6 * abs(expected))


@hypothesis.given(
    pcm=st.integers(-32_700, 32_700),
    log_scale=st.floats(-9.0, 1.0, width=32),
    standardised=st.floats(-30.0, 30.0),
)
def test_unbounded_log_prob_agrees_with_tfp_to_1e_4_nat(
    pcm, log_scale, standardised
) -> None:
    x = np.float32(pcm / 32_768.0)
    location = x - standardised * np.exp(log_scale)
    raw = np.float32([0.0, location, log_scale + 4.0])
    found = MixtureOfLogistics(raw).log_prob_unbounded(x)
    expected = oracle_of(raw).log_prob(np.float64(pcm))
    assert abs(found - expected.numpy()) <= 1e-4


def test_cumulative_is_tfps() -> None:
    raw = raw_parameters(200)
    audio = np.random.default_rng(7).choice(PCM_VALUES, 200)
    audio[:2] = PCM_VALUES[[0, -1]]
    below, up_to = MixtureOfLogistics(raw).cumulative(audio)
    expected = oracle_of(raw)
    number = 32_768.0 * audio.astype("float64")
    np.testing.assert_allclose(up_to, expected.cdf(number), atol=1e-6)
    np.testing.assert_allclose(below, expected.cdf(number - 1.0), atol=1e-6)


def plain_log_prob(x, raw, tails: bool):
    """The formula in float64, whose gradient is found automatically.

    ln[σ(a) - σ(b)] = -softplus(-a) - softplus(b) + ln(1 - exp(b - a)).
    """
    logits, locations, raw_scales = tf.split(raw, 3, axis=-1)
    scales = tf.exp(tf.nn.softplus(raw_scales + 6.4) - 10.4)
    x = x[..., None]
    a = (x - locations + ops.HALF_BIN) / scales
    b = (x - locations - ops.HALF_BIN) / scales
    below, above = -tf.nn.softplus(-a), -tf.nn.softplus(b)
    each = below + above + tf.math.log(-tf.math.expm1(b - a))
    if tails:
        each = tf.where(x <= PCM_VALUES[0], below, each)
        each = tf.where(x >= PCM_VALUES[-1], above, each)
    weights = tf.nn.log_softmax(logits, axis=-1)
    return tf.reduce_logsumexp(weights + each, axis=-1)


@pytest.mark.network
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("tails", [True, False])
@pytest.mark.parametrize("leading", [(), (5,)])
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)])
def test_closed_form_gradient_is_automatic_differentiations(
    shape, leading, tails, jit_compile
) -> None:
    generator = np.random.default_rng(8)
    raw = raw_parameters(*shape)
    x = generator.choice(PCM_VALUES, (*leading, *shape))
    x.flat[:2] = PCM_VALUES[[0, -1]]
    weight = generator.normal(size=x.shape)

    @tf.function(jit_compile=jit_compile)
    def found(x, raw):
        with tf.GradientTape() as tape:
            tape.watch((x, raw))
            mixture = MixtureOfLogistics(raw)
            log_prob = mixture.log_prob if tails else mixture.log_prob_unbounded
            total = tf.reduce_sum(weight.astype("float32") * log_prob(x))
        return tape.gradient(total, (x, raw))

    exact = tf.constant(x, tf.float64), tf.constant(raw, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(exact)
        total = tf.reduce_sum(weight * plain_log_prob(*exact, tails))
    expected = tape.gradient(total, exact)
    gradients = found(tf.constant(x), tf.constant(raw))
    for by_one, by_oracle in zip(gradients, expected, strict=True):
        assert by_one.shape == by_oracle.shape
        scale = np.abs(by_oracle).max()
        np.testing.assert_allclose(
            by_one, by_oracle, rtol=1e-4, atol=1e-5 * scale
        )


def test_parameters_broadcast_against_audio() -> None:
    raw = tf.constant(raw_parameters(1, 1))
    x = tf.constant(np.random.default_rng(9).choice(PCM_VALUES, (3, 50)))
    with tf.GradientTape() as tape:
        tape.watch(raw)
        values = MixtureOfLogistics(raw).log_prob(x)
        total = tf.reduce_sum(values)
    gradient = tape.gradient(total, raw)
    everywhere = tf.tile(raw, (3, 50, 1))
    with tf.GradientTape() as tape:
        tape.watch(everywhere)
        expected = MixtureOfLogistics(everywhere).log_prob(x)
        total = tf.reduce_sum(expected)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    summed = tf.reduce_sum(tape.gradient(total, everywhere), axis=(0, 1))
    np.testing.assert_allclose(gradient[0, 0], summed, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("distance", [-2.0, -0.01, 0.01, 2.0])
def test_gradients_hold_far_into_the_tails(distance) -> None:
    """There ln p = -|x - μ| / s - ln s + ln 2h, whose gradients are known."""
    raw = tf.constant([0.0, 0.0, -5.0])
    with tf.GradientTape() as tape:
        tape.watch(raw)
        mixture = MixtureOfLogistics(raw)
        value = mixture.log_prob_unbounded(tf.constant(distance))
    _, by_location, by_raw_scale = tape.gradient(value, raw).numpy()
    gradient = np.exp(-mixture.log_scales.numpy()[0].astype("float64"))
    np.testing.assert_allclose(
        by_location, np.sign(distance) * gradient, rtol=1e-4
    )
    by_log_scale = by_raw_scale * (1.0 + np.exp(-1.4))
    # ln(2 sinh(h / s)) is not quite linear in 1 / s at a scale of 4 steps.
    np.testing.assert_allclose(
        by_log_scale, abs(distance) * gradient - 1.0, rtol=1e-3
    )


def test_mixture_pmf_sums_to_one() -> None:
    for raw in raw_parameters(3):
        logs = MixtureOfLogistics(raw).log_prob(PCM_VALUES)
        assert abs(np.exp(logs.numpy().astype("float64")).sum() - 1) <= 1e-4


def test_unbounded_log_prob_equals_the_pmf_inside_and_decays_outside() -> None:
    mixture = narrow(1.0)
    inside = PCM_VALUES[1:-1]
    np.testing.assert_array_equal(
        mixture.log_prob(inside), mixture.log_prob_unbounded(inside)
    )
    beyond = mixture.log_prob_unbounded(np.float32([1.01, 1.1, 2.0, 5.0]))
    assert (np.diff(beyond.numpy()) < 0.0).all()


def test_log_scales_never_fall_below_one_16_bit_step() -> None:
    raw = np.float32([[0.0, 0.0, raw] for raw in (-1e4, -50.0, -6.4, 9.0)])
    log_scales = MixtureOfLogistics(raw).log_scales.numpy()[:, 0]
    assert (log_scales >= np.float32(LOG_SCALE_FLOOR)).all()
    np.testing.assert_allclose(log_scales[-1], 5.0, atol=1e-5)


def test_temperature_one_is_bit_identical_to_none() -> None:
    """The oracle samples without a temperature."""
    raw = raw_parameters(500)
    uniforms = np.random.default_rng(4).random((500, 11), dtype="float32")
    mixture = MixtureOfLogistics(raw)
    inside = ops.open_unit_interval(uniforms[:, :-1])
    gumbel = -keras.ops.log(-keras.ops.log(inside))
    chosen = np.argmax((mixture.log_weights + gumbel).numpy(), axis=-1)
    location = tf.gather(mixture.locations, chosen, batch_dims=1)
    scale = tf.exp(tf.gather(mixture.log_scales, chosen, batch_dims=1))
    expected = ops.quantise(
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
