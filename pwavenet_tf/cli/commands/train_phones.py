"""Trains an ear for phones, for distill to judge by; optional.

The ear is a small network that hears raw audio and says which phone sounds
in each frame. Distillation can then compare how the student and the
recordings sound to it, layer by layer: a student that mumbles sounds wrong to
an ear that knows phones, even where its power at every frequency is right.

It learns from data that know their phones: prepare them with linguistic
among --conditioning, from label files or from the texts of the recordings.

A run writes RUN/phones.keras and tells how many frames of the recordings
that were held out it named rightly, beside the share of the commonest phone:
that much is had by always answering the same. RUN/phones.json tells it for
each phone, with the commonest mistakes. Three minutes of one voice gave 36 %
of frames where the commonest phone had 8 %; most mistakes were neighbours,
such as s and z.

Before it:  pwavenet prepare --conditioning=mel,linguistic
After it:   pwavenet distill

Example:
  pwavenet prepare --corpus=recordings --out=data \\
      --conditioning=mel,linguistic
  pwavenet train-phones --data=data --out=run
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import define_path, existing_folder, writable_folder


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --data, --out and --steps."""
    define_path(
        "data",
        "DATA: Folder that `pwavenet prepare` wrote, with linguistic among "
        "--conditioning.",
        flag_values,
        existing_folder,
    )
    define_path(
        "out",
        "RUN: Folder to write phones.keras to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_integer(
        "steps",
        None,
        "N: Optimiser steps; 500, about five minutes on two cores, if left "
        "out. Hours of recordings deserve more.",
        lower_bound=1,
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Trains the classifier, says how well it hears and what comes next."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.training.phone_classifier import train_phones

    data, out = Path(flag_values.data), Path(flag_values.out)
    _, scores = train_phones(Corpus(data), out, flag_values.steps)
    print(
        f"Of {scores.frames} frames held out, {scores.accuracy:.1%} are named "
        f"rightly; always answering {scores.commonest!r} would name "
        f"{scores.baseline:.1%}."
    )
    print(f"The phone classifier is {out / 'phones.keras'}. Next:")
    print(
        f"  pwavenet distill --data={data} --teacher=TEACHER.keras "
        f"--phones={out / 'phones.keras'} --out={out}"
    )
