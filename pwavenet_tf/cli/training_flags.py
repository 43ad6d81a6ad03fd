"""Flags that training commands share."""

import dataclasses
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.cli.flags import (
    define_file,
    define_path,
    define_steps,
    writable_folder,
)
from pwavenet_tf.cli.numbers import define_number
from pwavenet_tf.core.training_config import (
    BOUNDS,
    PRECISIONS,
    TeacherTraining,
)
from pwavenet_tf.training.distribution import STRATEGIES

if TYPE_CHECKING:
    import tensorflow as tf

_PRESET = "As usual for the preset, if left out."
_SETTINGS = {
    "batch_size": f"N: Clips a step. {_PRESET}",
    "clip_length": (
        f"SAMPLES: Length of each clip, a multiple of the hop length. {_PRESET}"
    ),
    "learning_rate": (
        "RATE: Adam's at its peak, from which it decays to zero by a cosine. "
        f"{_PRESET}"
    ),
    "report_every": (
        "STEPS: Steps between two reports. A tenth of the run, and 1,000 at "
        "most, if left out."
    ),
}


def define_precision(flag_values: flags.FlagValues) -> None:
    """Defines `--precision`."""
    flags.DEFINE_enum(
        "precision",
        "float32",
        PRECISIONS,
        "TYPE: What the networks compute in while they are trained: bfloat16 "
        "where the processor, GPU or TPU has it, float16 (with loss scaling) "
        "on GPUs. Weights, likelihoods and the model that is written are "
        "float32 in any case.",
        flag_values=flag_values,
    )


def chosen_strategy(flag_values: flags.FlagValues) -> "tf.distribute.Strategy":
    """The strategy that `--strategy` asks for.

    Raises:
        UserError: If there are no such machines.
    """
    from pwavenet_tf.training.distribution import choose_strategy

    return choose_strategy(flag_values.strategy)


def define_training(
    flag_values: flags.FlagValues, model: str, seeded: str
) -> None:
    """Defines the flags of a run's length, start, settings and devices.

    Args:
        flag_values: Where they are defined.
        model: `teacher` or `student`.
        seeded: What depends on the seed.
    """
    define_steps(
        "N: Optimiser steps of the whole run; as many as usual for the preset, "
        "if left out. More than a finished run in RUN has done continue it.",
        flag_values,
    )
    define_file(
        "initial",
        f"FILE: A {model}.keras whose weights are the first ones: to fine-tune "
        "on another voice, or to continue in another folder. Its sizes must be "
        "the same, and the data prepared with its statistics (pwavenet prepare "
        "--statistics_of=FILE). Random weights, if left out.",
        flag_values,
        required=False,
    )
    for name, meaning in _SETTINGS.items():
        define_setting(name, None, meaning, flag_values)
    define_setting(
        "seed",
        0,
        f"N: Determines {seeded}: the same seed gives the same {model}.",
        flag_values,
    )
    define_precision(flag_values)
    flags.DEFINE_enum(
        "strategy",
        "auto",
        STRATEGIES,
        "WHERE: The devices to train on: single, one; mirrored, all GPUs of "
        "this machine; multiworker, the machines that TF_CONFIG lists; tpu, "
        "the one that TPU_NAME names. auto takes all that it finds. A step's "
        "clips are divided among them.",
        flag_values=flag_values,
    )
    define_path(
        "tensorboard",
        "DIR: Folder of reports for TensorBoard: curves, held-out recordings "
        "and the model's output for them, their spectrograms, and histograms. "
        "View them with tensorboard --logdir=DIR. Nothing is written, if left "
        "out.",
        flag_values,
        writable_folder,
        required=False,
    )


def define_setting(
    name: str, usual: float | None, meaning: str, flag_values: flags.FlagValues
) -> None:
    """Defines the flag of one of `BOUNDS`."""
    bounds = BOUNDS[name]
    whole = isinstance(bounds[0], int)
    define_number(name, usual, meaning, bounds, flag_values, whole)


def with_training(
    settings: TeacherTraining | None, flag_values: flags.FlagValues
) -> TeacherTraining | None:
    """A preset's training settings with what the flags change."""
    if settings is None:
        return None
    given = {
        name: flag_values[name].value
        for name in (*_SETTINGS, "precision")
        if name in flag_values and flag_values[name].value is not None
    }
    return dataclasses.replace(settings, **given)
