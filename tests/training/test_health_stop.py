"""What ends a run whose loss, gradients or weights are no numbers."""

import csv
import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_run import tiny_preset

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation import distiller as distillation
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.loading import load_teacher
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks.health_monitor import (
    StopWhenNotFinite,
    first_not_finite,
)


@pytest.mark.parametrize(
    ("first", "not_finite"),
    [
        ("entropy", ["loss", "kl", "cross_entropy", "entropy", "level"]),
        ("cross_entropy", ["kl", "cross_entropy", "loss", "gradient_kl"]),
        ("power", ["power", "loss", "gradient_kl", "gradient_power"]),
        ("nats", ["loss", "nats"]),
        ("loss", ["loss", "gradient_kl"]),
        ("gradient_kl", ["gradient_style", "gradient_kl"]),
        ("gradient_new", ["gradient_new"]),
        (None, []),
    ],
)
def test_the_earliest_cause_is_named_first(first, not_finite) -> None:
    good = ["kl", "entropy", "power", "loss", "nats", "gradient_power"]
    for wrong in (math.nan, math.inf, -math.inf):
        logs = dict.fromkeys(good, 1.0) | dict.fromkeys(not_finite, wrong)
        assert first_not_finite(logs) == first
        backwards = dict(reversed(logs.items()))
        assert first_not_finite(backwards) == first


def test_weights_that_are_not_finite_end_a_run() -> None:
    model = tiny_models.student()
    model.compile(keras.optimizers.SGD(0.0))
    stop = StopWhenNotFinite()
    stop.set_model(model)
    stop.on_train_begin()
    stop.on_epoch_begin(4)
    stop.on_train_batch_end(0, {"loss": 1.0})
    bias = model.networks[1].output_pair.bias
    bias.assign([0.0, math.inf])
    with pytest.raises(UserError) as caught:
        stop.on_train_batch_end(2, {"loss": 1.0})
    assert f"the weights became not finite, first {bias.path}" in str(
        caught.value
    )
    assert "in batch 3 of report 5" in str(caught.value)
    assert "there is no checkpoint yet" in str(caught.value)


@dataclasses.dataclass
class Broken:
    """A real run that was not_finite, begun again, and not_finite once more.

    Attributes:
        folder: Of the run.
        messages: What ended it the first and the second time.
        files: What was in the folder then.
        weights: The student's, before each step that began a report.
        backups: The weights that the backup held after each end.
    """

    folder: Path
    messages: list[str]
    files: list[list[str]]
    weights: list[dict[int, list[np.ndarray]]]
    backups: list[list[np.ndarray]]


STEPS = 20
SPOILT = {5: math.nan, 8: 0.0}


@pytest.fixture(scope="module")
def broken(tiny_run, tmp_path_factory) -> Broken:
    """A part of the power loss is a root of something times a gate.

    Where the gate is no number the loss is none; where it is 0 the loss is
    finite and the root's gradient is not.
    """
    folder = tmp_path_factory.mktemp("broken")
    corpus, teacher = Corpus(tiny_run.data), load_teacher(tiny_run.teacher)
    settings = tiny_preset(batch_size=2)
    story = Broken(folder, [], [], [], [])
    gate, not_finite = tf.Variable(1.0), dict(SPOILT)
    power_loss, fit = distillation.power_loss, Distiller.fit

    def gated(audio, *others):
        level = tf.reduce_mean(tf.square(audio))
        power = power_loss(audio, *others)
        return power + 1e-3 * tf.sqrt(gate * level)

    def spoil(model):
        step = int(model.optimizer.iterations)
        if step % 2 == 0:
            story.weights[-1][step] = model.student.get_weights()
        gate.assign(not_finite.pop(step, 1.0))

    def watched_fit(self, *arguments, callbacks, **named):
        story.weights.append({})
        watch = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: spoil(self)
        )
        return fit(self, *arguments, callbacks=[*callbacks, watch], **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "power_loss", gated)
        patch.setattr(Distiller, "fit", watched_fit)
        for _ in range(2):
            with pytest.raises(UserError) as caught:
                training.distill(corpus, teacher, settings, folder, STEPS)
            story.messages.append(str(caught.value))
            story.files.append(sorted(path.name for path in folder.iterdir()))
            story.backups.append(backup_of(folder, corpus, teacher))
    return story


def backup_of(folder: Path, corpus, teacher) -> list[np.ndarray]:
    """The student's weights in the backup of a run, read again."""
    student = ParallelWaveNet.from_preset(
        tiny_preset(), corpus.contract, teacher.conditioning
    )
    model = Distiller(teacher, student)
    model.build()
    model.load_weights(folder / "student.backup" / "latest.weights.h5")
    return student.get_weights()


@pytest.mark.slow
def test_the_not_finite_term_of_a_real_run_is_named(broken) -> None:
    by_value, by_gradient = broken.messages
    assert "the loss became nan, its term power nan," in by_value
    assert "in batch 2 of report 3 (step 6)" in by_value
    assert by_gradient.startswith(
        "the gradient of the loss's term power became"
    )
    assert "in batch 1 of report 5 (step 9)" in by_gradient
    for message in broken.messages:
        assert "student.backup/latest.weights.h5" in message
        assert "\n" not in message


@pytest.mark.slow
def test_the_last_good_checkpoint_is_kept_and_loads(broken) -> None:
    for files in broken.files:
        assert files == ["progress.png", "student.backup", "student.csv"]
    for number, report_begun in enumerate((4, 8)):
        for one, other in zip(
            broken.backups[number],
            broken.weights[number][report_begun],
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_stopped_run_resumes_from_its_last_good_checkpoint(broken) -> None:
    assert [min(weights) for weights in broken.weights] == [0, 4]
    with (broken.folder / "student.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    assert [int(row["step"]) for row in log] == [2, 4, 6, 8]
    assert all(math.isfinite(float(row["loss"])) for row in log)
