"""Training steps, what they spend beside the networks, and their data."""

import contextlib
import functools
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.preparation import write_recordings
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import PRECISIONS
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.distillation.kl import cross_entropy
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.fit import clip_shape
from pwavenet_tf.training.runs import distillation_context

_BATCHES = 100
_STEPS, _QUICK_STEPS = 5, 1


def measure(quick: bool) -> Iterator[Row]:
    """Steps of `nano`'s teacher and of its distillation, and their parts.

    The teacher's step in each precision, the likelihood's share of it, and the
    clips delivered to it; distillation's step, and the share of its inner
    samples. Operations are of the networks, on the clips and on their context:
    three forward passes, and of a frozen teacher two, for it needs no gradient
    of its weights. The sound is what counts in the loss.
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
        batch = next(delivered)
        student = ParallelWaveNet.from_preset(nano, corpus.contract)
        student.build()
        settings = nano.distillation
        left = distillation_context(teacher, student, settings)
        distilled = next(
            iter(corpus.training_clips(**clip_shape(corpus, settings, left)))
        )
    yield Row(
        f"{_BATCHES} batches from the input pipeline",
        values,
        sound=_BATCHES * _sound(batch, teacher),
    )
    for precision in PRECISIONS[:1] if quick else PRECISIONS:
        model = in_precision(teacher, precision)
        of_sample = 3 * operations_per_sample(teacher)
        setting = f"nano's teacher, {precision}"
        yield _steps(model, setting, batch, of_sample, quick)
    yield _likelihood(teacher, batch, quick)
    distiller = Distiller(teacher, student, **settings.losses())
    of_sample = 3 * operations_per_sample(student)
    of_sample += 2 * operations_per_sample(teacher)
    setting = "nano, distillation"
    yield _steps(distiller, setting, distilled, of_sample, quick)
    yield _inner_samples(distiller, distilled, quick)


def _sound(batch, model: WaveNet) -> float:
    _, _, valid = batch
    return float(tf.reduce_sum(valid)) / model.audio.sample_rate


def _of_steps(quick: bool) -> tuple[int, str]:
    steps = _QUICK_STEPS if quick else _STEPS
    return steps, f"{steps} step{'s' * (steps > 1)}"


def _steps(model, setting: str, batch, of_sample: float, quick: bool) -> Row:
    """Training steps on one batch.

    Args:
        model: A teacher or a Distiller.
        setting: The row's, but for the number of steps.
        batch: Inputs, audio, and the loss mask.
        of_sample: Operations of a step for each sample of the batch.
        quick: As `timings` takes it.
    """
    steps, plural = _of_steps(quick)
    one = tf.data.Dataset.from_tensors(batch).cache().repeat()
    model.compile("adam", jit_compile=True)
    run = functools.partial(
        model.fit, one, steps_per_epoch=steps, shuffle=False, verbose=0
    )
    (values,) = timings(run, quick=quick)
    of = model if isinstance(model, WaveNet) else model.student
    return Row(
        f"{setting}, {plural}",
        values,
        sound=steps * _sound(batch, of),
        operations=steps * tf.size(batch[1]).numpy() * of_sample,
    )


def _with_gradient(value: Callable) -> Callable:
    @tf.function(jit_compile=True)
    def step(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            found = value(*inputs)
        return found, tape.gradient(found, inputs)

    return step


def _likelihood(teacher: WaveNet, batch, quick: bool) -> Row:
    inputs, audio, valid = batch
    parameters = teacher(inputs)
    step = _with_gradient(
        lambda parameters: teacher.mean_nats(audio, parameters, valid)[0]
    )
    return _part("nano's teacher, the likelihood", step, (parameters,), quick)


def _inner_samples(distiller: Distiller, batch, quick: bool) -> Row:
    """The cross-entropy, from the outputs of teacher and student."""
    teacher, student = distiller.teacher, distiller.student
    outputs = student(batch[0])
    found = [outputs["location"], outputs["log_scale"]]
    found.insert(0, teacher(batch[0] | {"audio": outputs["audio"]}))
    key = keras.random.SeedGenerator(0).next()
    step = _with_gradient(
        lambda raw, location, log_scale: tf.reduce_mean(
            cross_entropy(
                teacher.head_class(raw),
                location,
                log_scale,
                student.noise_family,
                distiller.inner_samples,
                key,
            )
        )
    )
    name = f"nano, distillation, {distiller.inner_samples} inner samples"
    return _part(name, step, tuple(found), quick)


def _part(setting: str, step: Callable, inputs: tuple, quick: bool) -> Row:
    steps, plural = _of_steps(quick)

    def run() -> None:
        for _ in range(steps):
            np.asarray(step(*inputs)[0])

    (values,) = timings(run, quick=quick)
    return Row(f"{setting} of {plural}", values)
