"""A student from a SampleRNN: the Distiller needs p(x_t | x_<t) alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_distiller import FRAMES, clips

from pwavenet_tf.core.config import SampleRNNConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.teachers import teacher_of

pytestmark = pytest.mark.network

# Length of the step of finite differences, over all samples together.
STEP = 0.01


def distiller(**settings) -> Distiller:
    teacher = tiny_models.recurrent_teacher(conditioning=tiny_models.COARSE)
    student = tiny_models.student(
        flow_dilations=((1, 2),), conditioning=tiny_models.COARSE
    )
    made = Distiller(teacher, student, inner_samples=2, **settings)
    made.build()
    return made


def test_the_kl_falls_and_the_teacher_stays() -> None:
    model = distiller(contrastive=0.0, power_weight=0.0)
    teacher = [v.numpy() for v in model.teacher.variables]
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    data = tf.data.Dataset.from_tensors(clips()).repeat()
    fitted = model.fit(
        data, steps_per_epoch=5, epochs=4, shuffle=False, verbose=0
    )
    history = fitted.history
    assert history["kl"][-1] < history["kl"][0] - 0.1
    assert np.isfinite(history["gradient_kl"]).all()
    for old, variable in zip(teacher, model.teacher.variables, strict=True):
        np.testing.assert_array_equal(old, variable)


def test_the_kl_gradient_matches_finite_differences() -> None:
    """Along itself, in μ, through the GRUs into all later samples.

    Along a random direction the KL changes by hardly more than its rounding.
    """
    model = distiller(contrastive=0.0)
    inputs, recording, _ = clips()
    noise = tiny_models.noise(2, FRAMES)
    output = model.student(inputs | {"noise": noise})
    state = model.seed_generator.state.numpy()

    @tf.function(autograph=False)
    def kl_and_gradient(shift):
        model.seed_generator.state.assign(state)
        with tf.GradientTape() as tape:
            tape.watch(shift)
            shifted = {
                "audio": output["audio"] + shift,
                "location": output["location"] + shift,
                "log_scale": output["log_scale"],
            }
            kl = model.loss_terms(inputs, recording, shifted)["kl"]
        return kl, tape.gradient(kl, shift)

    _, gradient = kl_and_gradient(tf.zeros_like(output["audio"]))
    norm = tf.norm(gradient)
    direction = STEP * gradient / norm
    above, below = (kl_and_gradient(s * direction)[0] for s in (1.0, -1.0))
    estimate = (above - below) / (2 * STEP)
    np.testing.assert_allclose(norm, estimate, rtol=0.01)


def test_one_that_reads_codes_is_refused() -> None:
    with pytest.raises(UserError, match="through which no gradient"):
        Distiller(
            tiny_models.recurrent_teacher(head="mu_law"), tiny_models.student()
        )


def test_the_command_distils_a_run_with_a_sample_rnn(
    tiny_run, tmp_path, monkeypatch
) -> None:
    from tiny_run import tiny_preset

    from pwavenet_tf import cli
    from pwavenet_tf.core import presets
    from pwavenet_tf.models.loading import load_student, load_teacher
    from pwavenet_tf.training.fit import save_model

    tiny = dataclasses.replace(
        tiny_preset(), teacher=SampleRNNConfig((16, 4), 8)
    )
    corpus = Corpus(tiny_run.data)
    teacher = teacher_of(tiny, corpus.contract)
    teacher.build()
    save_model(teacher, tmp_path / "teacher.keras")
    assert isinstance(load_teacher(tmp_path / "teacher.keras"), SampleRNN)
    monkeypatch.setattr(presets, "preset", lambda _: tiny)
    arguments = [
        f"--data={tiny_run.data}",
        f"--teacher={tmp_path / 'teacher.keras'}",
        f"--out={tmp_path / 'run'}",
        "--steps=1",
    ]
    assert cli.main(["distill", *arguments]) == 0
    student = load_student(tmp_path / "run" / "student.keras")
    assert student.conditioning == teacher.conditioning
