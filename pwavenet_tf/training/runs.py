"""Training runs: from a prepared corpus to teacher.keras and student.keras."""

import dataclasses
import math
from pathlib import Path

import keras

from pwavenet_tf.core.config import AudioContract, Conditioning, TeacherConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import (
    Distillation,
    Preset,
    TeacherTraining,
    require_within,
)
from pwavenet_tf.corpus.clips import ClipSource
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.distiller import Distiller, require_distillable
from pwavenet_tf.distillation.perceptual import require_same_contract
from pwavenet_tf.distillation.spectral import RESOLUTIONS, SpectralTrainer
from pwavenet_tf.models.backend import in_precision, policy
from pwavenet_tf.models.distributions import Gaussian
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.teachers import Teacher, WaveNet, kind_of, teacher_of
from pwavenet_tf.training.fit import fit, samples_around, save_model
from pwavenet_tf.training.run_folder import (
    as_begun,
    digest_of,
    open_run,
    seeded,
    start_from,
    weights_of,
)
from pwavenet_tf.training.truncated import (
    TruncatedTrainer,
    require_whole_frames,
)

# About a second.
_CLIP_LENGTH = 16_000


def train_teacher(
    corpus: Corpus,
    preset: Preset,
    out: Path,
    steps: int | None = None,
    tensorboard: Path | None = None,
    initial: Teacher | None = None,
    seed: int = 0,
) -> Teacher:
    """Trains the preset's teacher and writes `out/teacher.keras`.

    A SampleRNN is trained by truncated back-propagation through time; see
    `TruncatedTrainer`.

    The weights are averaged over the last steps. A run that was interrupted
    resumes when it is started again, and a finished one continues when it is
    started with more steps; see `fit` for its learning rate then.

    Args:
        corpus: The prepared corpus.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.
        tensorboard: Folder for TensorBoard: reports go to `teacher` in it;
            see `SpeechBoard`. Nothing is written if left out.
        initial: A trained teacher whose weights are the first ones, and the
            first in the average; it is not changed. Sizes, contract and
            conditioning must be the same: prepare another corpus with
            `statistics` of this teacher.
        seed: Determines the initial weights and the order of the clips.

    Returns:
        The trained teacher.

    Raises:
        UserError: If corpus, preset and initial teacher have different
            contracts or sizes, if `out` holds a run that has finished or is
            another one, if it or `tensorboard` can't be written, or if the
            loss stops being finite; for a SampleRNN also if the segments are
            not whole frames, or the recordings fewer than a step's rows.
    """
    require_within("seed", seed)
    settings = preset.teacher_training
    conditioning = conditioning_of(corpus, preset)
    target = Path(out) / "teacher.keras"
    sizes = kind_of(preset).suited_sizes(preset.teacher, conditioning)
    if isinstance(sizes, TeacherConfig):
        sizes = as_begun(target, sizes, prediction_order=0)
        if isinstance(initial, WaveNet):
            # No flag sets it, and earlier teachers have none.
            order = initial.prediction_order
            sizes = dataclasses.replace(sizes, prediction_order=order)
    preset = dataclasses.replace(preset, teacher=sizes)
    run = open_run(
        target,
        steps or settings.steps,
        conditioning,
        sizes,
        settings,
        seed=seed,
        data=digest_of(corpus.card),
        **weights_of(initial_weights=initial),
    )
    with seeded(seed):
        teacher = teacher_of(preset, corpus.contract, conditioning)
        teacher.build()
    if initial is not None:
        start_from(teacher, initial)
    trained = in_precision(teacher, settings.precision)
    model = _likelihood_trainer(trained, settings)
    left_context = teacher.receptive_field
    fit(model, corpus, settings, left_context, run, tensorboard, seed)
    teacher.set_weights(trained.get_weights())
    save_model(teacher, run.target)
    return teacher


def _likelihood_trainer(
    teacher: Teacher, settings: TeacherTraining
) -> keras.Model:
    """What is fitted: a WaveNet itself, or what carries a SampleRNN's state."""
    if not isinstance(teacher, SampleRNN):
        return teacher
    require_whole_frames(teacher, settings.clip_length)
    trainer = TruncatedTrainer(
        teacher, settings.batch_size, dtype=policy(settings.precision)
    )
    trainer.build()
    return trainer


def conditioning_of(corpus: ClipSource, preset: Preset) -> Conditioning:
    """The preset's conditioning with the corpus's phones and speakers."""
    dataclasses.replace(
        corpus.contract, mel_mean=(), mel_deviation=()
    ).require_equal(preset.audio, "the data", f"the preset {preset.name}")
    return corpus.conditioning(preset.conditioning)


def _new_student(
    preset: Preset, contract: AudioContract, conditioning, seed: int
) -> ParallelWaveNet:
    with seeded(seed):
        student = ParallelWaveNet.from_preset(preset, contract, conditioning)
        student.build()
    return student


def _reseed(student: ParallelWaveNet, seed: int) -> None:
    """Its noise follows from the seed, whatever was drawn before."""
    generator = keras.random.SeedGenerator(seed)
    student.seed_generator.state.assign(generator.state)


def require_suited(
    corpus: Corpus,
    teacher: Teacher,
    preset: Preset,
    phone_classifier: PhoneClassifier | None = None,
) -> Distillation:
    """The preset's distillation; refuses what no student can come from."""
    settings = preset.distillation
    if settings is None:
        raise UserError(
            f"the preset {preset.name} has no student; prepare the data with "
            "one that has, such as samplernn-small or nano"
        )
    require_distillable(teacher)
    corpus.contract.require_equal(teacher.audio, "the data", "the teacher")
    if corpus.conditioning(teacher.conditioning) != teacher.conditioning:
        raise UserError(
            "the data and the teacher have different phones, speakers or mean "
            "pitch; give the data that the teacher was trained on"
        )
    if settings.contrastive and settings.batch_size < 2:
        raise UserError(
            "the contrastive loss needs two clips a step or more, but "
            f"batch_size is {settings.batch_size}; raise it, or distil with "
            "Distillation(contrastive=0) from Python"
        )
    if phone_classifier is not None:
        require_same_contract(phone_classifier, corpus.contract)
    return settings


def distillation_context(
    teacher: Teacher, student: ParallelWaveNet, settings: Distillation
) -> int:
    """Samples of each clip before those in the loss.

    The receptive fields of both must lie inside the clip: the student's over
    its noise, the teacher's over the student's samples. A SampleRNN begins
    with its initial state at the clip's first sample, and has read the
    student's receptive field before the loss. Clips are refused that are too
    short for the power loss, which would have no spectrum to compare.
    """
    left_context = max(teacher.receptive_field, student.receptive_field)
    longest = max(fft for fft, *_ in settings.power.resolutions)
    around = samples_around(student.audio, left_context)
    if settings.clip_length + around < longest:
        hop = student.audio.hop_length
        least = math.ceil((longest - around) / hop) * hop
        raise UserError(
            f"clip_length {settings.clip_length} is too short: with "
            f"{around:,} samples around it, it holds none of the spectra of "
            f"{longest:,} samples that the power loss compares; give "
            f"--clip_length={least} or more"
        )
    return left_context


def with_noise_of(preset: Preset, teacher: Teacher) -> Preset:
    """The preset with the student's noise matching the teacher's output.

    The student of a Gaussian teacher is Gaussian too, so that the KL has a
    closed form.
    """
    if teacher.head_class is not Gaussian or preset.student is None:
        return preset
    sizes = dataclasses.replace(preset.student, noise="gaussian")
    return dataclasses.replace(preset, student=sizes)


def with_sizes_of(initial: ParallelWaveNet | None, preset: Preset) -> Preset:
    """The preset with the sizes of an initial student: no flag sets them.

    But for its noise, which must be the teacher's.
    """
    if not isinstance(initial, ParallelWaveNet) or preset.student is None:
        return preset
    sizes = {
        field.name: getattr(initial, field.name)
        for field in dataclasses.fields(preset.student)
    }
    student = dataclasses.replace(preset.student, **sizes)
    return dataclasses.replace(preset, student=student)


def make_distiller(
    teacher: Teacher,
    student: ParallelWaveNet,
    settings: Distillation,
    phone_classifier: PhoneClassifier | None = None,
    seed: int = 1,
) -> Distiller:
    """The Distiller of these settings, built.

    The teacher is in float32, the student in the precision of the settings.
    """
    distiller = Distiller(
        in_precision(teacher, settings.precision),
        student,
        phone_classifier,
        **settings.losses(),
        seed=seed,
        dtype=policy(settings.precision),
    )
    distiller.build()
    return distiller


def distill(
    corpus: Corpus,
    teacher: Teacher,
    preset: Preset,
    out: Path,
    steps: int | None = None,
    phone_classifier: PhoneClassifier | None = None,
    tensorboard: Path | None = None,
    initial: ParallelWaveNet | None = None,
    seed: int = 0,
) -> ParallelWaveNet:
    """Distils the preset's student and writes `out/student.keras`.

    The student of a Gaussian teacher is Gaussian too, so that the KL has a
    closed form. Interrupted and finished runs continue as those of
    `train_teacher`.

    Args:
        corpus: The corpus that the teacher was trained on.
        teacher: The trained teacher; it is not changed.
        preset: Sizes and training settings.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; the preset's own number if left out.
        phone_classifier: Trained by `train_phones`, for the perceptual
            losses; without it there are none.
        tensorboard: Folder for TensorBoard: reports go to `student` in it;
            see `SpeechBoard`. Nothing is written if left out.
        initial: A trained student of the same contract and conditioning, whose
            sizes are taken instead of the preset's and whose weights are the
            first ones, and the first in the average, its conditioning
            network's included; it is not changed. Without it, the student
            starts from the teacher's conditioning network and random flows.
        seed: Determines the initial weights, the order of the clips and the
            noise.

    Returns:
        The trained student.

    Raises:
        UserError: If corpus, teacher, initial student and phone classifier
            have different contracts, if a step has too few clips for the
            contrastive loss or too short ones for the power loss, if `out`
            holds a run that has finished or is another one, if it or
            `tensorboard` can't be written, or if the loss stops being finite.
    """
    require_within("seed", seed)
    settings = require_suited(corpus, teacher, preset, phone_classifier)
    target = Path(out) / "student.keras"
    if not settings.contrastive:
        settings = as_begun(target, settings, contrastive=0.3)
    preset = with_noise_of(with_sizes_of(initial, preset), teacher)
    run = open_run(
        target,
        steps or settings.steps,
        preset.student,
        settings,
        seed=seed,
        data=digest_of(corpus.card),
        **weights_of(
            teacher=teacher,
            phone_classifier=phone_classifier,
            initial_weights=initial,
        ),
    )
    student = _new_student(preset, corpus.contract, teacher.conditioning, seed)
    if initial is None:
        student.copy_conditioner(teacher)
    else:
        start_from(student, initial)
    trained = in_precision(student, settings.precision)
    distiller = make_distiller(
        teacher, trained, settings, phone_classifier, seed + 1
    )
    # The Distiller's own random numbers have the next seed.
    _reseed(trained, seed)
    left_context = distillation_context(teacher, student, settings)
    fit(distiller, corpus, settings, left_context, run, tensorboard, seed)
    student.set_weights(trained.get_weights())
    save_model(student, run.target)
    return student


def spectral_training(
    contract: AudioContract, source_alone: bool = False
) -> TeacherTraining:
    """How a student is usually trained by spectra.

    Steps of the source-filter flow alone are short.
    """
    batch_size, length = (4, 8_000) if source_alone else (1, _CLIP_LENGTH)
    frames = length // contract.hop_length
    return TeacherTraining(
        steps=8_000,
        batch_size=batch_size,
        clip_length=frames * contract.hop_length,
        learning_rate=2e-3,
    )


def train_student(
    corpus: Corpus,
    preset: Preset,
    out: Path,
    steps: int | None = None,
    settings: TeacherTraining | None = None,
    tensorboard: Path | None = None,
    initial: ParallelWaveNet | None = None,
    seed: int = 0,
    source_alone: bool = False,
) -> ParallelWaveNet:
    """Trains the preset's student by spectra and writes `out/student.keras`.

    By the multi-resolution STFT loss against the recordings; see
    `SpectralTrainer`. Interrupted and finished runs continue as those of
    `train_teacher`. A student so trained may be the initial one of `distill`.

    Args:
        corpus: The prepared corpus.
        preset: The sizes and the conditioning.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; those of the settings if left out.
        settings: How to train; as usual if left out.
        tensorboard: Folder for TensorBoard: reports go to `student` in it;
            see `SpeechBoard`. Nothing is written if left out.
        initial: A trained student of the same contract and conditioning, whose
            sizes are taken instead of the preset's and whose weights are the
            first ones; it is not changed.
        seed: Determines the initial weights, the order of the clips and the
            noise.
        source_alone: Train the source-filter flow alone; see
            `SpectralTrainer`.

    Returns:
        The trained student.

    Raises:
        UserError: If the preset has no student, or none with a source-filter
            flow where that is trained alone, if corpus, preset and initial
            student have different contracts or sizes, if the clips are too
            short for the loss, if `out` holds a run that has finished or is
            another one, if it or `tensorboard` can't be written, or if the
            loss stops being finite.
    """
    require_within("seed", seed)
    if preset.student is None:
        raise UserError(
            f"the preset {preset.name} has no student; prepare the data with "
            "another --preset"
        )
    settings = settings or spectral_training(corpus.contract, source_alone)
    preset = with_sizes_of(initial, preset)
    conditioning = conditioning_of(corpus, preset)
    student = _new_student(preset, corpus.contract, conditioning, seed)
    left_context = student.receptive_field
    around = samples_around(student.audio, left_context)
    longest = max(fft for fft, *_ in RESOLUTIONS)
    if settings.clip_length + around < longest:
        hop = corpus.contract.hop_length
        least = math.ceil(longest / hop) * hop
        raise UserError(
            f"clip_length {settings.clip_length} is too short for spectra of "
            f"{longest:,} samples; give --clip_length={least}"
        )
    run = open_run(
        Path(out) / "student.keras",
        steps or settings.steps,
        conditioning,
        preset.student,
        settings,
        seed=seed,
        data=digest_of(corpus.card),
        # Runs of before were not of the flow alone.
        **({"source_alone": True} if source_alone else {}),
        **weights_of(initial_weights=initial),
    )
    if initial is not None:
        start_from(student, initial)
    trained = in_precision(student, settings.precision)
    trainer = SpectralTrainer(
        trained, source_alone, dtype=policy(settings.precision)
    )
    trainer.build()
    _reseed(trained, seed)
    fit(trainer, corpus, settings, left_context, run, tensorboard, seed)
    trained.trainable = True
    student.set_weights(trained.get_weights())
    save_model(student, run.target)
    return student
