"""A student that is conditioned on its teacher's encoding of recordings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_distiller import FRAMES, clips

from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.inputs import random_features


def distiller(**settings) -> Distiller:
    """Student and teacher begin with different encoders."""
    teacher, student = (
        make(conditioning=tiny_models.ENCODED)
        for make in (tiny_models.teacher, tiny_models.student)
    )
    for weight in student.conditioner.encoder.weights:
        weight.assign(-weight)
    made = Distiller(teacher, student, inner_samples=2, **settings)
    made.build()
    return made


def encoded_clips() -> tuple:
    _, recording, weight = clips()
    recording[1] /= 16
    return {"audio": recording}, recording, weight


@pytest.mark.network
def test_the_encoder_travels_with_the_student_and_stays_frozen(
    tmp_path,
) -> None:
    model = distiller(contrastive=0.0)
    teacher = model.teacher
    encoder = model.student.conditioner.encoder
    before = [weight.numpy() for weight in model.student.trainable_variables]
    assert not encoder.trainable_variables
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    model.fit(tf.data.Dataset.from_tensors(encoded_clips()), verbose=0)
    for old, weight in zip(
        before, model.student.trainable_variables, strict=True
    ):
        assert (old != weight.numpy()).any(), weight.path
    model.student.save(tmp_path / "student.keras")
    student = keras.saving.load_model(tmp_path / "student.keras")
    audio = tiny_models.audio(1, 9)[0]
    np.testing.assert_array_equal(student.encode(audio), teacher.encode(audio))
    assert student.encode(audio).std() > 0.0


def test_the_teacher_reads_the_encoding_of_the_recording() -> None:
    """Not that of the student's audio: the oracle is given both by hand."""
    model = distiller()
    for block in model.teacher.stack.blocks:
        block.conditioning.kernel.assign(100 * block.conditioning.kernel)
    inputs, recording, weight = encoded_clips()
    noise = {"noise": tiny_models.noise(2, FRAMES)}
    output = model(inputs | noise)
    state = model.seed_generator.state.numpy()
    found = model.loss_terms(inputs | noise, recording, output, weight)
    encoding = np.stack([model.teacher.encode(one) for one in recording])
    model.seed_generator.state.assign(state)
    expected = model.loss_terms(
        {"encoding": encoding} | noise, recording, output, weight
    )
    for name in ("kl", "contrastive"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)
    # Rolled by one clip.
    assert abs(float(found["kl"] - found["contrastive"])) > 1e-3


def test_random_features_hold_an_encoding_of_its_width() -> None:
    found = random_features(tiny_models.CONTRACT, tiny_models.ENCODED, 2, 5)
    assert found["encoding"].shape == (2, 5, 3)
