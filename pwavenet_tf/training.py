"""Training runs: from a prepared corpus to teacher.keras and student.keras."""

import dataclasses
from pathlib import Path

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distiller import Distiller, require_distillable
from pwavenet_tf.distributions import Gaussian
from pwavenet_tf.errors import UserError
from pwavenet_tf.fitting import fingerprint, fit, new_model_file, save_and_tidy
from pwavenet_tf.losses.perceptual import require_same_contract
from pwavenet_tf.phone_classifier import PhoneClassifier
from pwavenet_tf.precision import in_precision, policy
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.training_config import Preset


def train_teacher(
    corpus: Corpus,
    preset: Preset,
    out: Path,
    steps: int | None = None,
    tensorboard: Path | None = None,
) -> WaveNet:
    """Trains the preset's teacher and writes `out/teacher.keras`.

    The weights are averaged over the last steps. A run that was interrupted
    goes on where it was when it is started again.

    Args:
        corpus: The prepared corpus.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.
        tensorboard: Folder for TensorBoard: reports go to `teacher` in it;
            see `SpeechBoard`. Nothing is written if left out.

    Returns:
        The trained teacher.

    Raises:
        UserError: If corpus and preset have different contracts, if `out`
            holds a teacher already, if it or `tensorboard` can't be written,
            or if the loss stops being finite.
    """
    settings = preset.teacher_training
    dataclasses.replace(
        corpus.contract, mel_mean=(), mel_deviation=()
    ).require_equal(preset.audio, "the data", f"the preset {preset.name}")
    conditioning = corpus.conditioning(preset.conditioning)
    target = new_model_file(out, "teacher")
    teacher = WaveNet.from_preset(preset, corpus.contract, conditioning)
    teacher.build()
    trained = in_precision(teacher, settings.precision)
    fit(
        trained,
        corpus,
        settings,
        teacher.receptive_field,
        target,
        fingerprint(corpus.card, preset, steps),
        steps,
        tensorboard,
    )
    teacher.set_weights(trained.get_weights())
    save_and_tidy(teacher, target)
    return teacher


def require_suited(
    corpus: Corpus,
    teacher: WaveNet,
    preset: Preset,
    phone_classifier: PhoneClassifier | None = None,
) -> None:
    """Refuses what no student can be distilled from.

    Raises:
        UserError: As `distill` does, but for what is about files.
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
    if settings.contrastive and settings.batch_size < 2:
        raise UserError(
            "the contrastive loss needs two clips a step or more, but "
            f"batch_size is {settings.batch_size}; raise it, or set "
            "contrastive to 0"
        )
    if phone_classifier is not None:
        require_same_contract(phone_classifier, corpus.contract)


def distillation_context(teacher: WaveNet, student: ParallelWaveNet) -> int:
    """Samples of each clip before those that count.

    Both must have their whole past inside the clip: the student's samples
    their noise, the teacher's distributions the student's samples.
    """
    return max(teacher.receptive_field, student.receptive_field)


def distill(
    corpus: Corpus,
    teacher: WaveNet,
    preset: Preset,
    out: Path,
    steps: int | None = None,
    phone_classifier: PhoneClassifier | None = None,
    tensorboard: Path | None = None,
) -> ParallelWaveNet:
    """Distils the preset's student and writes `out/student.keras`.

    The student of a Gaussian teacher is Gaussian too, so that the KL has a
    closed form.

    Args:
        corpus: The corpus that the teacher was trained on.
        teacher: The trained teacher; it stays as it is.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.
        phone_classifier: Trained by `train_phones`, for the perceptual
            losses; without it there are none.
        tensorboard: Folder for TensorBoard: reports go to `student` in it;
            see `SpeechBoard`. Nothing is written if left out.

    Returns:
        The trained student.

    Raises:
        UserError: If corpus, teacher and phone classifier have different
            contracts, if a step has too few clips for the contrastive loss,
            if `out` holds a student already, if it or `tensorboard` can't be
            written, or if the loss stops being finite.
    """
    require_suited(corpus, teacher, preset, phone_classifier)
    settings = preset.distillation
    target = new_model_file(out, "student")
    if teacher.head_class is Gaussian:
        sizes = dataclasses.replace(preset.student, noise="gaussian")
        preset = dataclasses.replace(preset, student=sizes)
    student = ParallelWaveNet.from_preset(
        preset, corpus.contract, teacher.conditioning
    )
    student.build()
    student.copy_conditioner(teacher)
    trained = in_precision(student, settings.precision)
    distiller = Distiller(
        in_precision(teacher, settings.precision),
        trained,
        phone_classifier,
        inner_samples=settings.inner_samples,
        kl_weight=settings.kl_weight,
        contrastive=settings.contrastive,
        power_weight=settings.power_weight,
        power=settings.power,
        style_weight=settings.style_weight,
        feature_weight=settings.feature_weight,
        dtype=policy(settings.precision),
    )
    distiller.build()
    context = distillation_context(teacher, student)
    judges = [teacher, phone_classifier] if phone_classifier else [teacher]
    weights = [weight for model in judges for weight in model.get_weights()]
    run = fingerprint(corpus.card, preset, steps, *weights)
    fit(distiller, corpus, settings, context, target, run, steps, tensorboard)
    student.set_weights(trained.get_weights())
    save_and_tidy(student, target)
    return student
