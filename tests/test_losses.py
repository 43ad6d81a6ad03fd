"""The distillation's terms against integrals and closed forms."""

import keras
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from pwavenet_tf.distributions import Gaussian, MixtureOfLogistics
from pwavenet_tf.errors import UserError
from pwavenet_tf.losses.divergence import divergence
from pwavenet_tf.losses.gaussian_kl import gaussian_kl, scale_regulariser
from pwavenet_tf.losses.kl import cross_entropy, entropy, true_kl
from pwavenet_tf.losses.power import power_loss
from pwavenet_tf.noise_families import GaussianNoise, LogisticNoise
from pwavenet_tf.ops import LOG_BIN_WIDTH
from pwavenet_tf.training_config import PowerLoss

SAMPLE_RATE = 16_000
NOISES = {
    LogisticNoise: scipy.stats.logistic,
    GaussianNoise: scipy.stats.norm,
}


def key(seed: int = 0):
    return keras.random.SeedGenerator(seed).next()


@tf.function(jit_compile=True)
def compiled(head, raw, location, log_scale, noise, draws, key):
    return cross_entropy(head(raw), location, log_scale, noise, draws, key)


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
    draws = 4_000
    raw = raw_teacher(4)
    location = np.float32([[-0.3, 0.0, 0.1, 0.9]])
    log_scale = np.float32([[-4.0, -1.5, -3.0, -2.0]])
    estimate = compiled(
        MixtureOfLogistics, raw, location, log_scale, noise, draws, key(3)
    )
    z = np.linspace(-40.0, 40.0, 40_001)
    density = NOISES[noise].pdf(z)
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
    kl = tf.reduce_mean(
        divergence(teacher, location, log_scale, LogisticNoise, draws, key())
    )
    assert abs(kl.numpy()) < 4.0 * 0.8427 / np.sqrt(draws * time)


@pytest.mark.parametrize("noise", NOISES)
def test_entropy_is_scipys(noise) -> None:
    log_scale = np.float32([[-5.0, -1.0, 0.5]])
    expected = NOISES[noise](scale=np.exp(log_scale)).entropy()
    np.testing.assert_allclose(entropy(log_scale, noise), expected, rtol=1e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_distributed_as_scipys(noise) -> None:
    uniforms = np.random.default_rng(0).random(20_000, "float32")
    drawn = noise.from_uniforms(uniforms).numpy()
    assert scipy.stats.kstest(drawn, NOISES[noise].cdf).pvalue > 1e-3
    np.testing.assert_allclose(
        noise.log_prob(drawn), NOISES[noise].logpdf(drawn), rtol=1e-4, atol=1e-5
    )
    assert noise.deviation == pytest.approx(NOISES[noise].std())


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


def test_variance_falls_as_the_number_of_inner_draws() -> None:
    """M draws have 1 / M of the variance of one, the spread of x itself."""
    single = variance(1)
    for draws in (4, 16, 64):
        ratio = single / variance(draws)
        # The ratio of two variances from 400 values: F, to four nines.
        low, high = scipy.stats.f.ppf((1e-5, 1 - 1e-5), 399, 399)
        assert low * draws < ratio < high * draws


@pytest.mark.parametrize("inner_samples", [1, 3, 4, 9])
@pytest.mark.parametrize("head", [MixtureOfLogistics, Gaussian])
def test_draws_in_chunks_have_the_gradient_of_draws_at_once(
    head, inner_samples
) -> None:
    """Value and gradients against automatic differentiation of the mean."""
    raw = raw_teacher(30)[..., : 6 if head is MixtureOfLogistics else 2]
    inputs = (
        tf.constant(raw),
        tf.zeros((1, 30)),
        tf.fill((1, 30), -2.0),
    )
    drawn = []

    class Recorded(LogisticNoise):
        @staticmethod
        def from_uniforms(uniforms):
            drawn.append(LogisticNoise.from_uniforms(uniforms))
            return drawn[-1]

    def in_chunks(raw, location, log_scale):
        return cross_entropy(
            head(raw), location, log_scale, Recorded, inner_samples, key()
        )

    def at_once(raw, location, log_scale):
        x = location + tf.exp(log_scale) * tf.concat(drawn, axis=0)
        return -tf.reduce_mean(head(raw).log_prob_unbounded(x), axis=0)

    upstream = tf.random.stateless_normal((1, 30), (1, 2))
    results = []
    for function in (in_chunks, at_once):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        results.append((value, *tape.gradient(value, inputs, upstream)))
    assert sum(len(one) for one in drawn) == inner_samples
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


def gaussians(time: int = 200):
    generator = np.random.default_rng(0)
    raw = generator.normal(0.0, 0.3, (1, time, 2)).astype("float32")
    location = generator.normal(0.0, 0.1, (1, time)).astype("float32")
    log_scale = generator.uniform(-5.0, -2.0, (1, time)).astype("float32")
    return Gaussian(raw), location, log_scale


def test_gaussian_kl_is_tfps() -> None:
    teacher, location, log_scale = gaussians()
    expected = tfp.distributions.Normal(
        np.float64(location), np.exp(np.float64(log_scale))
    ).kl_divergence(
        tfp.distributions.Normal(
            np.float64(teacher.location), np.exp(np.float64(teacher.log_scale))
        )
    )
    np.testing.assert_allclose(
        gaussian_kl(teacher, location, log_scale), expected, rtol=1e-4
    )


def test_inner_draws_estimate_the_closed_form() -> None:
    """The mass of levels against the density, within a hundredth of a nat."""
    teacher, location, log_scale = gaussians()
    crossed = compiled(
        Gaussian,
        teacher.parameters,
        location,
        log_scale,
        GaussianNoise,
        2_000,
        key(),
    )
    found = true_kl(crossed, entropy(log_scale, GaussianNoise))
    expected = gaussian_kl(teacher, location, log_scale)
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.3)
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.01)


def test_equal_gaussians_have_no_kl_no_regulariser_and_no_gradient() -> None:
    teacher, _, _ = gaussians()
    watched = (
        tf.constant(teacher.location),
        tf.constant(teacher.log_scale),
    )
    with tf.GradientTape() as tape:
        tape.watch(watched)
        kl = gaussian_kl(teacher, *watched)
        total = kl + scale_regulariser(teacher, watched[1])
    np.testing.assert_array_equal(total, 0.0)
    for gradient in tape.gradient(total, watched):
        np.testing.assert_allclose(gradient, 0.0, atol=1e-5)


def test_the_regulariser_sees_scales_below_the_floor_of_the_kl() -> None:
    teacher = Gaussian(np.full((1, 1, 2), -6.0, "f4"))
    for log_scale, growing in ((-8.0, False), (-20.0, True)):
        scale = np.full((1, 1), log_scale, "f4")
        low, lower = (gaussian_kl(teacher, scale * 0, s) for s in (scale, -7.0))
        np.testing.assert_allclose(low, lower)
        regulariser = scale_regulariser(teacher, scale)
        expected = 4.0 * (teacher.log_scale - log_scale) ** 2
        np.testing.assert_allclose(regulariser, expected, rtol=1e-5)
        assert (regulariser.numpy() > 100.0).all() == growing


def recordings(seed: int) -> np.ndarray:
    shape = (2, 3_000)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, shape)
    return noise.astype("float32")


FORMS = [
    PowerLoss(),
    PowerLoss(exponent=2),
    PowerLoss(average_time=True),
    PowerLoss(resolutions=((2_048, 1_024, 256), (512, 256, 64))),
    PowerLoss(exponent=2, average_time=True, emphasis=0.0),
    PowerLoss(emphasis=1.0, emphasis_hz=1_000.0),
]


@pytest.mark.parametrize("form", FORMS)
def test_power_loss_is_zero_for_equal_inputs_only(form) -> None:
    audio = recordings(0)
    assert power_loss(audio, audio, SAMPLE_RATE, form) == 0.0
    assert power_loss(audio, recordings(1), SAMPLE_RATE, form) > 0.0
    assert power_loss(0.5 * audio, audio, SAMPLE_RATE, form) > 0.0


@pytest.mark.parametrize("form", FORMS)
def test_power_loss_is_scipys_spectra_compared(form) -> None:
    """With the means taken by hand."""
    audio, recording = recordings(0), recordings(1)

    def feature(x, fft, window, hop):
        shape = scipy.signal.get_window("hann", window)
        frames = np.lib.stride_tricks.sliding_window_view(x, fft, axis=1)
        padded = np.pad(shape, (fft - window) // 2)
        spectrum = np.abs(np.fft.rfft(frames[:, ::hop] * padded))
        spectrum = spectrum**form.exponent
        return (
            spectrum.mean(1, keepdims=True) if form.average_time else spectrum
        )

    expected = []
    for resolution in form.resolutions:
        squared = np.square(
            feature(audio, *resolution) - feature(recording, *resolution)
        )
        hertz = np.fft.rfftfreq(resolution[0], 1 / SAMPLE_RATE)
        low = squared[..., hertz < form.emphasis_hz]
        share = form.emphasis
        expected.append((1 - share) * squared.mean() + share * low.mean())
    found = power_loss(audio, recording, SAMPLE_RATE, form)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-4)


def test_averaged_over_time_the_order_of_frames_does_not_count() -> None:
    """Frames that do not overlap, in another order."""
    form = PowerLoss(average_time=True, resolutions=((500, 500, 500),))
    audio, recording = recordings(0), recordings(1)
    shuffled = audio.reshape(2, 6, 500)[:, [3, 1, 5, 0, 4, 2]].reshape(2, -1)
    found, expected = (
        power_loss(x, recording, SAMPLE_RATE, form) for x in (shuffled, audio)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"exponent": 3}, "exponent is 3"),
        ({"emphasis": 1.5}, "between 0 and 1"),
        ({"resolutions": ()}, "at least one"),
        ({"resolutions": ((512, 1_024, 256),)}, "FFT 512, window 1024"),
    ],
)
def test_impossible_power_losses_are_refused(wrong, words) -> None:
    with pytest.raises(UserError, match=words):
        PowerLoss(**wrong)


def test_power_loss_has_a_finite_gradient_at_silence() -> None:
    silence = tf.zeros((1, 3_000))
    with tf.GradientTape() as tape:
        tape.watch(silence)
        loss = power_loss(silence, recordings(0)[:1], SAMPLE_RATE, PowerLoss())
    assert np.isfinite(tape.gradient(loss, silence).numpy()).all()
    nearly = tf.constant(1e-6 * recordings(1)[:1])
    with tf.GradientTape() as tape:
        tape.watch(nearly)
        loss = power_loss(nearly, recordings(0)[:1], SAMPLE_RATE, PowerLoss())
    assert np.abs(tape.gradient(loss, nearly).numpy()).max() > 0.0
