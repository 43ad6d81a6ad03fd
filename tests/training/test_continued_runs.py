"""Finished runs that continue, runs from other models' weights, and seeds."""

import csv
import dataclasses
import json
import math
import shutil

import h5py
import keras
import numpy as np
import pytest
from tiny_run import STEPS, contents, tiny_preset

from pwavenet_tf.core.config import StudentConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training import runs
from pwavenet_tf.training.callbacks import checkpoint
from pwavenet_tf.training.callbacks.checkpoint import batches_of, step_of
from pwavenet_tf.training.run_folder import RunFolder
from pwavenet_tf.training.runs import distill, train_student, train_teacher


@pytest.fixture
def corpus(tiny_run) -> Corpus:
    return Corpus(tiny_run.data)


@pytest.fixture
def finished(tiny_run, tmp_path):
    """A copy of the folder of a finished run."""
    return shutil.copytree(tiny_run.teacher.parent, tmp_path / "run")


def logged_steps(log) -> list[int]:
    with log.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of each step, and Adam's state before it."""

    def __init__(self) -> None:
        super().__init__()
        self.rates, self.moments = {}, []

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        step = step_of(self.model)
        self.rates[step] = float(optimizer.learning_rate)
        # Adam's first moment of the first variable.
        self.moments.append(float(np.abs(optimizer._momentums[0]).max()))


@pytest.mark.network
def test_more_steps_continue_a_finished_run_on_the_longer_cosine(
    corpus, finished, monkeypatch
):
    """With Adam's state; the rate rises to that of a run of so many steps.

    Reports come as often as asked, and at the last step, however it falls.
    """
    rates, callbacks = Rates(), fitting._callbacks
    monkeypatch.setattr(
        fitting, "_callbacks", lambda *given: [*callbacks(*given), rates]
    )
    before = load_teacher(finished / "teacher.keras").get_weights()
    steps, warmup = 11, 1
    train_teacher(corpus, tiny_preset(report_every=3), finished, steps)
    assert list(rates.rates) == list(range(STEPS, steps))
    assert min(rates.moments) > 0
    peak = tiny_preset().teacher_training.learning_rate
    for step, rate in rates.rates.items():
        share = (step - warmup) / (steps - warmup)
        expected = peak * 0.5 * (1 + math.cos(math.pi * share))
        assert rate == pytest.approx(expected, rel=1e-4)
    assert logged_steps(finished / "teacher.csv") == [1, 2, 3, 4, 6, 9, 11]
    after = load_teacher(finished / "teacher.keras").get_weights()
    assert any(
        np.abs(one - other).max() > 0
        for one, other in zip(before, after, strict=True)
    )


@pytest.mark.slow
def test_a_student_continues_too(tiny_run, corpus, finished):
    teacher = load_teacher(tiny_run.teacher)
    distill(corpus, teacher, tiny_preset(), finished, 2)
    assert logged_steps(finished / "student.csv") == [1, 2]
    assert batches_of(finished / "student.backup" / "latest.weights.h5") == 2


@pytest.mark.parametrize("steps", [None, STEPS - 1, STEPS])
def test_a_finished_run_says_how_to_continue(corpus, finished, steps):
    before = contents(finished)
    with pytest.raises(UserError) as error:
        train_teacher(corpus, tiny_preset(), finished, steps)
    assert (
        f"teacher.keras: the run has finished after {STEPS} steps; continue it "
        f"with --steps above {STEPS}, or choose another --out, to which "
        f"--initial={finished / 'teacher.keras'} brings its weights"
    ) in str(error.value)
    assert contents(finished) == before


@pytest.mark.parametrize("model", ["teacher", "student", "phones"])
@pytest.mark.parametrize("finished_steps", [None, STEPS])
def test_no_run_is_to_be_removed(tmp_path, model, finished_steps):
    """Whatever is known of it, there is a way to go on from its weights."""
    (tmp_path / f"{model}.keras").touch()
    run = RunFolder(tmp_path / f"{model}.keras", {}, STEPS)
    if finished_steps:
        run.backup.mkdir()
        with h5py.File(run.checkpoint, "w") as file:
            file[checkpoint._BATCHES] = finished_steps
        record = {"steps": finished_steps, "identity": {}}
        (run.backup / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError) as error:
        run.check()
    words = str(error.value)
    assert ("with --steps above" in words) == bool(finished_steps)
    assert "choose another --out" in words and "or remove" not in words
    assert ("--initial=" in words) == (model != "phones")


@pytest.mark.slow
def test_a_continued_run_that_was_interrupted_resumes(
    corpus, finished, monkeypatch
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    callbacks = fitting._callbacks
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            fitting, "_callbacks", lambda *given: [*callbacks(*given), Stop()]
        )
        train_teacher(corpus, tiny_preset(), finished, 8)
    load_teacher(finished / "teacher.keras")
    with pytest.raises(UserError, match=r"a run of 8 steps .* after 5; finish"):
        train_teacher(corpus, tiny_preset(), finished, 9)
    train_teacher(corpus, tiny_preset(), finished, 8)
    assert logged_steps(finished / "teacher.csv") == list(range(1, 9))


def test_what_differs_from_the_run_before_is_named(corpus, finished):
    other = tiny_preset(learning_rate=0.01, batch_size=2)
    with pytest.raises(UserError) as error:
        train_teacher(corpus, other, finished, 8, seed=3)
    assert (
        "teacher.backup: belongs to a finished run with other settings: "
        "batch_size (1 before, 2 now), learning_rate (0.002 before, 0.01 "
        "now), seed (0 before, 3 now); give the same to continue it"
    ) in str(error.value)
    mark = finished / "teacher.backup" / "run.json"
    run = json.loads(mark.read_text())
    del run["checksum"]
    mark.write_text(json.dumps(run | {"steps": 8}))
    with pytest.raises(UserError, match=r"an interrupted run .* seed \(0 befo"):
        train_teacher(corpus, tiny_preset(), finished, 8, seed=3)
    run["identity"]["data"] = "sha256:0"
    mark.write_text(json.dumps(run))
    with pytest.raises(UserError, match="other settings: data; give"):
        train_teacher(corpus, tiny_preset(), finished, 8)


def test_a_model_without_its_checkpoint_is_kept(corpus, finished):
    shutil.rmtree(finished / "teacher.backup")
    before = contents(finished)
    with pytest.raises(UserError, match="there already, without the check"):
        train_teacher(corpus, tiny_preset(), finished, 8)
    assert contents(finished) == before


@pytest.mark.network
def test_a_run_without_learning_ends_with_the_initial_weights(
    tiny_run, corpus, tmp_path
):
    """So those are the first weights, and the first in the average."""
    still = tiny_preset(learning_rate=0.0)
    initial = load_teacher(tiny_run.teacher)
    teacher = train_teacher(corpus, still, tmp_path, 30, initial=initial)
    for one, other in zip(
        teacher.get_weights(), initial.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.slow
def test_a_student_without_learning_ends_with_the_initial_weights(
    tiny_run, corpus, tmp_path
):
    still = tiny_preset(learning_rate=0.0)
    teacher = load_teacher(tiny_run.teacher)
    initial = load_student(tiny_run.student)
    student = distill(corpus, teacher, still, tmp_path, 1, initial=initial)
    for one, other in zip(
        student.get_weights(), initial.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_an_initial_teacher_brings_its_order_of_linear_prediction(
    tiny_run, corpus, tmp_path, monkeypatch
):
    """No flag sets it, and older teachers have none."""
    monkeypatch.setattr(runs, "fit", lambda *given: None)
    usual = load_teacher(tiny_run.teacher)
    older = WaveNet.from_config(usual.get_config() | {"prediction_order": 0})
    older.build()
    found = train_teacher(corpus, tiny_preset(), tmp_path, 1, initial=older)
    assert (usual.prediction_order, found.prediction_order) == (32, 0)


def test_an_initial_student_brings_its_sizes(
    tiny_run, corpus, tmp_path, monkeypatch
):
    """No flag sets them; the data's preset may have others."""
    monkeypatch.setattr(runs, "fit", lambda *given: None)
    teacher = load_teacher(tiny_run.teacher)
    initial = load_student(tiny_run.student)
    preset = tiny_preset()
    sizes = StudentConfig(((4, 2, 1),), 2, 4, 4, preset.student.noise, 9)
    other = dataclasses.replace(preset, student=sizes)
    for number, found in enumerate(
        (
            distill(corpus, teacher, other, tmp_path, 1, initial=initial),
            train_student(corpus, other, tmp_path / "2", 1, initial=initial),
        )
    ):
        for field in dataclasses.fields(StudentConfig):
            own = getattr(initial, field.name)
            assert getattr(found, field.name) == own, number
        for one, own in zip(
            found.get_weights(), initial.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, own)


def test_an_initial_model_that_does_not_fit_is_refused_with_the_field(
    tiny_run, other_run, corpus, tmp_path
):
    initial = load_teacher(tiny_run.teacher)
    preset = tiny_preset()
    wider = dataclasses.replace(preset.teacher, skip_channels=9)
    wider = dataclasses.replace(preset, teacher=wider)
    with pytest.raises(UserError, match=r"sizes: skip_channels \(9 against 8"):
        train_teacher(corpus, wider, tmp_path, initial=initial)
    repeated = dataclasses.replace(preset.conditioning, upsampling=())
    repeated = dataclasses.replace(preset, conditioning=repeated)
    with pytest.raises(UserError, match=r"differ in .* upsampling \("):
        train_teacher(corpus, repeated, tmp_path, initial=initial)
    with pytest.raises(UserError, match=r"mel_mean .* --statistics_of=FILE"):
        train_teacher(Corpus(other_run.data), preset, tmp_path, initial=initial)
    student = load_student(tiny_run.student)
    with pytest.raises(UserError, match="is a ParallelWaveNet, not a WaveNet"):
        train_teacher(corpus, preset, tmp_path, initial=student)
    assert list(tmp_path.iterdir()) == []


def differ(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return any(
        np.abs(one - other).max() > 1e-6
        for one, other in zip(some, others, strict=True)
    )


@pytest.mark.slow
def test_a_seed_determines_a_whole_run(corpus, tmp_path):
    """Whatever the state of Python's own generator."""
    found = []
    for number, seed in enumerate((5, 5, 6)):
        keras.utils.set_random_seed(number)
        found.append(
            train_teacher(
                *(corpus, tiny_preset(), tmp_path / str(number), 2), seed=seed
            ).get_weights()
        )
    one, again, other = found
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert differ(one, other)


@pytest.mark.slow
def test_clips_and_noise_follow_the_seed_too(tiny_run, corpus, tmp_path):
    """The weights being those of an initial model."""
    teacher = load_teacher(tiny_run.teacher)
    student = load_student(tiny_run.student)
    one, again, other = [
        distill(
            *(corpus, teacher, tiny_preset(), tmp_path / str(number), 1),
            initial=student,
            seed=seed,
        ).get_weights()
        for number, seed in enumerate((0, 0, 1))
    ]
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert differ(one, other)
