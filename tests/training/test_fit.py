"""What a run takes from the corpus when it resumes, and what it averages."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.training_config import TeacherTraining
from pwavenet_tf.training import fit as fitting

SETTINGS = TeacherTraining(
    steps=21,
    batch_size=1,
    clip_length=tiny_models.HOP,
    learning_rate=0.1,
    report_every=4,
)


class Numbers:
    """A corpus whose batches are their own numbers."""

    contract = tiny_models.CONTRACT

    def training_clips(self, *, first_batch=0, **_):
        return itertools.count(first_batch)

    def validation_clips(self, **_):
        return SimpleNamespace(take=lambda count: None)


class Reader:
    """Takes the place of a model: notes what it is given."""

    optimizer = SimpleNamespace(finalize_variable_values=lambda variables: None)
    trainable_variables = ()

    def __init__(self, step: int) -> None:
        self.first, self.seen = step, []

    @property
    def step(self) -> int:
        return self.first + len(self.seen)

    def compile(self, optimizer, **_) -> None:
        pass

    def fit(self, data, steps_per_epoch, initial_epoch, epochs, **_) -> None:
        count = steps_per_epoch * (epochs - initial_epoch)
        self.seen += itertools.islice(data, count)


@pytest.mark.parametrize("step", [0, 6, 8, 20])
def test_a_resumed_run_reads_on_after_the_batches_it_has_done(
    step, tmp_path, monkeypatch
) -> None:
    """From between two reports as from a report; every batch once."""
    monkeypatch.setattr(
        fitting, "load_checkpoint", lambda model, path: model.step
    )
    model = Reader(step)
    run = SimpleNamespace(
        steps=SETTINGS.steps,
        target=tmp_path / "teacher.keras",
        checkpoint=tmp_path / "latest.weights.h5",
        begin=lambda: None,
    )
    fitting.fit(model, Numbers(), SETTINGS, 0, run)
    assert model.seen == list(range(step, SETTINGS.steps))


def test_the_average_keeps_all_but_a_twentieth_of_the_runs_steps() -> None:
    """Each step takes 20 / steps of its weights into the average."""
    steps = 200
    weight = keras.Variable(np.float32(0.0))
    optimizer = fitting._optimizer(SETTINGS, steps)
    optimizer.build([weight])
    passed = []
    for _ in range(12):
        optimizer.apply([keras.ops.ones(())])
        passed.append(float(weight))
    average = passed[0]
    for value in passed[1:]:
        average += (20 / steps) * (value - average)
    optimizer.finalize_variable_values([weight])
    assert float(weight) == pytest.approx(average, rel=1e-4)
    assert abs(average - passed[-1]) > 0.1
