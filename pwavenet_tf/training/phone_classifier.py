"""Training of the phone classifier, and its scores on held-out speech."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.training_config import TeacherTraining
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.phone_classifier import (
    PhoneClassifier,
    PhoneClassifierConfig,
)
from pwavenet_tf.training.fit import fit, save_model
from pwavenet_tf.training.run_folder import digest_of, open_run

_CONFUSIONS = 10


@dataclasses.dataclass(frozen=True)
class PhoneScores:
    """Frame accuracy over recordings, and where the mistakes are.

    Attributes:
        frames: Frames whose phone is known.
        accuracy: Share of them that are classified correctly.
        commonest: The most frequent phone among them.
        baseline: Its share: the accuracy of always predicting it.
        phones: `{"frames", "accuracy"}` of each phone that occurs, the most
            frequent first.
        confusions: `{"said", "heard", "frames"}`, the most frequent confusions:
            the labelled phone, the predicted one, and their frames.
    """

    frames: int
    accuracy: float
    commonest: str
    baseline: float
    phones: dict[str, dict]
    confusions: list[dict]

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> "PhoneScores":
        """Counts pairs of labelled and predicted phones, frame by frame."""
        pairs = list(pairs)
        counts = Counter(pairs)
        labelled = Counter(phone for phone, _ in pairs)
        frames = len(pairs)
        commonest, most = labelled.most_common(1)[0]
        return cls(
            frames=frames,
            accuracy=sum(counts[phone, phone] for phone in labelled) / frames,
            commonest=commonest,
            baseline=most / frames,
            phones={
                phone: {
                    "frames": count,
                    "accuracy": round(counts[phone, phone] / count, 4),
                }
                for phone, count in labelled.most_common()
            },
            confusions=[
                {"said": one, "heard": other, "frames": count}
                for (one, other), count in counts.most_common()
                if one != other
            ][:_CONFUSIONS],
        )

    def save(self, path: Path) -> None:
        content = json.dumps(
            dataclasses.asdict(self), indent=1, ensure_ascii=False
        )
        with atomic_write(path) as temporary:
            temporary.write_text(content + "\n", "utf-8")


def held_out_scores(classifier: PhoneClassifier, corpus: Corpus) -> PhoneScores:
    """Scores a classifier on whole recordings that it was not trained on."""
    from pwavenet_tf.core.progress import Bar

    symbols = np.array(["", *classifier.phones], object)
    pairs = []
    for _, audio, features in Bar(
        corpus.utterances("validation"),
        total=len(corpus.card.validation),
        desc="held out",
        unit="recording",
    ):
        labelled = features["phones"][:, 1]
        short = len(labelled) * classifier.audio.hop_length - len(audio)
        logits = classifier({"audio": np.pad(audio, (0, short))[np.newaxis]})
        predicted = keras.ops.convert_to_numpy(logits)[0].argmax(axis=-1)
        known = labelled > 0
        pairs += zip(
            symbols[labelled[known]], symbols[predicted[known]], strict=True
        )
    return PhoneScores.of_pairs(pairs)


@dataclasses.dataclass(frozen=True)
class PhoneTraining:
    """How the phone classifier is trained.

    The seconds are those of each clip that are in the loss; the learning rate
    is Adam's peak.
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

    Next to it are the log, `phones.csv`, and the scores on the recordings that
    were held out, `phones.json`. The weights are averaged over the last steps.
    A run that was interrupted resumes when it is started again; more steps
    continue one that has finished.

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
    run = open_run(
        Path(out) / "phones.keras",
        steps or training.steps,
        config,
        training,
        data=digest_of(corpus.card),
    )
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
