"""Training runs: averages, resuming, stopping, logs."""

import contextlib
import csv
import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_run import STEPS, contents, tiny_preset

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training import runs as training

STORY_STEPS = 40


@pytest.fixture
def corpus(tiny_run):
    return Corpus(tiny_run.data)


@dataclasses.dataclass
class Story:
    """A run that is stopped by a loss that is no number, and begun again.

    The second time it trains to its end but finds no room for the model;
    the third time there is room.
    """

    folder: Path
    errors: list[str]
    files: list[list[str]]
    steps: list[list[int]]
    weights: dict[int, list[np.ndarray]]


class Watch(keras.callbacks.Callback):
    """Notes steps and weights; spoils the weights in the tenth step once."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self.story = story

    def on_train_batch_begin(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        self.story.steps[-1].append(step)
        if step == 9 and len(self.story.steps) == 1:
            bias = self.model.output_parameters.bias
            bias.assign(np.full(bias.shape, np.nan, np.float32))

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        self.story.weights[step] = [
            variable.numpy() for variable in self.model.trainable_variables
        ]


@pytest.fixture(scope="module")
def story(tiny_run, tmp_path_factory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    story = Story(folder, [], [], [], {})
    fit = WaveNet.fit

    def watched_fit(self, *arguments, callbacks, **named):
        callbacks = [*callbacks, Watch(story)]
        return fit(self, *arguments, callbacks=callbacks, **named)

    def no_room(*_):
        raise UserError("no room")

    def run():
        story.steps.append([])
        with contextlib.suppress(UserError):
            try:
                training.train_teacher(
                    Corpus(tiny_run.data),
                    tiny_preset(clip_length=200, learning_rate=0.05),
                    folder,
                    STORY_STEPS,
                )
            except UserError as error:
                story.errors.append(str(error))
        story.files.append(sorted(path.name for path in folder.iterdir()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WaveNet, "fit", watched_fit)
        run()
        with pytest.MonkeyPatch.context() as full_disk:
            full_disk.setattr(training, "save_model", no_room)
            run()
        run()
    return story


def rows(log) -> list[dict[str, str]]:
    with log.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_holds_steps_and_held_out_losses(tiny_run):
    teacher = rows(tiny_run.teacher.with_suffix(".csv"))
    student = rows(tiny_run.student.with_suffix(".csv"))
    assert [int(row["step"]) for row in teacher] == list(range(1, STEPS + 1))
    assert [int(row["step"]) for row in student] == [1]
    for log in (teacher, student):
        assert all(np.isfinite(float(row["val_loss"])) for row in log)
    for name in ("kl", "cross_entropy", "entropy", "power", "level"):
        assert all(np.isfinite(float(row[f"val_{name}"])) for row in student)


def test_a_finished_run_leaves_models_logs_and_what_continues_it(tiny_run):
    assert sorted(path.name for path in tiny_run.teacher.parent.iterdir()) == [
        "progress.png",
        "student.backup",
        "student.csv",
        "student.keras",
        "teacher.backup",
        "teacher.csv",
        "teacher.keras",
    ]


def test_training_moves_every_weight_of_both_models(tiny_run, corpus):
    keras.utils.set_random_seed(0)
    for load, path, kind in (
        (load_teacher, tiny_run.teacher, WaveNet),
        (load_student, tiny_run.student, ParallelWaveNet),
    ):
        trained = load(path)
        fresh = kind.from_preset(tiny_preset(), corpus.contract)
        fresh.build()
        for one, other in zip(
            trained.trainable_variables,
            fresh.trainable_variables,
            strict=True,
        ):
            assert np.abs(one.numpy() - other.numpy()).max() > 0, one.path


@pytest.mark.network
def test_a_loss_that_is_not_finite_ends_the_run(story):
    assert "the loss became nan" in story.errors[0]
    assert story.steps[0] == list(range(10))
    assert story.files[0] == ["progress.png", "teacher.backup", "teacher.csv"]


def test_a_run_begun_again_resumes_from_its_last_report(story):
    assert story.steps[1] == list(range(8, STORY_STEPS))
    log = rows(story.folder / "teacher.csv")
    assert [int(row["step"]) for row in log] == list(
        range(4, STORY_STEPS + 1, 4)
    )


def test_a_model_that_finds_no_room_is_not_lost(story):
    assert story.errors[1:] == ["no room"]
    assert story.files[1] == ["progress.png", "teacher.backup", "teacher.csv"]
    assert story.steps[2] == []
    assert story.files[2] == [
        "progress.png",
        "teacher.backup",
        "teacher.csv",
        "teacher.keras",
    ]


def test_the_averaged_weights_are_saved(story):
    """Against averages that are kept by hand along the run."""
    momentum = 1 - 20 / STORY_STEPS
    averages = last = story.weights[1]
    for step in range(2, STORY_STEPS + 1):
        last = story.weights[step]
        averages = [
            momentum * average + (1 - momentum) * weight
            for average, weight in zip(averages, last, strict=True)
        ]
    saved = load_teacher(story.folder / "teacher.keras").trainable_variables
    for variable, average in zip(saved, averages, strict=True):
        np.testing.assert_allclose(variable.numpy(), average, atol=2e-6)
    furthest = max(
        np.abs(average - weight).max()
        for average, weight in zip(averages, last, strict=True)
    )
    assert furthest > 1e-4


def test_the_student_starts_from_the_teachers_upsampler(
    tiny_run, corpus, tmp_path, monkeypatch
):
    starts = []

    def stop(model, *_):
        starts.append(model.student.conditioner.get_weights())
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", stop)
    teacher = load_teacher(tiny_run.teacher)
    with pytest.raises(KeyboardInterrupt):
        training.distill(corpus, teacher, tiny_preset(), tmp_path)
    weights = teacher.conditioner.get_weights()
    assert len(weights) == len(starts[0]) > 0
    for own, teachers in zip(starts[0], weights, strict=True):
        np.testing.assert_array_equal(own, teachers)


def test_data_without_the_teachers_conditioning_are_refused(corpus, tmp_path):
    settings = tiny_preset()
    conditioning = dataclasses.replace(
        settings.conditioning, inputs=("mel", "pitch"), mean_pitch_hz=100.0
    )
    teacher = WaveNet.from_preset(settings, corpus.contract, conditioning)
    teacher.build()
    with pytest.raises(UserError, match="the data hold no pitch"):
        training.distill(corpus, teacher, settings, tmp_path)
    with pytest.raises(UserError, match="the data hold no pitch"):
        training.train_teacher(
            corpus,
            dataclasses.replace(settings, conditioning=conditioning),
            tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clip_length", [200, 400])
def test_clips_too_short_for_the_power_loss_are_refused(
    tiny_run, corpus, tmp_path, clip_length
):
    """They would have no spectrum to compare, and a loss that is no number."""
    teacher = load_teacher(tiny_run.teacher)
    settings = tiny_preset(clip_length=clip_length)
    with pytest.raises(UserError, match=r"--clip_length=600 or more") as caught:
        training.distill(corpus, teacher, settings, tmp_path / "out", steps=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_there_already_is_kept(tiny_run, corpus):
    run = tiny_run.teacher.parent
    before = contents(run)
    teacher = load_teacher(tiny_run.teacher)
    with pytest.raises(UserError, match="teacher.keras: the run has finis"):
        training.train_teacher(corpus, tiny_preset(), run)
    with pytest.raises(UserError, match="student.keras: the run has finis"):
        training.distill(corpus, teacher, tiny_preset(), run, 1)
    assert contents(run) == before


def test_a_preset_of_another_contract_is_refused(corpus, tmp_path):
    settings = tiny_preset()
    other = dataclasses.replace(settings.audio, highest_hz=7_000.0)
    settings = dataclasses.replace(settings, audio=other)
    with pytest.raises(UserError, match=r"highest_hz \(8000.0 against 7000.0"):
        training.train_teacher(corpus, settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()
