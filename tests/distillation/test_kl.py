"""The KL by inner samples, against integrals and closed forms."""

import keras
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf

from pwavenet_tf.audio.signal import LOG_BIN_WIDTH
from pwavenet_tf.distillation.kl import (
    cross_entropy,
    divergence,
    entropy,
    true_kl,
)
from pwavenet_tf.models.distributions import Gaussian, MixtureOfLogistics
from pwavenet_tf.models.noise import GaussianNoise, LogisticNoise

NOISES = {
    LogisticNoise: scipy.stats.logistic,
    GaussianNoise: scipy.stats.norm,
}


def key(seed: int = 0):
    return keras.random.SeedGenerator(seed).next()


@tf.function(jit_compile=True)
def compiled(head, raw, location, log_scale, noise, samples, key):
    return cross_entropy(head(raw), location, log_scale, noise, samples, key)


def raw_teacher(time: int, components: int = 2) -> np.ndarray:
    """Raw parameters of some p_T(x_t | x_<t), `(1, time, 3 * components)`."""
    generator = np.random.default_rng(0)
    shape = (1, time, components)
    raw = np.concatenate(
        [
            generator.normal(size=shape),
            generator.normal(0.0, 0.2, shape),
            generator.uniform(-0.5, 1.5, shape),
        ],
        axis=-1,
    )
    return raw.astype("float32")


@pytest.mark.parametrize("noise", NOISES)
def test_cross_entropy_is_the_integral_within_its_standard_error(noise) -> None:
    """-∫ p_S ln p_T by the trapezoidal rule over 80 scales."""
    samples = 4_000
    raw = raw_teacher(4)
    location = np.float32([[-0.3, 0.0, 0.1, 0.9]])
    log_scale = np.float32([[-4.0, -1.5, -3.0, -2.0]])
    estimate = compiled(
        MixtureOfLogistics, raw, location, log_scale, noise, samples, key(3)
    )
    z = np.linspace(-40.0, 40.0, 40_001)
    density = NOISES[noise].pdf(z)
    for step in range(4):
        x = location[0, step] + np.exp(log_scale[0, step]) * z
        here = MixtureOfLogistics(raw[0, step])
        surprise = -here.log_prob_unbounded(x.astype("float32")).numpy()
        expected = np.trapezoid(density * surprise, z)
        variance = np.trapezoid(density * (surprise - expected) ** 2, z)
        error = np.sqrt(variance / samples)
        assert abs(estimate[0, step].numpy() - expected) < 4.0 * error


def test_inner_samples_are_fresh_at_every_timestep_and_call() -> None:
    seed = keras.random.SeedGenerator(0)
    raw = np.repeat(raw_teacher(1), 50, axis=1)
    location = np.zeros((1, 50), "float32")
    calls = [
        compiled(
            MixtureOfLogistics,
            raw,
            location,
            location - 3.0,
            LogisticNoise,
            2,
            seed.next(),
        ).numpy()
        for _ in range(2)
    ]
    assert len(np.unique(calls)) > 95


def test_no_two_chunks_of_inner_samples_are_drawn_alike() -> None:
    """Nor two samples of a chunk: all 11 x̃ of each timestep are new."""
    drawn = []

    class Recorded(LogisticNoise):
        @staticmethod
        def from_uniforms(uniforms):
            drawn.extend(uniforms.numpy())
            return LogisticNoise.from_uniforms(uniforms)

    zeros = np.zeros((1, 50), "float32")
    teacher = MixtureOfLogistics(raw_teacher(50))
    cross_entropy(teacher, zeros, zeros - 3.0, Recorded, 11, key())
    assert len(drawn) == 11
    # Of 550 numbers out of 2^23 two are the same once in fifty times.
    assert len(np.unique(drawn)) >= 549


@pytest.mark.parametrize("raw_log_scale", [-1.0, 1.0, 3.0])
def test_kl_is_zero_where_student_and_teacher_agree(raw_log_scale) -> None:
    """Within 4 · 0.8427 / √(M T), the standard deviation of -ln p."""
    time, samples = 4_000, 8
    location = np.random.default_rng(0).normal(0.0, 0.2, (1, time))
    raw = np.stack(
        [np.zeros_like(location), location, location * 0 + raw_log_scale], -1
    )
    teacher = MixtureOfLogistics(raw.astype("float32"))
    location = teacher.locations[..., 0]
    log_scale = teacher.log_scales[..., 0]
    kl = tf.reduce_mean(
        divergence(teacher, location, log_scale, LogisticNoise, samples, key())
    )
    assert abs(kl.numpy()) < 4.0 * 0.8427 / np.sqrt(samples * time)


@pytest.mark.parametrize("noise", NOISES)
def test_entropy_is_scipys(noise) -> None:
    log_scale = np.float32([[-5.0, -1.0, 0.5]])
    expected = NOISES[noise](scale=np.exp(log_scale)).entropy()
    np.testing.assert_allclose(entropy(log_scale, noise), expected, rtol=1e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_distributed_as_scipys(noise) -> None:
    uniforms = np.random.default_rng(0).random(20_000, "float32")
    noise_samples = noise.from_uniforms(uniforms).numpy()
    assert scipy.stats.kstest(noise_samples, NOISES[noise].cdf).pvalue > 1e-3
    np.testing.assert_allclose(
        noise.log_prob(noise_samples),
        NOISES[noise].logpdf(noise_samples),
        rtol=1e-4,
        atol=1e-5,
    )
    assert noise.std == pytest.approx(NOISES[noise].std())


def variance(inner_samples: int, repetitions: int = 400) -> float:
    """Of the estimated mean over 60 timesteps."""
    raw, location = raw_teacher(60), np.zeros((1, 60), "f4")
    seed = keras.random.SeedGenerator(5)
    means = [
        compiled(
            MixtureOfLogistics,
            raw,
            location,
            location - 2.0,
            LogisticNoise,
            inner_samples,
            seed.next(),
        )
        .numpy()
        .mean()
        for _ in range(repetitions)
    ]
    return float(np.var(means))


@pytest.mark.network
def test_variance_falls_as_the_number_of_inner_samples() -> None:
    """M samples have 1 / M of the variance of one, the spread of x itself."""
    single = variance(1)
    for samples in (4, 16, 64):
        ratio = single / variance(samples)
        # The ratio of two variances from 400 values: F, to four nines.
        low, high = scipy.stats.f.ppf((1e-5, 1 - 1e-5), 399, 399)
        assert low * samples < ratio < high * samples


@pytest.mark.parametrize("inner_samples", [1, 3, 4, 9])
@pytest.mark.parametrize("head", [MixtureOfLogistics, Gaussian])
def test_samples_in_chunks_have_the_gradient_of_all_at_once(
    head, inner_samples
) -> None:
    """Value and gradients against automatic differentiation of the mean."""
    raw = raw_teacher(30)[..., : 6 if head is MixtureOfLogistics else 2]
    inputs = (
        tf.constant(raw),
        tf.zeros((1, 30)),
        tf.fill((1, 30), -2.0),
    )
    noise_samples = []

    class Recorded(LogisticNoise):
        @staticmethod
        def from_uniforms(uniforms):
            noise_samples.append(LogisticNoise.from_uniforms(uniforms))
            return noise_samples[-1]

    def in_chunks(raw, location, log_scale):
        return cross_entropy(
            head(raw), location, log_scale, Recorded, inner_samples, key()
        )

    def at_once(raw, location, log_scale):
        x = location + tf.exp(log_scale) * tf.concat(noise_samples, axis=0)
        return -tf.reduce_mean(head(raw).log_prob_unbounded(x), axis=0)

    upstream = tf.random.stateless_normal((1, 30), (1, 2))
    results = []
    for function in (in_chunks, at_once):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        results.append((value, *tape.gradient(value, inputs, upstream)))
    assert sum(len(one) for one in noise_samples) == inner_samples
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_true_kl_is_corrected_by_the_bins_width() -> None:
    assert pytest.approx(np.log(2.0 / 65_536)) == LOG_BIN_WIDTH
    assert true_kl(10.397_207_7, 0.0) == pytest.approx(0.0, abs=1e-5)


def test_nothing_is_rounded_on_the_gradients_path() -> None:
    """The gradient matches central differences, and none of it is zero."""
    teacher = MixtureOfLogistics(raw_teacher(30))
    generator = np.random.default_rng(1)
    location = generator.normal(0.0, 0.2, (1, 30)).astype("float32")
    log_scale = generator.uniform(-4.0, -2.0, (1, 30)).astype("float32")

    def crossed(location, log_scale):
        return cross_entropy(
            teacher, location, log_scale, LogisticNoise, 3, key(9)
        )

    inputs = (tf.constant(location), tf.constant(log_scale))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(crossed(*inputs))
    by_location, by_log_scale = tape.gradient(total, inputs)
    step = 1e-3
    for found, above, below in (
        (
            by_location,
            crossed(location + step, log_scale),
            crossed(location - step, log_scale),
        ),
        (
            by_log_scale,
            crossed(location, log_scale + step),
            crossed(location, log_scale - step),
        ),
    ):
        estimate = (above - below).numpy() / (2.0 * step)
        assert (found.numpy() != 0.0).all()
        np.testing.assert_allclose(found, estimate, rtol=2e-2, atol=2e-2)
