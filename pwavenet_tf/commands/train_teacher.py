"""Trains the teacher, a WaveNet: good sound, made slowly.

The teacher learns how probable every next sample is, given all samples
before it and the mel spectrogram. It speaks one sample after another, which
is why a student is distilled from it afterwards. What it learns bounds what
the student can learn, so most of the time is well spent here.

A run writes RUN/teacher.keras. Its progress is the loss in nats per sample
on recordings that were held out; lower is better.

Before it:  pwavenet prepare
After it:   pwavenet distill

Example:
  pwavenet train-teacher --data=data --out=run
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing_folder,
    writable_folder,
)
from pwavenet_tf.presets import preset, preset_names


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --data, --out, --preset and --steps."""
    define_path(
        "data",
        "DATA: Folder that `pwavenet prepare` wrote.",
        flag_values,
        existing_folder,
    )
    define_path(
        "out",
        "RUN: Folder to write teacher.keras to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_enum(
        "preset",
        "nano",
        preset_names(),
        "NAME: Settings to follow; the ones that the data was prepared with.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "steps",
        None,
        "N: Optimiser steps; as many as the preset says, if left out.",
        lower_bound=1,
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Trains the teacher and says what comes next."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.training import train_teacher

    data, out = Path(flag_values.data), Path(flag_values.out)
    train_teacher(
        Corpus(data), preset(flag_values.preset), out, flag_values.steps
    )
    print(f"The teacher is {out / 'teacher.keras'}. Next:")
    print(
        f"  pwavenet distill --data={data} --teacher={out / 'teacher.keras'} "
        f"--out={out}"
    )
