"""Training of the acoustic model, and its errors on held-out speech."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_json
from pwavenet_tf.core.training_config import TeacherTraining
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.phone_sequences import PhoneSequences, Utterance, padded
from pwavenet_tf.models.acoustic_model import AcousticConfig, AcousticModel
from pwavenet_tf.training.fit import fit_batches, save_model
from pwavenet_tf.training.run_folder import (
    digest_of,
    open_run,
    seeded,
    weights_of,
)

# Of normalised natural logarithms of magnitudes.
_DECIBELS = 20.0 / np.log(10.0)


@dataclasses.dataclass(frozen=True)
class AcousticTraining:
    """How the acoustic model is trained; the learning rate is Adam's peak."""

    steps: int = 4_000
    batch_size: int = 16
    learning_rate: float = 1e-3


@dataclasses.dataclass(frozen=True)
class AcousticScores:
    """Errors on recordings, given the recordings' own durations and pitch.

    Attributes:
        recordings: How many.
        mel_decibels: Mean absolute error of the mel spectrogram, dB.
        pitch_semitones: Mean absolute error of F0 where both are voiced; NaN
            if they nowhere are.
        voicing_error: Share of frames with the wrong voicing.
        duration_milliseconds: Mean absolute error of predicted durations.
        variance: Mean over bands of the generated mel spectrogram's variance
            over the recordings'; 1 for recordings. Bands in which a recording
            is constant are left out.
        variance_sharpened: The same after `AcousticModel.sharpened`.
    """

    recordings: int
    mel_decibels: float
    pitch_semitones: float
    voicing_error: float
    duration_milliseconds: float
    variance: float
    variance_sharpened: float


def train_acoustic(
    corpus: Corpus,
    out: Path,
    steps: int | None = None,
    config: AcousticConfig | None = None,
    training: AcousticTraining | None = None,
    seed: int = 0,
    initial: AcousticModel | None = None,
) -> tuple[AcousticModel, AcousticScores]:
    """Trains an acoustic model and writes `out/acoustic.keras`.

    Next to it are the log, `acoustic.csv`, its chart, and the errors on the
    recordings that were held out, `acoustic.json`. The weights are averaged
    over the last steps. A run that was interrupted resumes when it is started
    again; more steps continue one that has finished.

    Args:
        corpus: Prepared with mel, linguistic and pitch.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; those of `training` if left out.
        config: Sizes; the usual ones if left out.
        training: How to train; as usual if left out.
        seed: Determines the initial weights and the order of the utterances.
        initial: A trained model of the same contract, phones and sizes, whose
            weights are the first ones; it is not changed.

    Returns:
        The trained model and its errors.

    Raises:
        UserError: If the corpus holds no phones or pitch, or the initial
            model is of another contract, other phones or sizes; if `out`
            holds a run that has finished or is another one, or can't be
            written; or if the loss stops being finite.
    """
    config = config or AcousticConfig()
    training = training or AcousticTraining()
    sequences = PhoneSequences(corpus)
    run = open_run(
        Path(out) / "acoustic.keras",
        steps or training.steps,
        config,
        training,
        seed=seed,
        data=digest_of(corpus.card),
        **weights_of(initial_weights=initial),
    )
    with seeded(seed):
        model = AcousticModel(
            corpus.contract,
            corpus.card.phones,
            corpus.card.mean_pitch_hz,
            corpus.card.language,
            config,
        )
        model.build()
    if initial is not None:
        _start_from(model, initial)
    held = sequences.utterances("training")
    batch_size = min(training.batch_size, len(held))
    mean_frames = sum(len(one["mel"]) for one in held) // len(held)
    settings = TeacherTraining(
        run.steps,
        batch_size,
        max(1, mean_frames) * corpus.contract.hop_length,
        training.learning_rate,
        clip_norm=1.0,
    )
    run.begin()
    fit_batches(
        model,
        lambda step: sequences.training_batches(batch_size, seed, step),
        sequences.validation_batches(batch_size),
        settings,
        run,
        watchers=[],
        # Utterances differ in length, and XLA would compile for each.
        jit_compile=False,
    )
    model.band_gain.assign(band_gain(model, held))
    save_model(model, run.target)
    scores = acoustic_scores(model, sequences.utterances("validation"))
    write_json(run.target.with_suffix(".json"), dataclasses.asdict(scores))
    return model, scores


def _start_from(model: AcousticModel, initial: AcousticModel) -> None:
    """Gives a model the weights of another."""
    model.audio.require_equal(initial.audio, "the data", "the initial model")
    if model.phones != initial.phones or model.config != initial.config:
        only = set(model.phones) ^ set(initial.phones)
        what = f"phones ({' '.join(sorted(only))})" if only else "sizes"
        raise UserError(
            f"the initial acoustic model has other {what} than this one; "
            "prepare the data with --statistics_of its file, or train without "
            "it"
        )
    model.set_weights(initial.get_weights())


def _generated(model: AcousticModel, held: Iterable[Utterance]):
    """Each utterance with what the model makes of its own durations."""
    import tensorflow as tf

    generate = tf.function(
        lambda batch: model(batch, training=False),
        reduce_retracing=True,
        autograph=False,
    )
    for one in held:
        output = generate(padded([one]))
        yield one, {name: value[0].numpy() for name, value in output.items()}


def band_gain(model: AcousticModel, held: list[Utterance]) -> np.ndarray:
    """Recorded over generated standard deviation of each band, `(mels,)`.

    Both are over the frames of an utterance, their variances averaged over
    utterances.
    """
    recorded, generated = np.mean(
        [
            (one["mel"].var(axis=0), output["mel"].var(axis=0))
            for one, output in _generated(model, held)
        ],
        axis=0,
    )
    return np.sqrt(recorded / np.maximum(generated, 1e-6))


def acoustic_scores(
    model: AcousticModel, held: list[Utterance]
) -> AcousticScores:
    """Measures a model on recordings; see `AcousticScores`."""
    mel_std = np.asarray(model.audio.mel_deviation)
    hop_ms = 1_000 * model.audio.hop_length / model.audio.sample_rate
    errors: dict[str, list[np.ndarray]] = {}
    for one, output in _generated(model, held):
        value, voiced = one["pitch"].T
        recorded_voiced, generated_voiced = voiced > 0, output["voicing"] > 0
        both = generated_voiced & recorded_voiced
        sharp = np.asarray(model.sharpened(output["mel"]))
        durations = np.round(np.exp(output["log_duration"]))
        recorded = one["mel"].var(axis=0)
        varies = recorded > 0
        mel_error = np.abs(one["mel"] - output["mel"])
        pitch_error = np.abs(value - output["pitch"])[both]
        duration_error = np.abs(durations - one["durations"])
        for name, error in {
            "mel_decibels": _DECIBELS * mel_std * mel_error,
            "pitch_semitones": 12 / np.log(2) * pitch_error,
            "voicing_error": generated_voiced != recorded_voiced,
            "duration_milliseconds": hop_ms * duration_error,
            "variance": output["mel"].var(axis=0)[varies] / recorded[varies],
            "variance_sharpened": sharp.var(axis=0)[varies] / recorded[varies],
        }.items():
            errors.setdefault(name, []).append(np.ravel(error))
    means = {}
    for name, parts in errors.items():
        values = np.concatenate(parts)
        means[name] = round(float(values.mean()), 4) if len(values) else np.nan
    return AcousticScores(len(held), **means)
