"""Claims about the KL between a student and a teacher in an evaluation."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_models import HOP

from pwavenet_tf.audio.signal import LOG_BIN_WIDTH, quantise
from pwavenet_tf.corpus.describe import Description
from pwavenet_tf.distillation.kl import divergence
from pwavenet_tf.evaluation.recordings import ReferenceRecording
from pwavenet_tf.evaluation.student_kl import pairs_of, student_kl
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms

FRAMES = 330


@pytest.fixture(scope="module")
def student():
    return tiny_models.calmer(tiny_models.student())


@pytest.fixture(scope="module")
def references() -> list[ReferenceRecording]:
    """Of more windows than one, and a last frame that is not full."""
    return [
        ReferenceRecording(
            Path("a.wav"),
            "a.wav",
            tiny_models.audio(frames=FRAMES)[0][:-7],
            Description(tiny_models.mel(frames=FRAMES, seed=seed)[0]),
        )
        for seed in (1, 2)
    ]


@pytest.mark.network
def test_kl_is_that_of_the_distillation(student, references):
    """Estimated as in training: in one pass, of 64 inner draws."""
    teacher = tiny_models.teacher()
    found = student_kl(student, teacher, references, "KL", seed=3)
    again = student_kl(student, teacher, references, "KL", seed=3)
    np.testing.assert_array_equal(found, again)
    key = keras.random.SeedGenerator(1).next()
    for row, one in enumerate(references):
        inputs = {"mel": one.description.mel[None]}
        uniforms = positional_uniforms(
            tf.constant(3 + row, tf.int64), 1, 0, FRAMES * HOP
        )
        noise = student.noise_family.from_uniforms(uniforms)
        output = student(inputs | {"noise": noise})
        judged = teacher.distribution(inputs | {"audio": output["audio"]})
        each = divergence(
            judged,
            output["location"],
            output["log_scale"],
            student.noise_family,
            64,
            key,
        ).numpy()
        assert found[row] > 0
        pcm = quantise(output["audio"])
        judged = teacher.distribution(inputs | {"audio": pcm})
        single = -judged.log_prob(pcm).numpy() + LOG_BIN_WIDTH
        single -= output["log_scale"].numpy() + student.noise_family.entropy
        # Exact of this signal, and unbiased: all but for chance.
        assert found[row] == pytest.approx(single.mean(), abs=2e-3)
        chance = (single - each).std() / np.sqrt(each.size)
        assert found[row] == pytest.approx(each.mean(), abs=4 * chance)


@pytest.mark.network
def test_kl_of_a_worse_student_is_larger(student, references):
    teacher = tiny_models.teacher()
    good = student_kl(student, teacher, references[:1], "KL")
    louder = tiny_models.student()
    louder.set_weights(student.get_weights())
    bias = louder.networks[-1].output_pair.bias
    bias.assign(bias + [0.0, 2.0])
    assert student_kl(louder, teacher, references[:1], "KL") > good + 0.5


def test_students_are_held_against_teachers_of_pcm_alone(student):
    models = {
        "pcm": tiny_models.teacher(),
        "codes": tiny_models.teacher(head="mu_law"),
        "student": student,
        "normal": tiny_models.teacher(head="gaussian"),
    }
    assert pairs_of(models) == [("student", "pcm"), ("student", "normal")]
