"""Trains a phone classifier for the perceptual loss; optional.

The classifier is a small network that predicts from raw audio which phone is
spoken in each frame. Distillation can then compare its activations for the
student and for the recordings, layer by layer: they differ for a student that
mumbles, even where its power at every frequency is right.

It learns from data with phones: prepare them with linguistic among
--conditioning, from label files or from the texts of the recordings.

A run writes RUN/phones.keras and reports its frame accuracy on the recordings
that were held out, next to the share of the most frequent phone, which is the
accuracy of always predicting it. RUN/phones.json gives both for each phone,
with the most frequent confusions. Three minutes of one voice gave an accuracy
of 36 % where the most frequent phone had 8 %; most confusions were between
similar phones, such as s and z.

Before it:  pwavenet prepare --conditioning=mel,linguistic
After it:   pwavenet distill

Example:
  pwavenet prepare --corpus=recordings --out=data \\
      --conditioning=mel,linguistic
  pwavenet train-phones --data=data --out=run
"""

from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next

define_flags = flags.table(
    flags.data(
        "DATA: Folder that `pwavenet prepare` wrote, with linguistic among "
        "--conditioning."
    ),
    flags.out("RUN: Folder to write phones.keras to."),
    flags.setting(
        "steps",
        "N: Optimiser steps; 500, about five minutes on two cores, if left "
        "out. Hours of recordings deserve more.",
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains the classifier, prints its accuracy and the next command."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.training.phone_classifier import train_phones

    data, out = Path(flag_values.data), Path(flag_values.out)
    _, scores = train_phones(Corpus(data), out, flag_values.steps)
    print(
        f"Of {scores.frames} frames held out, {scores.accuracy:.1%} are "
        f"classified correctly; always predicting {scores.commonest!r} would "
        f"give {scores.baseline:.1%}."
    )
    phones = out / "phones.keras"
    print(f"The phone classifier is {phones}. Next:")
    teacher = "TEACHER.keras"
    print_next("distill", data=data, teacher=teacher, phones=phones, out=out)
