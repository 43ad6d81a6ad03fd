"""Fitting a model in a run that can be interrupted and continued."""

import functools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import (
    AVERAGED_SHARE,
    HIGHEST_MOMENTUM,
    LONGEST_WARMUP,
    WARMUP_SHARE,
    TeacherTraining,
)
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.distillation.spectral import SpectralTrainer
from pwavenet_tf.models.backend import GlobalClipAdam, replica_count
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.training.callbacks.checkpoint import (
    Checkpoint,
    batches_of,
    load_checkpoint,
)
from pwavenet_tf.training.callbacks.health_monitor import (
    HealthMonitor,
    StopWhenNotFinite,
)
from pwavenet_tf.training.callbacks.progress import (
    ProgressBar,
    ProgressChart,
    ReportLog,
)
from pwavenet_tf.training.distribution import is_chief, written_by_chief
from pwavenet_tf.training.run_folder import RunFolder
from pwavenet_tf.training.truncated import TruncatedTrainer, teacher_in

_STUDENT_TRAINERS = (Distiller, SpectralTrainer)

_REPORTS = 10

# In steps: a long run should report more often than ten times.
_LONGEST_REPORT = 1_000

# Validation takes at most so much of a run: one of its batches for so many
# steps of training.
_STEPS_PER_VALIDATION_BATCH = 8
# Segments begin with the silence before speech, where clips are from anywhere.
_SEGMENT_BATCHES = 128

# Some seconds of speech suffice to measure a student's level and spectrum.
_HEALTH_SAMPLES = 100_000

# The board shows two clips of two seconds, the fullest out of so many: the last
# one of a recording may be short.
_SHOWN, _SHOWN_SECONDS, _SHOWN_FROM = 2, 2.0, 10

# At each report a student generates so many clips of so many seconds, a
# teacher samples others.
_GENERATED, _SAMPLED = (3, 2.0), (4, 1.0)

# Frames around a clip at least: the upsampler's receptive field, and one to
# spare.
_CONTEXT_FRAMES = 3


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a `.keras` file under a temporary name and renames it.

    Without the optimiser, whose state takes three times the weights' room and
    is in the checkpoint.
    """
    compiled = model.compiled
    optimizer = model.optimizer if compiled else None
    # A file of a compiled model promises its optimiser.
    model.compiled, model.optimizer = False, None
    try:
        with written_by_chief(path) as temporary:
            model.save(temporary)
    finally:
        model.compiled, model.optimizer = compiled, optimizer


def fit(
    model: keras.Model,
    corpus: Corpus,
    settings: TeacherTraining,
    left_context: int,
    run: RunFolder,
    tensorboard: Path | None = None,
    seed: int = 0,
) -> None:
    """Fits with averaged weights under XLA, reporting ten times or more.

    The health of a student is watched, and so is the held-out
    sound of a student or a teacher; see `HealthMonitor` and `HeldOutSound`.
    Next to the run's model there will be the log, a CSV file, its chart,
    `progress.png`, and the backup, from which an interrupted run continues,
    and a finished one to more steps.
    The learning rate follows one cosine over all steps: in a run that is
    continued it rises again to what the longer cosine has there, and so does
    the span of the averaged weights.

    The model is built, not compiled. Each clip has `left_context` samples
    before those in the loss; the seed is that of the order of the clips. In
    the folder for TensorBoard the run has one of the model's name; see
    `SpeechBoard`.

    Raises:
        UserError: If the run can neither begin nor continue in its folder, if
            `tensorboard` can't be written or shows another run, or if a loss,
            a gradient or a weight stops being finite.
    """
    if settings.batch_size % replica_count():
        raise UserError(
            f"a step's {settings.batch_size} clips cannot be divided among "
            f"{replica_count()} devices; change batch_size, or train with "
            "--strategy=single"
        )
    clips = clip_shape(corpus, settings, left_context, frames_around(model))
    # Before anything is written: a length may be impossible.
    training, validation = _data(model, corpus, settings, clips, seed)
    run.begin()
    watchers = _held_out_sound(model, corpus, clips)
    if tensorboard:
        # TensorFlow only, unlike the other callbacks.
        from pwavenet_tf.training.callbacks.speech_board import SpeechBoard

        shown = _full_clips(corpus, clips, _SHOWN_SECONDS, _SHOWN)
        watchers.append(SpeechBoard(tensorboard / run.target.stem, shown))
    fit_batches(model, training, validation, settings, run, watchers)


def _data(
    model: keras.Model,
    corpus: Corpus,
    settings: TeacherTraining,
    clips: dict[str, int],
    seed: int,
) -> tuple[Callable[[int], Iterable], Any]:
    """Training batches from a given step on, and held-out ones."""
    if not isinstance(model, TruncatedTrainer):
        training, shape = corpus.training_clips, clips
        validation = corpus.validation_clips(**clips)
    else:
        training = corpus.training_segments
        shape = {
            "clip_length": settings.clip_length,
            "context_frames": model.teacher.conditioner.context_frames,
            "batch_size": settings.batch_size,
        }
        # Too many rows are refused now.
        training(**shape)
        validation = corpus.validation_segments(**shape)
    batches = functools.partial(training, **shape, seed=seed)
    return lambda step: batches(first_batch=step), validation


def fit_batches(
    model: keras.Model,
    training: Callable[[int], Iterable],
    validation,
    settings: TeacherTraining,
    run: RunFolder,
    watchers: list[keras.callbacks.Callback],
    jit_compile: bool = True,
) -> None:
    """Fits to batches of any kind, in a run that has begun; the rest as `fit`.

    `training` gives batches without end from a given one on, `validation` is
    a `tf.data.Dataset` of known cardinality. The watchers are further
    callbacks, which see the last step's weights. XLA may compile the step over
    a single device.
    """
    steps = run.steps
    steps_per_report = settings.report_every or min(
        math.ceil(steps / _REPORTS), _LONGEST_REPORT
    )
    validation_batches = math.ceil(
        steps_per_report / _STEPS_PER_VALIDATION_BATCH
    )
    if isinstance(model, TruncatedTrainer):
        validation_batches = max(validation_batches, _SEGMENT_BATCHES)
    validation = validation.take(validation_batches)
    model.compile(
        _optimizer(settings, steps),
        jit_compile=jit_compile and replica_count() == 1,
    )
    _announce(run)
    while (step := load_checkpoint(model, run.checkpoint)) < steps:
        report, done = divmod(step, steps_per_report)
        # Epochs are of equal length: what is left of one goes first, and a
        # last one that is shorter by itself.
        whole = 0 if done else (steps - step) // steps_per_report
        model.fit(
            training(step),
            validation_data=validation,
            steps_per_epoch=steps_per_report
            if whole
            else min(steps_per_report - done, steps - step),
            initial_epoch=report,
            epochs=report + max(whole, 1),
            shuffle=False,
            verbose=0,
            callbacks=_callbacks(
                model,
                validation,
                settings,
                Checkpoint(run.checkpoint, step),
                run,
                watchers,
            ),
        )
    # The checkpoint holds the last step's weights, the run ends with averages.
    model.optimizer.finalize_variable_values(model.trainable_variables)


def _announce(run: RunFolder) -> None:
    """Says what follows, and how its reports are to be read."""
    done = batches_of(run.checkpoint)
    if not is_chief() or done >= run.steps:
        return
    print(
        f"{run.target.stem}: compiling the training step, on two cores about "
        "20 s for a nano model and minutes for a large one, then "
        f"{run.steps - done:,} "
        f"steps{f' after {done:,} of before' if done else ''}; reports give "
        "means over training clips (in brackets: over held-out clips)",
        flush=True,
    )


def _callbacks(
    model,
    validation,
    settings: TeacherTraining,
    checkpoint: Checkpoint,
    run: RunFolder,
    watchers: list[keras.callbacks.Callback],
) -> list[keras.callbacks.Callback]:
    # One of several workers shows and logs what all have done.
    progress, log, health = [], [], []
    if is_chief():
        samples = settings.batch_size * settings.clip_length
        progress = [ProgressBar(run.steps, samples)]
        # A run from the start must not add to the log of an older one.
        append = checkpoint.path.exists()
        log = [
            ReportLog(run.target.with_suffix(".csv"), append),
            ProgressChart(run.target.parent),
        ]
    if isinstance(model, _STUDENT_TRAINERS):
        clips = spread(validation, settings, _HEALTH_SAMPLES)
        health = [HealthMonitor(list(clips.as_numpy_iterator()))]
    return [
        StopWhenNotFinite(checkpoint.path),
        *progress,
        *health,
        checkpoint,
        *watchers,
        keras.callbacks.SwapEMAWeights(),
        *log,
    ]


def clip_shape(
    corpus: Corpus,
    settings: TeacherTraining,
    left_context: int,
    around: int = _CONTEXT_FRAMES,
) -> dict[str, int]:
    """Arguments for `Corpus.training_clips` and `validation_clips`."""
    return {
        "clip_length": settings.clip_length,
        "context_frames": around + corpus.contract.frames(left_context),
        "lookahead_frames": around,
        "batch_size": settings.batch_size,
    }


def frames_around(model: keras.Model) -> int:
    """Frames on either side of a clip that its samples depend on."""
    if isinstance(model, _STUDENT_TRAINERS):
        features, conditioner = model.student, model.student.conditioner
    elif isinstance(model, Teacher):
        features = conditioner = model.conditioner
    else:
        return _CONTEXT_FRAMES
    around = max(_CONTEXT_FRAMES, features.context_frames)
    return around + conditioner.audio_context_frames


def samples_around(contract: AudioContract, left_context: int) -> int:
    """Samples that a clip of `clip_shape` has around it, or more."""
    frames = 2 * _CONTEXT_FRAMES + contract.frames(left_context)
    return frames * contract.hop_length


def spread(clips, settings: TeacherTraining, samples: int):
    """Evenly spaced batches of a validation, about so many samples together."""
    of_batch = settings.batch_size * settings.clip_length
    return _evenly(clips, math.ceil(samples / of_batch))


def _evenly(clips, number: int):
    """So many batches of a dataset of known cardinality, evenly spaced."""
    interval = max(1, int(clips.cardinality()) // number)
    return clips.shard(interval, 0).take(number)


def _held_out_sound(model, corpus: Corpus, shape: dict[str, int]) -> list:
    """Measures what a teacher or a student generates, at each report."""
    is_student = isinstance(model, _STUDENT_TRAINERS)
    if not is_student and teacher_in(model) is None:
        return []
    # TensorFlow only, unlike the other callbacks.
    from pwavenet_tf.training.callbacks.held_out_sound import HeldOutSound

    number, seconds = _GENERATED if is_student else _SAMPLED
    return [HeldOutSound(_full_clips(corpus, shape, seconds, number))]


def _full_clips(
    corpus: Corpus, shape: dict[str, int], seconds: float, number: int
) -> list[tuple]:
    """The fullest of some held-out clips from all over, one in a batch."""
    contract = corpus.contract
    frames = contract.frames(round(seconds * contract.sample_rate))
    length = frames * contract.hop_length
    clips = corpus.validation_clips(
        **shape | {"clip_length": length, "batch_size": 1}
    )
    choice = _evenly(clips, _SHOWN_FROM).as_numpy_iterator()
    return sorted(choice, key=lambda clip: -clip[-1].sum())[:number]


def _optimizer(settings: TeacherTraining, steps: int):
    """Adam with a short warm-up, cosine decay and averaged weights."""
    warmup = max(1, min(LONGEST_WARMUP, int(steps * WARMUP_SHARE)))
    return GlobalClipAdam(
        keras.optimizers.schedules.CosineDecay(
            settings.learning_rate / warmup,
            max(1, steps - warmup),
            warmup_target=settings.learning_rate,
            warmup_steps=warmup,
        ),
        global_clipnorm=settings.clip_norm / replica_count(),
        use_ema=True,
        ema_momentum=max(
            0.0, min(HIGHEST_MOMENTUM, 1.0 - 1.0 / (AVERAGED_SHARE * steps))
        ),
    )
