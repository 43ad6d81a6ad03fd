"""How well a phone classifier hears recordings that were held out."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.files import written_aside
from pwavenet_tf.phone_classifier import PhoneClassifier

_CONFUSIONS = 10


@dataclasses.dataclass(frozen=True)
class PhoneScores:
    """Frame accuracy over recordings, and where the mistakes are.

    Attributes:
        frames: Frames whose phone is known.
        accuracy: Share of them that the classifier named rightly.
        commonest: The most frequent phone among them.
        baseline: Its share: the accuracy of always answering it.
        phones: `{"frames", "accuracy"}` of each phone that occurs, the most
            frequent first.
        confusions: `{"said", "heard", "frames"}`, the commonest mistakes.
    """

    frames: int
    accuracy: float
    commonest: str
    baseline: float
    phones: dict[str, dict]
    confusions: list[dict]

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> "PhoneScores":
        """Counts pairs of what was said and what was heard, frame by frame."""
        counts = Counter(pairs)
        said = Counter()
        for (phone, _), count in counts.items():
            said[phone] += count
        frames = sum(said.values())
        commonest, most = said.most_common(1)[0]
        return cls(
            frames=frames,
            accuracy=sum(counts[phone, phone] for phone in said) / frames,
            commonest=commonest,
            baseline=most / frames,
            phones={
                phone: {
                    "frames": count,
                    "accuracy": round(counts[phone, phone] / count, 4),
                }
                for phone, count in said.most_common()
            },
            confusions=[
                {"said": one, "heard": other, "frames": count}
                for (one, other), count in counts.most_common()
                if one != other
            ][:_CONFUSIONS],
        )

    def save(self, path: Path) -> None:
        """Writes them as JSON.

        Raises:
            UserError: If the file cannot be written.
        """
        content = json.dumps(
            dataclasses.asdict(self), indent=1, ensure_ascii=False
        )
        with written_aside(path) as aside:
            aside.write_text(content + "\n", "utf-8")


def held_out_scores(classifier: PhoneClassifier, corpus: Corpus) -> PhoneScores:
    """Scores a classifier on whole recordings that it was not trained on.

    Args:
        classifier: Trained on this corpus.
        corpus: A prepared corpus with phones, of the same contract.
    """
    from tqdm import tqdm

    symbols = np.array(["", *classifier.phones], object)
    pairs = []
    for _, audio, features in tqdm(
        corpus.utterances("validation"),
        total=len(corpus.card.validation),
        desc="held out",
        unit="recording",
        disable=None,
    ):
        said = features["phones"][:, 1]
        short = len(said) * classifier.audio.hop_length - len(audio)
        logits = classifier({"audio": np.pad(audio, (0, short))[np.newaxis]})
        heard = keras.ops.convert_to_numpy(logits)[0].argmax(axis=-1)
        known = said > 0
        pairs += zip(symbols[said[known]], symbols[heard[known]], strict=True)
    return PhoneScores.of_pairs(pairs)
