"""The distillation's terms against integrals and closed forms."""

import keras
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf

from pwavenet_tf.distributions import MixtureOfLogistics
from pwavenet_tf.losses.kl import cross_entropy, entropy, true_kl
from pwavenet_tf.losses.power import power_loss
from pwavenet_tf.ops import LOG_BIN_WIDTH

SAMPLE_RATE = 16_000


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


def test_cross_entropy_is_the_integral_within_its_standard_error() -> None:
    """-∫ p_S ln p_T by the trapezoidal rule over 80 scales."""
    draws = 4_000
    raw = raw_teacher(4)
    location = np.float32([[-0.3, 0.0, 0.1, 0.9]])
    log_scale = np.float32([[-4.0, -1.5, -3.0, -2.0]])
    estimate = cross_entropy(
        MixtureOfLogistics(raw), location, log_scale, draws, seed=3
    )
    z = np.linspace(-40.0, 40.0, 40_001)
    density = scipy.stats.logistic.pdf(z)
    for step in range(4):
        x = location[0, step] + np.exp(log_scale[0, step]) * z
        here = MixtureOfLogistics(raw[0, step])
        surprise = -here.log_prob_unbounded(x.astype("float32")).numpy()
        expected = np.trapezoid(density * surprise, z)
        variance = np.trapezoid(density * (surprise - expected) ** 2, z)
        error = np.sqrt(variance / draws)
        assert abs(estimate[0, step].numpy() - expected) < 4.0 * error


def test_inner_draws_are_fresh_at_every_timestep_and_call() -> None:
    seed = keras.random.SeedGenerator(0)
    teacher = MixtureOfLogistics(np.repeat(raw_teacher(1), 50, axis=1))
    location = np.zeros((1, 50), "float32")
    calls = [
        cross_entropy(teacher, location, location - 3.0, 2, seed).numpy()
        for _ in range(2)
    ]
    assert len(np.unique(calls)) > 95


@pytest.mark.parametrize("raw_log_scale", [-1.0, 1.0, 3.0])
def test_kl_is_zero_where_student_and_teacher_agree(raw_log_scale) -> None:
    """Within 4 · 0.8427 / √(M T), the deviation of a logistic's surprise."""
    time, draws = 4_000, 8
    location = np.random.default_rng(0).normal(0.0, 0.2, (1, time))
    raw = np.stack(
        [np.zeros_like(location), location, location * 0 + raw_log_scale], -1
    )
    teacher = MixtureOfLogistics(raw.astype("float32"))
    location = teacher.locations[..., 0]
    log_scale = teacher.log_scales[..., 0]
    crossed = cross_entropy(teacher, location, log_scale, draws, seed=1)
    kl = true_kl(tf.reduce_mean(crossed), tf.reduce_mean(entropy(log_scale)))
    assert abs(kl.numpy()) < 4.0 * 0.8427 / np.sqrt(draws * time)


def test_entropy_is_the_monte_carlo_surprise() -> None:
    log_scale = np.float32([[-5.0, -1.0, 0.5]])
    for step, expected in enumerate(entropy(log_scale)[0]):
        scale = np.exp(log_scale[0, step])
        x = scipy.stats.logistic.rvs(scale=scale, size=40_000, random_state=2)
        surprise = -scipy.stats.logistic.logpdf(x, scale=scale)
        assert abs(surprise.mean() - expected) < 4.0 * 0.8427 / 200.0


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
        return cross_entropy(teacher, location, log_scale, 3, seed=9)

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


def recordings(seed: int) -> np.ndarray:
    shape = (2, 3_000)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, shape)
    return noise.astype("float32")


def test_power_loss_is_zero_for_equal_inputs_only() -> None:
    audio = recordings(0)
    assert power_loss(audio, audio, SAMPLE_RATE) == 0.0
    assert power_loss(audio, recordings(1), SAMPLE_RATE) > 0.0
    assert power_loss(0.5 * audio, audio, SAMPLE_RATE) > 0.0


def test_half_of_the_power_loss_is_the_speech_band() -> None:
    """Against SciPy's spectra, with the means taken by hand."""
    audio, recording = recordings(0), recordings(1)

    def spectrum(x):
        window = scipy.signal.get_window("hann", 1_024)
        frames = np.lib.stride_tricks.sliding_window_view(x, 2_048, axis=1)
        padded = np.pad(window, 512)
        return np.abs(np.fft.rfft(frames[:, ::256] * padded))

    squared = np.square(spectrum(audio) - spectrum(recording))
    low = squared[..., np.fft.rfftfreq(2_048, 1 / SAMPLE_RATE) < 3_000]
    expected = 0.5 * squared.mean() + 0.5 * low.mean()
    found = power_loss(audio, recording, SAMPLE_RATE)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_power_loss_has_a_finite_gradient_at_silence() -> None:
    silence = tf.zeros((1, 3_000))
    with tf.GradientTape() as tape:
        tape.watch(silence)
        loss = power_loss(silence, recordings(0)[:1], SAMPLE_RATE)
    assert np.isfinite(tape.gradient(loss, silence).numpy()).all()
    nearly = tf.constant(1e-6 * recordings(1)[:1])
    with tf.GradientTape() as tape:
        tape.watch(nearly)
        loss = power_loss(nearly, recordings(0)[:1], SAMPLE_RATE)
    assert np.abs(tape.gradient(loss, nearly).numpy()).max() > 0.0
