"""Training runs: from a prepared corpus to phones.keras."""

import dataclasses
from pathlib import Path

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.errors import UserError
from pwavenet_tf.fitting import fit, save_model
from pwavenet_tf.phone_classifier import PhoneClassifier, PhoneClassifierConfig
from pwavenet_tf.phone_scores import PhoneScores, held_out_scores
from pwavenet_tf.run_folder import RunFolder, digest_of, identity
from pwavenet_tf.training_config import TeacherTraining


@dataclasses.dataclass(frozen=True)
class PhoneTraining:
    """How the phone classifier is trained.

    Attributes:
        steps: Optimiser steps of a whole run.
        batch_size: Clips a step.
        clip_seconds: Length of each clip that counts in the loss.
        learning_rate: Adam's, at its peak.
    """

    steps: int = 500
    batch_size: int = 4
    clip_seconds: float = 1.0
    learning_rate: float = 2e-3

    def for_contract(self, audio: AudioContract) -> TeacherTraining:
        """The same in whole frames, as `fit` takes it."""
        frames = round(self.clip_seconds * audio.sample_rate / audio.hop_length)
        return TeacherTraining(
            self.steps,
            self.batch_size,
            max(1, frames) * audio.hop_length,
            self.learning_rate,
        )


def train_phones(
    corpus: Corpus,
    out: Path,
    steps: int | None = None,
    config: PhoneClassifierConfig | None = None,
    training: PhoneTraining | None = None,
) -> tuple[PhoneClassifier, PhoneScores]:
    """Trains a phone classifier and writes `out/phones.keras`.

    Beside it come the log, `phones.csv`, and the scores on the recordings
    that were held out, `phones.json`. The weights are averaged over the last
    steps. A run that was interrupted goes on where it was when it is started
    again; more steps continue one that has finished.

    Args:
        corpus: The prepared corpus; it must hold linguistic features.
        out: Folder of the run; it is made if need be.
        steps: Optimiser steps; those of `training` if left out.
        config: Sizes; the usual ones if left out.
        training: How to train; as usual if left out.

    Returns:
        The trained classifier and its scores.

    Raises:
        UserError: If the corpus holds no phones, if `out` holds a run that
            has finished or is another one, or can't be written, or if the
            loss stops being finite.
    """
    config = config or PhoneClassifierConfig()
    training = training or PhoneTraining()
    if not corpus.card.phones:
        raise UserError(
            "the data hold no phones to learn; prepare them with "
            "--conditioning=mel,linguistic, which takes label files or texts "
            "(see pwavenet prepare --help)"
        )
    run = RunFolder(
        Path(out) / "phones.keras",
        identity(config, training, data=digest_of(corpus.card)),
        steps or training.steps,
    )
    run.check()
    classifier = PhoneClassifier.for_phones(
        corpus.contract, corpus.card.phones, config
    )
    classifier.build()
    fit(
        classifier,
        corpus,
        training.for_contract(corpus.contract),
        classifier.receptive_field,
        run,
    )
    save_model(classifier, run.target)
    scores = held_out_scores(classifier, corpus)
    scores.save(run.target.with_suffix(".json"))
    return classifier, scores
