"""A teacher's training step, and whether the input pipeline keeps up."""

import contextlib
import functools
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from pwavenet_tf.cli.benchmark.preparation import write_recordings
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import PRECISIONS
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.fit import clip_shape

_BATCHES = 100
_STEPS, _QUICK_STEPS = 5, 1


def measure(quick: bool) -> Iterator[Row]:
    """Clips for `nano`'s teacher, delivered and trained on in each precision.

    A step of the teacher is quicker than one of the distillation, so it
    consumes more. Its operations are three times those of the forward pass, on
    the clips and on their context; the sound is what counts in the loss.
    """
    nano = preset("nano")
    with tempfile.TemporaryDirectory() as folder:
        recordings, data = Path(folder) / "recordings", Path(folder) / "data"
        recordings.mkdir()
        write_recordings(recordings, 1 if quick else 3)
        with contextlib.redirect_stdout(io.StringIO()):
            prepare(recordings, data, nano)
        corpus = Corpus(data)
        teacher = WaveNet.from_preset(nano, corpus.contract)
        teacher.build()
        clips = corpus.training_clips(
            **clip_shape(corpus, nano.teacher_training, teacher.receptive_field)
        )
        delivered = iter(clips)
        (values,) = timings(
            lambda: [next(delivered) for _ in range(_BATCHES)], quick=quick
        )
        _, audio, counted = batch = next(delivered)
    sound = float(tf.reduce_sum(counted)) / corpus.contract.sample_rate
    setting = f"{_BATCHES} batches from the input pipeline"
    yield Row(setting, values, sound=_BATCHES * sound)
    forward = tf.size(audio).numpy() * operations_per_sample(teacher)
    steps = _QUICK_STEPS if quick else _STEPS
    one = tf.data.Dataset.from_tensors(batch).cache().repeat()
    for precision in PRECISIONS[:1] if quick else PRECISIONS:
        model = in_precision(teacher, precision)
        model.compile("adam", jit_compile=True)
        run = functools.partial(
            model.fit, one, steps_per_epoch=steps, shuffle=False, verbose=0
        )
        (values,) = timings(run, quick=quick)
        yield Row(
            f"nano's teacher, {precision}, {steps} step{'s' * (steps > 1)}",
            values,
            sound=steps * sound,
            operations=steps * 3 * forward,
        )
