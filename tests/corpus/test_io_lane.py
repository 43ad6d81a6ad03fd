"""What only the io lane can show; `make test-io` runs it."""

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from tiny_run import tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.audio import decoding as native_audio
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.training.runs import train_teacher

pytestmark = pytest.mark.skipif(
    not tf.__version__.startswith("2.17."),
    reason="is for the io lane, TensorFlow 2.17",
)


def test_native_operations_load():
    """Otherwise the lane would test `soundfile` twice."""
    assert native_audio.loads()


def test_recordings_become_a_teacher_that_sounds(tmp_path):
    recordings, data = tmp_path / "recordings", tmp_path / "data"
    write_recordings(recordings, 3)
    arguments = [f"--corpus={recordings}", f"--out={data}"]
    assert cli.main(["prepare", *arguments]) == 0
    train_teacher(Corpus(data), tiny_preset(steps=2), tmp_path)
    assert (
        cli.main(
            [
                "synthesize",
                f"--model={tmp_path / 'teacher.keras'}",
                f"--input={recordings / 'tone-0.wav'}",
                f"--out={tmp_path}",
            ]
        )
        == 0
    )
    audio, rate = soundfile.read(tmp_path / "tone-0.wav")
    assert rate == 16_000 and audio.shape == (6_400,)
    assert np.isfinite(audio).all() and audio.std() > 0
