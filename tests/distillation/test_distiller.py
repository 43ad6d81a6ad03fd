"""The Distiller: where its gradient flows, and what it leaves alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_distiller import FRAMES, GRADIENTS, NAMES, clips, distiller

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet


@pytest.fixture(scope="module")
def untrained() -> Distiller:
    return distiller(inner_samples=3)


@pytest.fixture(scope="module")
def output(untrained) -> dict:
    noise = tiny_models.noise(2, FRAMES)
    return untrained.student(clips()[0] | {"noise": noise})


@pytest.mark.network
def test_fit_moves_the_student_and_leaves_the_teacher() -> None:
    model = Distiller(
        tiny_models.teacher(dilations=(1, 2), conditioning=tiny_models.COARSE),
        tiny_models.student(
            flow_dilations=((1, 2),), conditioning=tiny_models.COARSE
        ),
        inner_samples=2,
    )
    teacher = [v.numpy() for v in model.teacher.variables]
    student = [v.numpy() for v in model.student.trainable_variables]
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    data = tf.data.Dataset.from_tensors(clips()).repeat()
    fitted = model.fit(
        data, steps_per_epoch=5, epochs=3, shuffle=False, verbose=0
    )
    history = fitted.history
    assert set(history) == {"loss", *NAMES, *GRADIENTS}
    assert np.isfinite(list(history.values())).all()
    assert history["loss"][-1] < history["loss"][0]
    for old, variable in zip(teacher, model.teacher.variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    trained = model.student.trainable_variables
    for old, variable in zip(student, trained, strict=True):
        assert (old != variable.numpy()).any(), variable.path


def test_only_the_student_is_trained(untrained) -> None:
    paths = {variable.path for variable in untrained.trainable_variables}
    own = {v.path for v in untrained.student.trainable_variables}
    assert paths == own
    assert untrained.teacher.trainable_variables == []


def loss_gradients(model, output, name, of, weight=None):
    """∂ one loss term / ∂ some of the student's outputs."""
    inputs, recording, _ = clips()
    watched = {key: tf.constant(output[key]) for key in of}
    with tf.GradientTape() as tape:
        tape.watch(watched)
        terms = model.loss_terms(inputs, recording, output | watched, weight)
        value = terms[name]
    return tape.gradient(value, watched)


def test_kl_has_a_gradient_at_earlier_samples_through_the_teacher(
    untrained, output
) -> None:
    """x_<t is not detached, and p_T(x̃_t | x_<t) does not see x_t."""
    step = 700
    weight = np.zeros((2, FRAMES * tiny_models.HOP), "float32")
    weight[:, step] = 1.0
    found = loss_gradients(
        untrained, output, "kl", ("audio", "location", "log_scale"), weight
    )
    by_audio = found["audio"].numpy()
    field = untrained.teacher.receptive_field
    assert (by_audio[:, step - field : step] != 0.0).all()
    assert (by_audio[:, step:] == 0.0).all()
    assert (by_audio[:, : step - field] == 0.0).all()
    for name in ("location", "log_scale"):
        gradient = found[name].numpy()
        assert (gradient[:, step] != 0.0).all()
        assert np.count_nonzero(gradient) == 2


def test_entropy_has_a_gradient_at_the_scale_alone(untrained, output) -> None:
    found = loss_gradients(
        untrained, output, "entropy", ("audio", "location", "log_scale")
    )
    assert found["audio"] is None and found["location"] is None
    size = output["log_scale"].shape.num_elements()
    np.testing.assert_allclose(found["log_scale"], 1.0 / size, rtol=1e-5)


@pytest.mark.network
def test_the_kl_gradient_matches_finite_differences(output) -> None:
    """Along one direction in μ, with the inner samples fixed."""
    model = distiller(inner_samples=3)
    inputs, recording, _ = clips()
    direction = np.random.default_rng(3).normal(size=recording.shape)
    direction = tf.constant(0.01 * direction.astype("float32"))
    state = model.seed_generator.state.numpy()

    def kl(step):
        model.seed_generator.state.assign(state)
        moved = step * direction
        shifted = {
            "audio": output["audio"] + moved,
            "location": output["location"] + moved,
            "log_scale": output["log_scale"],
        }
        return model.loss_terms(inputs, recording, shifted)["kl"]

    zero = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        value = kl(zero)
    gradient = tape.gradient(value, zero).numpy()
    estimate = (kl(0.05) - kl(-0.05)).numpy() / 0.1
    assert gradient != 0.0
    np.testing.assert_allclose(gradient, estimate, rtol=0.05)


def test_loss_terms_are_corrected_and_named(untrained, output) -> None:
    inputs, recording, weight = clips()
    terms = untrained.loss_terms(inputs, recording, output, weight)
    assert set(terms) == {*NAMES, "recording_level"}
    # `kl` is the true one: both of its parts are per-sample, in nats.
    np.testing.assert_allclose(
        terms["kl"], terms["cross_entropy"] - terms["entropy"], atol=1e-4
    )
    entropy = output["log_scale"].numpy()[:, 32:].mean() + 2.0
    np.testing.assert_allclose(terms["entropy"], entropy, rtol=1e-5)
    valid = np.where(weight > 0, output["audio"], 0.0)
    level = valid.std() / (recording * weight).std()
    np.testing.assert_allclose(terms["level"], level, rtol=1e-4)
    np.testing.assert_allclose(
        terms["recording_level"], (recording * weight).std(), rtol=1e-4
    )


def test_the_level_is_weighted_by_the_recordings_level() -> None:
    """The metric is the students' standard deviations over the recordings'."""
    model = distiller(inner_samples=1)
    model.compile("adam")
    inputs, recording, weight = clips()
    noise = tiny_models.noise(2, FRAMES)
    output = model(inputs | {"noise": noise})
    stds = []
    for factor in (1.0, 0.001):
        target = factor * recording
        model.compute_loss(inputs, target, output, weight)
        stds.append((target * weight).std())
    ours = 2.0 * (output["audio"] * weight).numpy().std()
    np.testing.assert_allclose(
        model.trackers["level"].result(), ours / sum(stds), rtol=1e-2
    )


def test_the_context_does_not_change_the_loss(untrained, output) -> None:
    inputs, recording, weight = clips()

    def terms(recording, output):
        seed = keras.random.SeedGenerator(4)
        untrained.seed_generator.state.assign(seed.state)
        return untrained.loss_terms(inputs, recording, output, weight)

    other = recording.copy()
    other[:, :32] = 0.7
    changed = {name: value.numpy() for name, value in output.items()}
    far = 32 - untrained.teacher.receptive_field
    changed["audio"][:, :far] = 0.7
    changed["location"][:, :32] = 0.7
    changed["log_scale"][:, :32] = -1.0
    before, after = terms(recording, output), terms(other, changed)
    for name in NAMES:
        np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.network
@pytest.mark.parametrize("step", [0, 10])
def test_a_schedule_weights_the_kl(step) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.1)
    model = distiller(inner_samples=1, kl_weight=schedule, power_weight=2.0)
    model.compile("adam", run_eagerly=True)
    model.optimizer.iterations.assign(step)
    inputs, recording, weight = clips()
    output = model(inputs)
    loss = model.compute_loss(inputs, recording, output, weight)
    kl, wrong, power = (
        model.trackers[name].result().numpy()
        for name in ("kl", "contrastive", "power")
    )
    expected = (0.5, 0.05)[step // 10] * (kl - 0.3 * wrong) + 2.0 * power
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.network
def test_saved_and_loaded_distiller_is_the_same(tmp_path) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.1)
    model = distiller(inner_samples=3, kl_weight=schedule, power_weight=4.0)
    path = tmp_path / "distiller.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_config() == model.get_config()
    assert loaded.kl_weight(10) == schedule(10)
    # Its own list too: what the optimiser of the loaded one would move.
    assert loaded.teacher.trainable_variables == []
    moved = [one.path for one in loaded.trainable_variables]
    assert moved == [one.path for one in loaded.student.trainable_variables]
    inputs = clips()[0]
    noisy = inputs | {"noise": tiny_models.noise(2, FRAMES)}
    np.testing.assert_array_equal(loaded(noisy)["audio"], model(noisy)["audio"])
    audio = inputs | {"audio": tiny_models.audio(2, FRAMES)}
    np.testing.assert_array_equal(loaded.teacher(audio), model.teacher(audio))


@pytest.mark.network
def test_mixed_precision_step_is_finite() -> None:
    model = Distiller(
        tiny_models.teacher(dtype="mixed_bfloat16"),
        tiny_models.student(dtype="mixed_bfloat16"),
        inner_samples=2,
        dtype="mixed_bfloat16",
    )
    model.compile("adam", run_eagerly=True)
    inputs, recording, weight = clips()
    values = model.train_on_batch(inputs, recording, sample_weight=weight)
    assert np.isfinite(values).all()
    for variable in model.student.trainable_variables:
        assert np.isfinite(variable.numpy()).all()


def test_models_of_other_contracts_are_refused() -> None:
    other = AudioContract(hop_length=20, mels=5)
    student = ParallelWaveNet(
        other, tiny_models.ON_MEL, ((1,),), residual_channels=4
    )
    with pytest.raises(UserError, match=r"mels \(6 against 5\)"):
        Distiller(tiny_models.teacher(), student)


def test_students_with_other_conditioning_are_refused() -> None:
    student = tiny_models.student(conditioning=tiny_models.COARSE)
    with pytest.raises(UserError, match="conditioning=teacher.conditioning"):
        Distiller(tiny_models.teacher(), student)


def test_a_teacher_that_reads_codes_is_refused() -> None:
    with pytest.raises(UserError, match="mu_law reads codes"):
        Distiller(tiny_models.teacher(head="mu_law"), tiny_models.student())


@pytest.mark.network
@pytest.mark.parametrize("head", ["mixture_of_logistics", "gaussian"])
@pytest.mark.parametrize("upsampling", [(), (4, 5)])
def test_all_conditioning_of_the_teacher_trains_the_student(
    head, upsampling
) -> None:
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, upsampling=upsampling
    )
    model = Distiller(
        tiny_models.teacher(head=head, conditioning=conditioning),
        tiny_models.student(conditioning=conditioning),
        inner_samples=2,
    )
    model.compile("adam", run_eagerly=True)
    _, recording, weight = clips()
    before = [v.numpy() for v in model.student.trainable_variables]
    values = model.train_on_batch(
        tiny_models.features(2, FRAMES), recording, sample_weight=weight
    )
    assert np.isfinite(values).all()
    for old, variable in zip(
        before, model.student.trainable_variables, strict=True
    ):
        assert (old != variable.numpy()).any(), variable.path
