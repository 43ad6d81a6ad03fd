"""The Distiller's terms: contrastive, perceptual, between Gaussians."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tensorflow_probability import distributions as tfd
from tiny_distiller import FRAMES, GRADIENTS, clips, distiller

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import PowerLoss
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.distillation.power import power_loss


@pytest.fixture(scope="module")
def untrained() -> Distiller:
    return distiller(inner_samples=3)


@pytest.fixture(scope="module")
def output(untrained) -> dict:
    noise = tiny_models.noise(2, FRAMES)
    return untrained.student(clips()[0] | {"noise": noise})


def equally_conditioned(batch: int = 2) -> tuple:
    """Clips with equal conditioning."""
    inputs, recording, weight = clips(batch)
    return {"mel": np.repeat(inputs["mel"][:1], batch, 0)}, recording, weight


@pytest.mark.network
@pytest.mark.parametrize("noise", ["logistic", "gaussian"])
@pytest.mark.parametrize("head", ["mixture_of_logistics", "gaussian"])
def test_with_equal_conditioning_the_kl_is_weighted_by_one_minus_gamma(
    head, noise
) -> None:
    """But for rounding: both terms use the same inner samples."""
    teacher = tiny_models.teacher(head=head)
    inputs, recording, weight = equally_conditioned()
    losses = []
    for contrastive in (0.0, 0.3):
        model = Distiller(
            teacher,
            tiny_models.student(noise=noise),
            inner_samples=5,
            contrastive=contrastive,
            power_weight=0.0,
        )
        model.build()
        model.compile("adam", run_eagerly=True)
        output = model.student(inputs | {"noise": tiny_models.noise(2, FRAMES)})
        losses.append(model.compute_loss(inputs, recording, output, weight))
        kl = model.trackers["kl"].result()
    # The regulariser of Gaussians is no part of the contrast.
    np.testing.assert_allclose(losses[0] - losses[1], 0.3 * kl, rtol=1e-4)


def test_the_wrong_conditioning_is_the_neighbours(output, untrained) -> None:
    """Against a second pass with the conditioning swapped by hand."""
    inputs, recording, weight = clips()
    swapped = {"mel": inputs["mel"][::-1]}
    state = untrained.seed_generator.state.numpy()
    terms = untrained.loss_terms(inputs, recording, output, weight)
    untrained.seed_generator.state.assign(state)
    by_hand = untrained.loss_terms(swapped, recording, output, weight)
    np.testing.assert_allclose(terms["contrastive"], by_hand["kl"], rtol=1e-5)
    assert terms["contrastive"] != terms["kl"]


def test_one_clip_has_no_neighbour() -> None:
    model = distiller()
    inputs, recording, weight = clips(1)
    with pytest.raises(UserError, match="batch_size 2"):
        model.loss_terms(inputs, recording, model(inputs), weight)


@pytest.fixture(scope="module")
def gaussians() -> tuple[Distiller, dict]:
    """Teacher and student that are both Gaussian, and the student's output."""
    model = Distiller(
        tiny_models.teacher(head="gaussian"),
        tiny_models.student(noise="gaussian"),
        kl_weight=0.5,
        contrastive=0.0,
        power_weight=2.0,
    )
    model.build()
    noise = tiny_models.noise(2, FRAMES)
    return model, model(clips()[0] | {"noise": noise})


def test_between_gaussians_the_kl_is_clarinets_in_closed_form(
    gaussians,
) -> None:
    """Against TFP, the regulariser by hand, whatever the inner samples."""
    model, output = gaussians
    inputs, recording, _ = clips()
    terms = model.loss_terms(inputs, recording, output)
    teacher = model.teacher.distribution(inputs | {"audio": output["audio"]})
    student = tfd.Normal(
        output["location"], tf.exp(tf.maximum(output["log_scale"], -7.0))
    )
    teachers = tfd.Normal(
        teacher.location, tf.exp(tf.maximum(teacher.log_scale, -7.0))
    )
    expected = tf.reduce_mean(tfd.kl_divergence(student, teachers))
    np.testing.assert_allclose(terms["kl"], expected, rtol=1e-3)
    difference = teacher.log_scale - output["log_scale"]
    np.testing.assert_allclose(
        terms["regulariser"], 4.0 * tf.reduce_mean(difference**2), rtol=1e-4
    )


def test_between_gaussians_the_loss_has_the_regulariser_in_it(
    gaussians,
) -> None:
    """With the KL's own weight; without it the loss would be far smaller."""
    model, output = gaussians
    inputs, recording, weight = clips()
    terms = model.loss_terms(inputs, recording, output, weight)
    divergence = 0.5 * (terms["kl"] + terms["regulariser"])
    found = model.compute_loss(inputs, recording, output, weight)
    np.testing.assert_allclose(
        found, divergence + 2.0 * terms["power"], rtol=1e-5
    )
    assert 0.5 * terms["regulariser"] > 1e-2 * found


def test_the_power_loss_is_taken_against_the_recording(gaussians) -> None:
    """It is zero where that is matched, and not elsewhere."""
    model, output = gaussians
    inputs, recording, weight = clips()
    matched = output["audio"].numpy()
    for target in (recording, matched):
        found = model.loss_terms(inputs, target, output, weight)["power"]
        expected = power_loss(
            matched * weight,
            target * weight,
            tiny_models.CONTRACT.sample_rate,
            PowerLoss(),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert (found == 0.0) == (target is matched)


def test_the_perceptual_losses_train_the_student_alone() -> None:
    classifier = tiny_models.phone_classifier()
    model = Distiller(
        tiny_models.teacher(),
        tiny_models.student(),
        classifier,
        inner_samples=1,
        feature_weight=1.0,
    )
    model.compile("adam", run_eagerly=True)
    inputs, recording, weight = clips()
    before = [v.numpy() for v in classifier.variables]
    model.train_on_batch(inputs, recording, sample_weight=weight)
    result = {k: float(v) for k, v in model.get_metrics_result().items()}
    assert result["style"] > 0.0 and result["feature"] > 0.0
    assert result["gradient_perceptual"] > 0.0
    assert {v.path for v in model.trainable_variables} == {
        v.path for v in model.student.trainable_variables
    }
    for old, variable in zip(before, classifier.variables, strict=True):
        np.testing.assert_array_equal(old, variable)


def test_each_terms_gradient_is_measured_at_the_students_output() -> None:
    """Against a tape of its own; validation has no gradients."""
    model = distiller(inner_samples=2, kl_weight=0.5, power_weight=3.0)
    model.compile("adam", run_eagerly=True)
    inputs, recording, weight = clips()
    noisy = inputs | {"noise": tiny_models.noise(2, FRAMES)}
    state = model.seed_generator.state.numpy()
    output = model(noisy)
    outputs = {k: output[k] for k in ("audio", "location", "log_scale")}
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        terms = model.loss_terms(inputs, recording, output | outputs, weight)
        weighted = 3.0 * terms["power"]
    expected = tf.linalg.global_norm(
        [tape.gradient(weighted, outputs)["audio"]]
    )
    model.seed_generator.state.assign(state)
    model.reset_metrics()
    values = model.train_on_batch(
        noisy, recording, sample_weight=weight, return_dict=True
    )
    np.testing.assert_allclose(values["gradient_power"], expected, rtol=1e-4)
    tested = model.test_on_batch(
        noisy, recording, sample_weight=weight, return_dict=True
    )
    assert not set(tested) & set(GRADIENTS)
