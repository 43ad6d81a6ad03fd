"""Training runs: from a prepared corpus to teacher.keras and student.keras."""

import dataclasses
import hashlib
import math
import shutil
from pathlib import Path

import keras

from pwavenet_tf.config import Preset, TeacherTraining
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distiller import Distiller, require_distillable
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.upsampling import CONTEXT_FRAMES

_REPORTS = 10

# An interruption loses at most so many steps.
_LONGEST_REPORT = 1_000

# Validation takes at most so much of a run: one of its batches for so many
# steps of training.
_STEPS_PER_VALIDATION_BATCH = 8

# What Keras calls the weights in a backup.
_WEIGHTS = "latest.weights.h5"


def train_teacher(
    corpus: Corpus, preset: Preset, out: Path, steps: int | None = None
) -> WaveNet:
    """Trains the preset's teacher and writes `out/teacher.keras`.

    The weights are averaged over the last steps. A run that was interrupted
    continues from its last report when it is started again.

    Args:
        corpus: The prepared corpus.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.

    Returns:
        The trained teacher.

    Raises:
        UserError: If corpus and preset have different contracts, if `out`
            holds a teacher already or can't be written, or if the loss stops
            being finite.
    """
    settings = preset.teacher_training
    dataclasses.replace(
        corpus.contract, mel_mean=(), mel_deviation=()
    ).require_equal(preset.audio, "the data", f"the preset {preset.name}")
    conditioning = corpus.conditioning(preset.conditioning)
    target = _new_model_file(out, "teacher")
    teacher = WaveNet.from_preset(preset, corpus.contract, conditioning)
    teacher.build()
    context, run = teacher.receptive_field, _fingerprint(corpus, preset, steps)
    _fit(teacher, corpus, settings, context, target, steps, run)
    _save_and_tidy(teacher, target)
    return teacher


def distill(
    corpus: Corpus,
    teacher: WaveNet,
    preset: Preset,
    out: Path,
    steps: int | None = None,
) -> ParallelWaveNet:
    """Distils the preset's student and writes `out/student.keras`.

    Args:
        corpus: The corpus that the teacher was trained on.
        teacher: The trained teacher; it stays as it is.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.

    Returns:
        The trained student.

    Raises:
        UserError: If corpus and teacher have different contracts, if `out`
            holds a student already or can't be written, or if the loss stops
            being finite.
    """
    settings = preset.distillation
    if settings is None:
        raise UserError(
            f"the preset {preset.name} has no student; choose another --preset"
        )
    require_distillable(teacher)
    corpus.contract.require_equal(teacher.audio, "the data", "the teacher")
    if corpus.conditioning(teacher.conditioning) != teacher.conditioning:
        raise UserError(
            "the data and the teacher know different phones, speakers or mean "
            "pitch; give the data that the teacher was trained on"
        )
    target = _new_model_file(out, "student")
    student = ParallelWaveNet.from_preset(
        preset, corpus.contract, teacher.conditioning
    )
    student.build()
    student.copy_conditioner(teacher)
    growth = settings.kl_weight / settings.kl_weight_start
    distiller = Distiller(
        teacher,
        student,
        inner_samples=settings.inner_samples,
        kl_weight=keras.optimizers.schedules.ExponentialDecay(
            settings.kl_weight_start, steps or settings.steps, growth
        ),
        power_weight=settings.power_weight,
    )
    distiller.build()
    # Both must have their whole past inside the clip: the student's samples
    # their noise, the teacher's distributions the student's samples.
    context = max(teacher.receptive_field, student.receptive_field)
    run = _fingerprint(corpus, preset, steps, teacher)
    _fit(distiller, corpus, settings, context, target, steps, run)
    _save_and_tidy(student, target)
    return student


class StopWhenNotFinite(keras.callbacks.Callback):
    """Ends a run whose loss is no longer a number.

    The backup of the last report is left in place, so that a run with other
    settings can be compared with it.

    Raises:
        UserError: At the first batch whose loss is not finite.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"the loss became {logs['loss']} in batch {batch} of this "
                "report; the backup of the last report is kept: train with "
                "another seed or learning rate from Python, or remove it and "
                "begin anew"
            )


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a `.keras` file aside and renames it."""
    with written_aside(path) as aside:
        model.save(aside)


def _save_and_tidy(model: keras.Model, target: Path) -> None:
    save_model(model, target)
    # Only now: where the model can't be saved, the backup is all there is.
    shutil.rmtree(_backup_folder(target), ignore_errors=True)


def _backup_folder(target: Path) -> Path:
    return target.with_name(f"{target.stem}.backup")


def _fingerprint(
    corpus: Corpus,
    preset: Preset,
    steps: int | None,
    teacher: WaveNet | None = None,
) -> str:
    """What makes an interrupted run the same run when it is started again."""
    digest = hashlib.sha256(repr((corpus.card, preset, steps)).encode())
    for weight in teacher.get_weights() if teacher else ():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _claim_backup(backup: Path, fingerprint: str) -> None:
    """Refuses the backup of a run with other data, settings or teacher."""
    mark = backup / "run.txt"
    begun = (backup / _WEIGHTS).exists() and mark.is_file()
    if begun and mark.read_text("ascii") != fingerprint:
        raise UserError(
            f"{backup}: belongs to an interrupted run with other data, "
            "settings or teacher; remove it, or choose another --out"
        )
    with written_aside(mark) as aside:
        aside.write_text(fingerprint, "ascii")


def _new_model_file(out: Path, name: str) -> Path:
    target = Path(out) / f"{name}.keras"
    if target.exists():
        raise UserError(
            f"{target} is there already; choose another --out, or remove it "
            "to train anew"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UserError(
            f"{target.parent} can't be made: {problem.strerror}; choose "
            "another --out"
        ) from problem
    return target


def _fit(
    model: keras.Model,
    corpus: Corpus,
    settings: TeacherTraining,
    context: int,
    target: Path,
    steps: int | None,
    fingerprint: str,
) -> None:
    """Fits with averaged weights under XLA, reporting ten times or more."""
    steps = steps or settings.steps
    steps_per_report = min(math.ceil(steps / _REPORTS), _LONGEST_REPORT)
    backup = _backup_folder(target)
    _claim_backup(backup, fingerprint)
    model.compile(_optimizer(settings, steps), jit_compile=True)
    clips = {
        "clip_length": settings.clip_length,
        "context_frames": CONTEXT_FRAMES + corpus.contract.frames(context),
        "lookahead_frames": CONTEXT_FRAMES,
        "batch_size": settings.batch_size,
    }
    model.fit(
        corpus.training_clips(**clips),
        validation_data=corpus.validation_clips(**clips).take(
            math.ceil(steps_per_report / _STEPS_PER_VALIDATION_BATCH)
        ),
        steps_per_epoch=steps_per_report,
        epochs=math.ceil(steps / steps_per_report),
        shuffle=False,
        callbacks=[
            StopWhenNotFinite(),
            keras.callbacks.BackupAndRestore(
                backup, delete_checkpoint=False, double_checkpoint=True
            ),
            keras.callbacks.SwapEMAWeights(),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda _, logs: logs.update(
                    step=int(model.optimizer.iterations)
                )
            ),
            # A run from the start must not add to the log of an older one.
            keras.callbacks.CSVLogger(
                target.with_suffix(".csv"),
                append=(backup / _WEIGHTS).exists(),
            ),
        ],
    )


def _optimizer(settings: TeacherTraining, steps: int):
    """Adam with a short warm-up, cosine decay and averaged weights."""
    warmup = max(1, min(1_000, steps // 20))
    return keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            settings.learning_rate / warmup,
            max(1, steps - warmup),
            warmup_target=settings.learning_rate,
            warmup_steps=warmup,
        ),
        global_clipnorm=settings.clip_norm,
        use_ema=True,
        # A twentieth of the run: a longer average of a short run would still
        # hold the initial weights.
        ema_momentum=max(0.0, min(0.9999, 1.0 - 20.0 / steps)),
    )
