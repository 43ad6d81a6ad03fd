"""Whether the input pipeline keeps up with training."""

import contextlib
import io
import tempfile
import time
from pathlib import Path

from pwavenet_tf.cli.benchmark.preparation import write_recordings
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.fit import clip_shape

_MINUTES = 3
_BATCHES = 500
_STEPS = 20


def measure_pipeline() -> dict[str, float]:
    """Clips for `nano`'s teacher, delivered and trained on.

    A step of the teacher is quicker than one of the distillation, so it
    consumes more.

    Returns:
        `delivered` and `consumed`, samples per second (those that count) of
        the input pipeline alone and of the training step; `ratio` of the two.
    """
    nano = preset("nano")
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        recordings.mkdir()
        write_recordings(recordings, _MINUTES)
        with contextlib.redirect_stdout(io.StringIO()):
            prepare(recordings, Path(folder) / "data", nano)
        corpus = Corpus(Path(folder) / "data")
        teacher = WaveNet.from_preset(nano, corpus.contract)
        settings = nano.teacher_training
        clips = corpus.training_clips(
            **clip_shape(corpus, settings, teacher.receptive_field)
        )
        samples = settings.batch_size * settings.clip_length
        delivered = samples * _BATCHES / _seconds(iter(clips), _BATCHES)
        teacher.compile("adam", jit_compile=True)
        one = clips.take(1).cache().repeat()
        teacher.fit(one, steps_per_epoch=2, shuffle=False, verbose=0)
        started = time.perf_counter()
        teacher.fit(one, steps_per_epoch=_STEPS, shuffle=False, verbose=0)
        consumed = samples * _STEPS / (time.perf_counter() - started)
    return {
        "delivered": delivered,
        "consumed": consumed,
        "ratio": delivered / consumed,
    }


def _seconds(batches, count: int) -> float:
    """Without the first batch, which opens the files."""
    next(batches)
    started = time.perf_counter()
    for _ in Bar(range(count), desc="pipeline"):
        next(batches)
    return time.perf_counter() - started
