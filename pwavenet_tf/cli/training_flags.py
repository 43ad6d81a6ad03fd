"""Flags that training commands share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.cli.flags import (
    Entry,
    choice,
    file,
    path,
    setting,
    table,
    writable_folder,
)
from pwavenet_tf.cli.usage import next_command
from pwavenet_tf.core.training_config import PRECISIONS, TeacherTraining
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


PRECISION = choice(
    "precision",
    "TYPE: What the networks compute in while they are trained: bfloat16 where "
    "the processor, GPU or TPU has it, float16 (with loss scaling) on GPUs. "
    "Weights, likelihoods and the model that is written are float32 in any "
    "case.",
    PRECISIONS,
    "float32",
)


def chosen_strategy(flag_values: flags.FlagValues) -> "tf.distribute.Strategy":
    """The strategy that `--strategy` asks for.

    Raises:
        UserError: If there are no such machines.
    """
    from pwavenet_tf.training.distribution import choose_strategy

    return choose_strategy(flag_values.strategy)


# Flags set some of a teacher's.
_SIZES = {
    "teacher": "Its sizes must be the same",
    "student": "Its sizes are taken, its conditioning must be the same",
}


def training(model: str, seeded: str) -> Entry:
    """The flags of a run's length, start, settings and devices.

    Args:
        model: `teacher` or `student`.
        seeded: What depends on the seed.
    """
    return table(
        setting(
            "steps",
            "N: Optimiser steps of the whole run; as many as usual for the "
            "preset, if left out. More than a finished run in RUN has done "
            "continue it.",
        ),
        file(
            "initial",
            f"FILE: A {model}.keras whose weights are the first ones: to "
            "fine-tune on another voice, or to continue in another folder. "
            f"{_SIZES[model]}, and the data must be prepared with its "
            "statistics (pwavenet prepare --statistics_of=FILE). Random "
            "weights, if left out.",
            needed=False,
        ),
        *(setting(name, meaning) for name, meaning in _SETTINGS.items()),
        setting(
            "seed",
            f"N: Determines {seeded}: the same seed gives the same {model}.",
            usual=0,
        ),
        PRECISION,
        choice(
            "strategy",
            "WHERE: The devices to train on: single, one; mirrored, all GPUs "
            "of this machine; multiworker, the machines that TF_CONFIG lists; "
            "tpu, the one that TPU_NAME names. auto takes all that it finds. A "
            "step's clips are divided among them.",
            STRATEGIES,
            "auto",
        ),
        path(
            "tensorboard",
            "DIR: Folder of reports for TensorBoard: curves, held-out "
            "recordings and the model's output for them, their spectrograms, "
            "and histograms. View them with tensorboard --logdir=DIR. Nothing "
            "is written, if left out.",
            writable_folder,
            needed=False,
        ),
    )


def chosen_run(
    flag_values: flags.FlagValues, load: Callable[[Path], object]
) -> dict[str, object]:
    """What `train_teacher`, `train_student` and `distill` take alike.

    Args:
        flag_values: With the flags of `training`.
        load: Loads the initial model.
    """
    tensorboard, initial = flag_values.tensorboard, flag_values.initial
    return {
        "out": Path(flag_values.out),
        "steps": flag_values.steps,
        "tensorboard": tensorboard and Path(tensorboard),
        "initial": initial and load(Path(initial)),
        "seed": flag_values.seed,
    }


def print_student(model: Path) -> None:
    """Prints where a student is, and the next command."""
    print(f"The student is {model}. Next:")
    print(
        next_command(
            "synthesize", model=model, input="RECORDING.wav", out="SOUND"
        )
    )


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
