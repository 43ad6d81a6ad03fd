"""ClariNet's KL between Gaussians, against TFP and against inner samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from pwavenet_tf.distillation.kl import (
    cross_entropy,
    entropy,
    gaussian_kl,
    scale_regulariser,
    true_kl,
)
from pwavenet_tf.models.distributions import Gaussian
from pwavenet_tf.models.noise import GaussianNoise


@tf.function(jit_compile=True)
def compiled(raw, location, log_scale, samples, key):
    return cross_entropy(
        Gaussian(raw), location, log_scale, GaussianNoise, samples, key
    )


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


def test_inner_samples_estimate_the_closed_form() -> None:
    """The mass of bins against the density, within a hundredth of a nat."""
    teacher, location, log_scale = gaussians()
    crossed = compiled(
        teacher.parameters,
        location,
        log_scale,
        2_000,
        keras.random.SeedGenerator(0).next(),
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


def test_the_regulariser_depends_on_scales_below_the_floor_of_the_kl() -> None:
    teacher = Gaussian(np.full((1, 1, 2), -6.0, "f4"))
    for log_scale, growing in ((-8.0, False), (-20.0, True)):
        scale = np.full((1, 1), log_scale, "f4")
        low, lower = (gaussian_kl(teacher, scale * 0, s) for s in (scale, -7.0))
        np.testing.assert_allclose(low, lower)
        regulariser = scale_regulariser(teacher, scale)
        expected = 4.0 * (teacher.log_scale - log_scale) ** 2
        np.testing.assert_allclose(regulariser, expected, rtol=1e-5)
        assert (regulariser.numpy() > 100.0).all() == growing
