"""The student: one autoregressive shift a flow, and their composition."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet


@pytest.fixture(scope="module")
def student() -> ParallelWaveNet:
    return tiny_models.student()


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return tiny_models.noise()[0]


def total(student, name):
    """One of the student's outputs as a function of the noise."""
    mel = tiny_models.mel()

    def function(noise):
        repeated = tiny_models.repeated(mel, noise.shape[0])
        return student({"mel": repeated, "noise": noise})[name]

    return function


def one_flow(student, index, output):
    """μ (output 0) or ln s (output 1) of one flow, of its input series."""
    mel = tiny_models.mel()

    def function(series):
        repeated = tiny_models.repeated(mel, series.shape[0])
        flow = student.flows({"mel": repeated})[index]
        return flow.location_and_log_scale(series)[output]

    return function


def test_paper_student_spans_12280_samples_of_noise() -> None:
    student = ParallelWaveNet.from_preset(preset("paper"))
    fields = [network.receptive_field for network in student.networks]
    assert fields == [2_047, 2_047, 2_047, 6_139]
    assert student.receptive_field == 12_280


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("output", [0, 1])
def test_each_flow_sees_exactly_its_receptive_field_of_the_past(
    student, noise, index, output
) -> None:
    gradient = tiny_models.jacobian(one_flow(student, index, output), noise)
    field = student.networks[index].receptive_field
    assert field == (7, 15)[index]
    age = np.subtract.outer(np.arange(len(noise)), np.arange(len(noise)))
    seen = (age >= 1) & (age <= field)
    assert (gradient[~seen] == 0.0).all()
    assert (gradient[seen] != 0.0).all()


@pytest.mark.parametrize("name", ["location", "log_scale"])
def test_total_location_and_scale_see_only_past_noise(
    student, noise, name
) -> None:
    gradient = tiny_models.jacobian(total(student, name), noise)
    age = np.subtract.outer(np.arange(len(noise)), np.arange(len(noise)))
    field = student.receptive_field
    assert field == 22
    seen = (age >= 1) & (age <= field)
    assert (gradient[~seen] == 0.0).all()
    assert (gradient[seen] != 0.0).all()


def test_present_noise_is_scaled_by_the_total_scale(student, noise) -> None:
    """∂x_t / ∂z_t = s_tot,t, and x_t does not depend on later noise."""
    gradient = tiny_models.jacobian(total(student, "audio"), noise)
    log_scale = total(student, "log_scale")(noise[None])[0]
    np.testing.assert_allclose(np.diag(gradient), np.exp(log_scale), rtol=1e-5)
    assert (np.triu(gradient, 1) == 0.0).all()


def test_audio_is_total_location_plus_total_scale_times_noise(
    student,
) -> None:
    noise = tiny_models.noise(3, 4)
    out = student({"mel": tiny_models.mel(3, 4), "noise": noise})
    np.testing.assert_array_equal(out["noise"], noise)
    np.testing.assert_allclose(
        out["audio"],
        out["location"] + tf.exp(out["log_scale"]) * noise,
        atol=1e-6,
    )


def test_the_untrained_student_is_as_loud_as_speech() -> None:
    audio = dataclasses.replace(preset("nano").audio, pre_emphasis=0.0)
    student = ParallelWaveNet.from_preset(preset("nano"), audio)
    mel = np.random.default_rng(0).normal(size=(1, 10, 80)).astype("float32")
    out = student({"mel": mel})
    scale = np.exp(out["log_scale"].numpy())
    np.testing.assert_allclose(np.median(scale), 0.05, rtol=0.25)
    assert np.abs(out["location"].numpy()).mean() < 0.025
    # Pre-emphasis of 0.9 leaves 0.44 of speech's standard deviation.
    emphasised = ParallelWaveNet.from_preset(preset("nano"))
    scale = np.exp(emphasised({"mel": mel})["log_scale"].numpy())
    np.testing.assert_allclose(np.median(scale), 0.05 * 0.436, rtol=0.25)


def test_no_flow_can_run_away(student) -> None:
    """ln s stays within 2 of its centre, whatever comes in."""
    network = student.networks[0]
    centre = math.log(0.05) / 2
    assert network.log_scale_centre == pytest.approx(centre)
    wild = 1e4 * tiny_models.noise(2, 3)
    conditioning = student.conditioner({"mel": tiny_models.mel(2, 3)})
    _, log_scale = network(wild, **conditioning)
    assert np.abs(log_scale.numpy() - centre).max() <= 2.0 + 1e-5


def test_noise_that_is_not_given_is_logistic_and_fresh(student) -> None:
    inputs = {"mel": tiny_models.mel(2, 100)}
    first, second = (student(inputs)["noise"].numpy() for _ in range(2))
    assert (first != second).any()
    assert scipy.stats.kstest(first.ravel(), "logistic").pvalue > 1e-3


def test_one_conditioning_shapes_every_flow_at_every_sample(student) -> None:
    mel = tf.constant(tiny_models.mel())
    conditioning = student.conditioner({"mel": mel})["conditioning"]
    for network in student.networks:
        with tf.GradientTape() as tape:
            tape.watch(conditioning)
            outputs = network(tiny_models.noise(), conditioning)
        gradient = tape.gradient(outputs, conditioning).numpy()
        assert (np.abs(gradient).max(axis=-1) > 0.0).all()


def test_conditioner_starts_from_the_teachers() -> None:
    student, teacher = (
        build(conditioning=tiny_models.EVERYTHING)
        for build in (tiny_models.student, tiny_models.teacher)
    )
    teacher.conditioner.set_weights(
        [weight + 1.0 for weight in teacher.conditioner.get_weights()]
    )
    student.copy_conditioner(teacher)
    features = tiny_models.features()
    found, expected = (
        model.conditioner(features) for model in (student, teacher)
    )
    assert set(found) == {"conditioning", "speaker", "sinusoids"}
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])


def test_every_input_of_the_conditioning_changes_the_audio() -> None:
    student = tiny_models.student(conditioning=tiny_models.EVERYTHING)
    features = tiny_models.features() | {"noise": tiny_models.noise()}
    audio = student(features)["audio"].numpy()
    for name in ("mel", "phones", "timing", "pitch", "speaker"):
        other = features | {name: (features[name] + 1) % 2}
        assert (student(other)["audio"].numpy() != audio).any(), name


def test_outputs_and_given_noise_stay_float32_under_mixed_precision() -> None:
    student = tiny_models.student(dtype="mixed_bfloat16")
    noise = tiny_models.noise(2, 3)
    out = student({"mel": tiny_models.mel(2, 3), "noise": noise})
    for value in out.values():
        assert value.dtype == "float32"
        assert np.isfinite(value.numpy()).all()
    np.testing.assert_array_equal(out["noise"], noise)
    outputs = student({"mel": tiny_models.mel(2, 3)})
    assert all(value.dtype == "float32" for value in outputs.values())


def test_upsampling_that_is_not_the_hop_is_refused() -> None:
    with pytest.raises(UserError, match="hop length is 20"):
        tiny_models.student(
            conditioning=Conditioning(channels=4, upsampling=(4, 4))
        )
