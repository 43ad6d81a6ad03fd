"""Runs that are killed, or find no room, and what is left of them."""

import csv
import errno
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from repository import HELPERS
from tiny_run import tiny_preset

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks import checkpoint

# Other programs and processes.
pytestmark = pytest.mark.system


STEPS = 600
KILLS = 10

# Saves after every step, so that kills often meet a run that is saving.
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import keras
from tiny_run import tiny_preset
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks import checkpoint
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_teacher
checkpoint.SECONDS_BETWEEN = float(sys.argv[5])
keras.utils.set_random_seed(0)
corpus, preset, out = Corpus(sys.argv[3]), tiny_preset(), Path(sys.argv[4])
if sys.argv[2] == "teacher":
    training.train_teacher(corpus, preset, out, int(sys.argv[6]))
else:
    teacher = load_teacher(Path(sys.argv[2]))
    training.distill(corpus, teacher, preset, out, int(sys.argv[6]))
"""


def begin(kind, data, out, seconds_between: float) -> subprocess.Popen:
    return subprocess.Popen(
        [
            *(sys.executable, "-c", SCRIPT, str(HELPERS)),
            *(str(kind), str(data), str(out), str(seconds_between)),
            str(STEPS),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def reported(log) -> list[int]:
    with log.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["teacher", "student"])
def test_a_run_killed_ten_times_ends_as_if_it_never_had_been(
    tiny_run, tmp_path, name
):
    """Bit for bit, on one device; killed at random moments of its training."""
    kind = "teacher" if name == "teacher" else tiny_run.teacher
    whole = begin(kind, tiny_run.data, tmp_path / "whole", 1e9)
    assert whole.wait() == 0, whole.stderr.read().decode()
    out, chance = tmp_path / "killed", random.Random(0)
    state = out / f"{name}.backup" / "latest.weights.h5"
    kills = 0
    while not (out / f"{name}.keras").exists():
        before = state.stat().st_mtime_ns if state.exists() else 0
        run = begin(kind, tiny_run.data, out, 0.0)
        while kills < KILLS and run.poll() is None:
            # Its training has begun once it has saved.
            if state.exists() and state.stat().st_mtime_ns != before:
                time.sleep(chance.uniform(0.0, 0.3))
                run.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        assert run.wait() in (0, -signal.SIGKILL), run.stderr.read().decode()
    assert kills == KILLS
    assert sorted(path.name for path in out.iterdir()) == [
        "progress.png",
        f"{name}.backup",
        f"{name}.csv",
        f"{name}.keras",
    ]
    load = load_teacher if name == "teacher" else load_student
    expected = load(tmp_path / "whole" / f"{name}.keras")
    found = load(out / f"{name}.keras")
    for one, other in zip(expected.weights, found.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    # A report is lost only if the kill comes between its two files.
    assert set(reported(out / f"{name}.csv")) <= set(
        reported(tmp_path / "whole" / f"{name}.csv")
    )


def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(
    tiny_run, tmp_path, monkeypatch
):
    """The fourth report finds no room, once half of it is written."""
    save, saved = keras.Model.save_weights, []

    def until_full(model, path, **named):
        save(model, path, **named)
        saved.append(int(model.optimizer.iterations))
        if len(saved) == 4:
            os.truncate(path, os.path.getsize(path) // 2)
            raise OSError(errno.ENOSPC, "No space left on device")

    corpus = Corpus(tiny_run.data)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", until_full)
        with pytest.raises(UserError) as error:
            training.train_teacher(corpus, tiny_preset(), tmp_path, 40)
    assert "No space left on device" in str(error.value)
    assert "the checkpoint before it is whole, start it again" in str(
        error.value
    )
    assert saved == [4, 8, 12, 16]
    folder = tmp_path / "teacher.backup"
    assert sorted(path.name for path in folder.iterdir()) == [
        "latest.weights.h5",
        "run.json",
    ]
    training.train_teacher(corpus, tiny_preset(), tmp_path, 40)
    assert reported(tmp_path / "teacher.csv") == list(range(4, 41, 4))


@pytest.mark.slow
def test_a_run_stopped_between_two_reports_resumes_from_there(
    tiny_run, tmp_path, monkeypatch
):
    """It has saved after the sixth step; a report has four."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    steps = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(int(self.model.optimizer.iterations))
            if len(steps) == 6:
                raise KeyboardInterrupt

    callbacks = fitting._callbacks

    def stopping(*arguments):
        return [*callbacks(*arguments), Stop()]

    monkeypatch.setattr(fitting, "_callbacks", stopping)
    corpus = Corpus(tiny_run.data)
    with pytest.raises(KeyboardInterrupt):
        training.train_teacher(corpus, tiny_preset(), tmp_path, 40)
    training.train_teacher(corpus, tiny_preset(), tmp_path, 40)
    assert steps == list(range(1, 41))
    assert reported(tmp_path / "teacher.csv") == list(range(4, 41, 4))


@pytest.mark.slow
def test_a_stopped_student_ends_with_the_weights_of_a_whole_run(
    tiny_run, tmp_path, monkeypatch
):
    """Bit for bit: noise and random draws resume as well as the clips."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    corpus, teacher = Corpus(tiny_run.data), load_teacher(tiny_run.teacher)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if checkpoint.step_of(self.model) == 6:
                raise KeyboardInterrupt

    def run(out):
        keras.utils.set_random_seed(0)
        return training.distill(corpus, teacher, tiny_preset(), out, 20)

    whole = run(tmp_path / "whole").get_weights()
    callbacks = fitting._callbacks
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            fitting, "_callbacks", lambda *given: [*callbacks(*given), Stop()]
        )
        run(tmp_path / "stopped")
    keras.utils.set_random_seed(1)
    found = training.distill(
        corpus, teacher, tiny_preset(), tmp_path / "stopped", 20
    )
    for one, other in zip(whole, found.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fault", ["half of it", "another model's"])
def test_a_checkpoint_that_does_not_fit_is_named(
    tiny_run, tmp_path, fault, monkeypatch
):
    corpus = Corpus(tiny_run.data)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "save_model", stop)
        training.train_teacher(corpus, tiny_preset(), tmp_path, 1)
    state = tmp_path / "teacher.backup" / "latest.weights.h5"
    if fault == "half of it":
        os.truncate(state, state.stat().st_size // 2)
    else:
        other = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        other.save_weights(state)
    with pytest.raises(UserError, match=r"latest\.weights\.h5: does not fit"):
        training.train_teacher(corpus, tiny_preset(), tmp_path, 1)
