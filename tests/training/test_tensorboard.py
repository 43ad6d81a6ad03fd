"""Folders for TensorBoard: of any `fit`, of our runs, of the commands."""

import csv
import resource

import board_files
import keras
import numpy as np
import pytest
from tiny_run import tiny_preset

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_teacher
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks.checkpoint import step_of
from pwavenet_tf.training.callbacks.speech_board import SpeechBoard


def dense() -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(), "mse")
    return model


def fit_dense(model, *callbacks) -> None:
    x = np.ones((6, 1), "float32")
    model.fit(x, x, batch_size=2, verbose=0, callbacks=callbacks)


def test_any_other_model_has_its_curves_and_later_runs_add_to_them(tmp_path):
    model = dense()
    fit_dense(model, SpeechBoard(tmp_path))
    fit_dense(model, SpeechBoard(tmp_path))
    found = board_files.reports(tmp_path / "train")
    assert list(found["loss"]) == [3, 6]
    assert not (tmp_path / "validation").exists()


def test_a_folder_that_shows_later_steps_is_refused(tmp_path):
    """Curves would go backwards."""
    fit_dense(dense(), SpeechBoard(tmp_path))
    model = dense()
    before = model.get_weights()
    with pytest.raises(UserError, match="up to step 3, but this run is at st"):
        fit_dense(model, SpeechBoard(tmp_path))
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_file_cut_off_by_a_kill_is_read_as_far_as_it_goes(tmp_path):
    model = dense()
    fit_dense(model, SpeechBoard(tmp_path))
    fit_dense(model, SpeechBoard(tmp_path))
    *_, last = sorted((tmp_path / "train").iterdir())
    last.write_bytes(last.read_bytes()[:-5])
    fit_dense(model, SpeechBoard(tmp_path))
    assert list(board_files.reports(tmp_path / "train")["loss"])[-1] == 9


def test_a_folder_that_cannot_be_is_named_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    model = dense()
    with pytest.raises(UserError, match=r"file/board: cannot be written \(Not"):
        fit_dense(model, SpeechBoard(tmp_path / "file" / "board"))
    assert step_of(model) == 0


def test_a_full_disk_is_named(tmp_path):
    """As a file is refused that outgrows what the system allows."""
    model = dense()
    fit_dense(model)
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, allowed[1]))
    try:
        with pytest.raises(UserError) as error:
            fit_dense(model, SpeechBoard(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert f"{tmp_path}: cannot be written (File too" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def corpus(tiny_run) -> Corpus:
    return Corpus(tiny_run.data)


@pytest.mark.slow
def test_a_run_that_was_stopped_resumes_in_its_folder(
    corpus, tmp_path, monkeypatch
):
    """The curves are those of the log, and the rate of the schedule."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if step_of(self.model) == 3:
                raise KeyboardInterrupt

    callbacks = fitting._callbacks
    settings = tiny_preset()
    arguments = corpus, settings, tmp_path / "run", 4, tmp_path / "board"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            fitting, "_callbacks", lambda *given: [*callbacks(*given), Stop()]
        )
        training.train_teacher(*arguments)
    training.train_teacher(*arguments)
    validation = board_files.reports(tmp_path / "board/teacher/validation")
    train = board_files.reports(tmp_path / "board/teacher/train")
    steps = [1, 2, 3, 4]
    assert list(validation["nats"]) == list(train["loss"]) == steps
    with (tmp_path / "run" / "teacher.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row["step"])
            assert validation["nats"][step] == np.float32(row["val_nats"])
            assert train["nats"][step] == np.float32(row["nats"])
    decay = 0.5 + 0.5 * np.cos(np.pi * (np.array(steps) - 1) / 3)
    np.testing.assert_allclose(
        list(train["learning_rate"].values()),
        settings.teacher_training.learning_rate * decay,
        rtol=1e-4,
        atol=1e-9,
    )
    assert list(validation["clip_1/recorded"]) == [1]
    assert list(validation["clip_1/teacher"]) == steps


@pytest.mark.network
def test_commands_write_into_the_given_folder_and_nowhere_else(
    tiny_run, tmp_path, monkeypatch
):
    """Teacher and student next to each other, with the student's health."""
    from pwavenet_tf.cli.commands import train_teacher

    monkeypatch.setattr(train_teacher, "preset", lambda _: tiny_preset())
    given = []
    monkeypatch.setattr(
        training, "distill", lambda *_, **run: given.append(run["tensorboard"])
    )
    data, out = f"--data={tiny_run.data}", f"--out={tmp_path / 'run'}"
    board = tmp_path / "board"
    shown = f"--tensorboard={board}"
    assert cli.main(["train-teacher", data, out, "--steps=1", shown]) == 0
    teacher = f"--teacher={tiny_run.teacher}"
    assert cli.main(["distill", data, teacher, out, shown]) == 0
    assert given[-1] == board
    assert cli.main(["distill", data, teacher, out]) == 0
    assert given[-1] is None
    assert [one.name for one in board.iterdir()] == ["teacher"]
    assert not list((tmp_path / "run").rglob("*tfevents*"))


@pytest.mark.slow
def test_a_distillation_shows_the_health_too(tiny_run, corpus, tmp_path):
    teacher = load_teacher(tiny_run.teacher)
    training.distill(
        corpus, teacher, tiny_preset(), tmp_path / "run", 1, None, tmp_path
    )
    found = board_files.reports(tmp_path / "student" / "validation")
    with (tmp_path / "run" / "student.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    names = [name for name in row if name.startswith("health_")]
    assert len(names) > 10
    for name in names:
        shown = found[name.replace("health_", "health/")]
        assert shown == {1: np.float32(row[name])}
    assert "clip_1/student" in found


@pytest.mark.parametrize("command", ["train-teacher", "distill"])
def test_a_folder_below_a_file_ends_in_one_line(
    command, tiny_run, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    arguments = [
        f"--data={tiny_run.data}",
        f"--out={tmp_path / 'run'}",
        f"--tensorboard={tmp_path / 'file' / 'board'}",
        *[f"--teacher={tiny_run.teacher}"][: command == "distill"],
    ]
    assert cli.main([command, *arguments]) == 2
    error = capsys.readouterr().err
    assert "--tensorboard=" in error and "is a file" in error
    assert error.count("\n") == 1 and not (tmp_path / "run").exists()
