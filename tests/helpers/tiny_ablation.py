"""What the tests of an ablation share: names, and a phone classifier."""

from pathlib import Path

from tiny_models import randomised

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.phone_classifier import PhoneClassifier

NAMES = ["kl", "kl_power", "perceptual", "contrastive"]


def tiny_classifier(data: Path) -> PhoneClassifier:
    """A classifier of the corpus's contract, with random weights."""
    return randomised(
        PhoneClassifier(
            Corpus(data).contract,
            ("a", "b"),
            strides=(10, 20),
            dilations=((1, 2), (1, 2), (1, 2)),
            channels=(4, 4, 4),
        )
    )
