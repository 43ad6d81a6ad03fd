"""A student's run without a teacher: from a corpus to student.keras."""

import dataclasses
import math
from pathlib import Path

import keras

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import (
    Preset,
    TeacherTraining,
    require_within,
)
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.spectral import RESOLUTIONS, SpectralTrainer
from pwavenet_tf.models.backend import in_precision, policy
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.training.fit import fit, samples_around, save_model
from pwavenet_tf.training.run_folder import (
    digest_of,
    initial_weights,
    open_run,
    seeded,
    start_from,
)

# About a second.
_CLIP_LENGTH = 16_000


def spectral_training(contract: AudioContract) -> TeacherTraining:
    """How a student is usually trained by spectra."""
    frames = _CLIP_LENGTH // contract.hop_length
    return TeacherTraining(
        steps=8_000,
        batch_size=1,
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
        initial: A trained student of the same sizes, contract and
            conditioning, whose weights are the first ones; it is not changed.
        seed: Determines the initial weights, the order of the clips and the
            noise.

    Returns:
        The trained student.

    Raises:
        UserError: If the preset has no student, if corpus, preset and initial
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
    settings = settings or spectral_training(corpus.contract)
    dataclasses.replace(
        corpus.contract, mel_mean=(), mel_deviation=()
    ).require_equal(preset.audio, "the data", f"the preset {preset.name}")
    conditioning = corpus.conditioning(preset.conditioning)
    with seeded(seed):
        student = ParallelWaveNet.from_preset(
            preset, corpus.contract, conditioning
        )
        student.build()
    context = student.receptive_field
    longest = max(fft for fft, *_ in RESOLUTIONS)
    if settings.clip_length + samples_around(student.audio, context) < longest:
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
        **initial_weights(initial),
    )
    if initial is not None:
        start_from(student, initial)
    trained = in_precision(student, settings.precision)
    trainer = SpectralTrainer(trained, dtype=policy(settings.precision))
    trainer.build()
    generator = keras.random.SeedGenerator(seed)
    trained.seed_generator.state.assign(generator.state)
    fit(trainer, corpus, settings, context, run, tensorboard, seed)
    student.set_weights(trained.get_weights())
    save_model(student, run.target)
    return student
