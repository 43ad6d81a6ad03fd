"""The flow as a TFP bijector: inverse, log-determinant, density."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.bijectors import InverseAutoregressiveFlow
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.tfp import tfb


@pytest.fixture(scope="module")
def student() -> ParallelWaveNet:
    return tiny_models.student()


@pytest.fixture(scope="module")
def mel() -> np.ndarray:
    return tiny_models.mel(2, 1)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return tiny_models.noise(2, 1)


@pytest.fixture(scope="module")
def output(student, mel, noise) -> dict:
    return student({"mel": mel, "noise": noise})


def chain(student, mel) -> tfb.Chain:
    """A fresh chain: a bijector remembers what it turned before."""
    return tfb.Chain(student.flows({"mel": mel})[::-1])


def test_chain_forward_is_the_students_pass(
    student, mel, noise, output
) -> None:
    np.testing.assert_allclose(
        chain(student, mel).forward(noise), output["audio"], atol=1e-6
    )


def test_inverse_recovers_the_noise(student, mel, noise, output) -> None:
    # The audio through NumPy: no cached pair may answer for the inverse.
    audio = output["audio"].numpy()
    np.testing.assert_allclose(
        chain(student, mel).inverse(audio), noise, atol=1e-4
    )


def test_inverse_is_exact_for_one_flow_in_time_passes(student, mel) -> None:
    """Substitution ends as soon as a pass changes nothing."""
    calls = 0
    network = student.flows({"mel": mel})[0].location_and_log_scale

    def counting(series):
        nonlocal calls
        calls += 1
        return network(series)

    flow = InverseAutoregressiveFlow(counting)
    x = tiny_models.audio(2, 1)
    z = flow.inverse(x).numpy()
    assert calls <= x.shape[1] + 1
    location, log_scale = network(z)
    np.testing.assert_allclose(
        z * np.exp(log_scale) + location.numpy(), x, atol=1e-6
    )


def test_inverse_is_exact_though_its_first_passes_overflow() -> None:
    """Samples behind the settled ones may run to infinity for a while."""

    def network(series):
        past = tf.pad(series, [[0, 0], [1, 0]])[:, :-1]
        return 5.0 * tf.square(past - 3.0), tf.zeros_like(series)

    generator = np.random.default_rng(0)
    z = 3.0 + generator.normal(0.0, 0.01, (1, 20)).astype("float32")
    x = InverseAutoregressiveFlow(network).forward(z).numpy()
    found = InverseAutoregressiveFlow(network).inverse(x)
    np.testing.assert_allclose(found, z, atol=1e-4)


@pytest.mark.network
def test_inverse_recovers_the_noise_of_an_untrained_student() -> None:
    student = ParallelWaveNet.from_preset(preset("nano"))
    generator = np.random.default_rng(0)
    mel = generator.normal(size=(1, 1, 80)).astype("float32")
    noise = generator.logistic(size=(1, 200)).astype("float32")
    audio = student({"mel": mel, "noise": noise})["audio"].numpy()
    # Hundreds of passes: as a graph, they take seconds instead of minutes.
    inverse = tf.function(
        lambda x: student.distribution({"mel": mel}).bijector.inverse(x)
    )
    np.testing.assert_allclose(inverse(audio), noise, atol=1e-2)


def test_log_determinant_is_that_of_the_dense_jacobian(
    student, mel, noise, output
) -> None:
    """And it is Σ ln s_tot; 20 samples, so slogdet is an oracle."""

    def audio(series):
        repeated = tiny_models.repeated(mel[:1], series.shape[0])
        return student({"mel": repeated, "noise": series})["audio"]

    dense = tiny_models.jacobian(audio, noise[0]).astype("float64")
    sign, log_determinant = np.linalg.slogdet(dense)
    assert sign == 1.0
    expected = output["log_scale"].numpy().sum(axis=-1)
    np.testing.assert_allclose(log_determinant, expected[0], atol=1e-4)
    forward = chain(student, mel).forward_log_det_jacobian(noise)
    np.testing.assert_allclose(forward, expected, atol=1e-4)
    audio = output["audio"].numpy()
    inverse = chain(student, mel).inverse_log_det_jacobian(audio)
    np.testing.assert_allclose(inverse, -expected, atol=1e-3)


def test_density_is_the_noises_less_the_log_determinant(
    student, mel, noise, output
) -> None:
    """ln p(x) = Σ ln L(z) - Σ ln s_tot."""
    expected = scipy.stats.logistic.logpdf(noise).sum(axis=-1)
    expected = expected - output["log_scale"].numpy().sum(axis=-1)
    found = student.distribution({"mel": mel}).log_prob(output["audio"].numpy())
    assert found.shape == (2,)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_distribution_samples_audio_that_can_be_differentiated(
    student, mel
) -> None:
    with tf.GradientTape() as tape:
        audio = student.distribution({"mel": mel}).sample(seed=(0, 1))
        loss = tf.reduce_sum(tf.square(audio))
    assert audio.shape == (2, tiny_models.HOP)
    gradients = tape.gradient(loss, student.trainable_variables)
    for gradient in gradients:
        assert np.isfinite(gradient.numpy()).all()
    assert sum(np.abs(g.numpy()).sum() for g in gradients) > 0.0
    again = student.distribution({"mel": mel}).sample(seed=(0, 1))
    np.testing.assert_array_equal(audio, again)
    assert student.distribution({"mel": mel}).event_shape == (tiny_models.HOP,)
