"""Truncated back-propagation: the state is carried, and a run resumes."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny_models
from tiny_run import tiny_preset

from pwavenet_tf.core.config import SampleRNNConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_teacher
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training import truncated
from pwavenet_tf.training.callbacks import checkpoint
from pwavenet_tf.training.jax.jobs import teacher_job
from pwavenet_tf.training.runs import train_teacher
from pwavenet_tf.training.truncated import (
    TruncatedTrainer,
    require_whole_frames,
)

FRAMES, HOP = 4, tiny_models.HOP
# A preset whose segments are whole frames of 16 samples.
TINY = dataclasses.replace(
    tiny_preset(batch_size=2, clip_length=800, steps=6, report_every=6),
    teacher=SampleRNNConfig((16, 4), units=8, mixture_components=2),
)


@pytest.fixture
def trainer() -> TruncatedTrainer:
    teacher = tiny_models.recurrent_teacher(conditioning=tiny_models.EVERYTHING)
    made = TruncatedTrainer(teacher, 2)
    made.build()
    return made


def segments(trainer, begins=(True, False, False)) -> list[dict]:
    """Consecutive segments of two recordings of twelve frames."""
    count = len(begins)
    features = tiny_models.features(2, count * FRAMES)
    audio = tiny_models.audio(2, count * FRAMES)
    context = trainer.teacher.conditioner.context_frames
    found = []
    for index, first in enumerate(begins):
        places = np.arange(-context, FRAMES + context) + index * FRAMES
        places = places.clip(0, count * FRAMES - 1)
        samples = slice(index * FRAMES * HOP, (index + 1) * FRAMES * HOP)
        found.append(
            {
                name: x if x.ndim == 1 else x[:, places]
                for name, x in features.items()
            }
            | {"audio": audio[:, samples], "begins": np.array([first] * 2)}
        )
    return found


def whole(trainer, count: int = 3):
    features = tiny_models.features(2, count * FRAMES)
    audio = tiny_models.audio(2, count * FRAMES)
    return trainer.teacher(features | {"audio": audio})


def test_segments_one_after_the_other_equal_the_whole_recording(
    trainer,
) -> None:
    found = [trainer(one, training=True) for one in segments(trainer)]
    np.testing.assert_allclose(
        np.concatenate(found, axis=1), whole(trainer), atol=1e-5
    )


def test_where_a_recording_begins_nothing_is_left_of_the_one_before(
    trainer,
) -> None:
    first, second, _ = segments(trainer)
    expected = trainer(first, training=True)
    trainer(second, training=True)
    np.testing.assert_array_equal(trainer(first, training=True), expected)


def test_held_out_segments_have_a_state_of_their_own(trainer) -> None:
    first, second, third = segments(trainer)
    trainer(first, training=True)
    held = [trainer(one, training=False) for one in (first, second)]
    found = trainer(second, training=True)
    np.testing.assert_array_equal(found, held[1])
    before = [one.numpy() for one in trainer.carried]
    trainer(third, training=False)
    for one, other in zip(before, trainer.carried, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_the_state_is_not_trained_and_is_kept_with_the_weights(
    trainer, tmp_path
) -> None:
    carried = {one.path for one in (*trainer.carried,)}
    assert carried.isdisjoint({v.path for v in trainer.trainable_variables})
    first, second, _ = segments(trainer)
    trainer(first, training=True)
    trainer.save_weights(tmp_path / "run.weights.h5")
    expected = trainer(second, training=True)
    trainer.load_weights(tmp_path / "run.weights.h5")
    np.testing.assert_array_equal(trainer(second, training=True), expected)


class StopAt(keras.callbacks.Callback):
    """Interrupts a run after some steps, once."""

    steps = 4

    def on_train_batch_end(self, batch, logs=None) -> None:
        if batch + 1 == StopAt.steps:
            StopAt.steps = None
            raise KeyboardInterrupt


@pytest.mark.network
def test_an_interrupted_run_ends_as_if_it_never_had_been(
    tiny_run, tmp_path, monkeypatch
) -> None:
    """It resumes in the middle of its recordings, with their state."""
    corpus = Corpus(tiny_run.data)
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", -1.0)
    monkeypatch.setattr(fitting, "_held_out_sound", lambda *_: [])
    expected = train_teacher(corpus, TINY, tmp_path / "whole")
    monkeypatch.setattr(fitting, "_held_out_sound", lambda *_: [StopAt()])
    with pytest.raises(KeyboardInterrupt):
        train_teacher(corpus, TINY, tmp_path / "run")
    train_teacher(corpus, TINY, tmp_path / "run")
    found = load_teacher(tmp_path / "run" / "teacher.keras")
    for one, other in zip(expected.weights, found.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    log = (tmp_path / "run" / "teacher.csv").read_text().splitlines()
    assert "val_nats" in log[0] and len(log) == 2


def test_segments_that_end_within_a_frame_are_refused(trainer) -> None:
    """20 samples a hop and 16 a frame: multiples of 80."""
    require_whole_frames(trainer.teacher, 160)
    with pytest.raises(UserError, match="not a multiple of 80.*take 80"):
        require_whole_frames(trainer.teacher, 100)


def test_several_devices_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(truncated, "replica_count", lambda: 2)
    with pytest.raises(UserError, match="--strategy=single"):
        TruncatedTrainer(tiny_models.recurrent_teacher(), 2)


@pytest.mark.network
def test_more_rows_than_recordings_leave_no_run_behind(
    tiny_run, tmp_path
) -> None:
    settings = dataclasses.replace(TINY.teacher_training, batch_size=9)
    preset = dataclasses.replace(TINY, teacher_training=settings)
    with pytest.raises(UserError, match="give --batch_size="):
        train_teacher(Corpus(tiny_run.data), preset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_jax_is_refused() -> None:
    with pytest.raises(UserError, match="on TensorFlow alone"):
        teacher_job(None, TINY)
