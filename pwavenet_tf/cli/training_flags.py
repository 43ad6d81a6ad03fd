"""Flags that training commands share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next
from pwavenet_tf.core.training_config import PRECISIONS, Preset, TeacherTraining
from pwavenet_tf.training.distribution import STRATEGIES

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


PRECISION = flags.choice(
    "precision",
    "TYPE: What the networks compute in while they are trained: bfloat16 where "
    "the processor, GPU or TPU has it, float16 (with loss scaling) on GPUs. "
    "Weights, likelihoods and the model that is written are float32 in any "
    "case.",
    PRECISIONS,
    "float32",
)


_SIZES = {
    "teacher": "Its sizes must be the same",
    "student": "Its sizes are taken, its conditioning must be the same",
}


def training(model: str, seeded: str) -> flags.Entry:
    """The flags of a run's length, start, settings and devices.

    `model` is `teacher` or `student`; `seeded` is what depends on the seed.
    """
    return flags.table(
        flags.setting(
            "steps",
            "N: Optimiser steps of the whole run; as many as usual for the "
            "preset, if left out. More than a finished run in RUN has done "
            "continue it.",
        ),
        flags.file(
            "initial",
            f"FILE: A {model}.keras whose weights are the first ones: to "
            "fine-tune on another voice, or to continue in another folder. "
            f"{_SIZES[model]}, and the data must be prepared with its "
            "statistics (pwavenet prepare --statistics_of=FILE). Random "
            "weights, if left out.",
        ),
        *(flags.setting(name, meaning) for name, meaning in _SETTINGS.items()),
        flags.setting(
            "seed",
            f"N: Determines {seeded}: the same seed gives the same {model}.",
            usual=0,
        ),
        PRECISION,
        flags.choice(
            "strategy",
            "WHERE: The devices to train on: single, one; mirrored, all GPUs "
            "of this machine; multiworker, the machines that TF_CONFIG lists; "
            "tpu, the one that TPU_NAME names. auto takes all that it finds. A "
            "step's clips are divided among them.",
            STRATEGIES,
            "auto",
        ),
        flags.path(
            "tensorboard",
            "DIR: Folder of reports for TensorBoard: curves, held-out "
            "recordings and the model's output for them, their spectrograms, "
            "and histograms. View them with tensorboard --logdir=DIR. Nothing "
            "is written, if left out.",
            flags.writable_folder,
        ),
    )


def chosen_run(
    flag_values: flags.FlagValues, load: Callable[[Path], object]
) -> dict[str, object]:
    """What `train_teacher`, `train_student` and `distill` take alike."""
    tensorboard, initial = flag_values.tensorboard, flag_values.initial
    return {
        "out": Path(flag_values.out),
        "steps": flag_values.steps,
        "tensorboard": tensorboard and Path(tensorboard),
        "initial": initial and load(Path(initial)),
        "seed": flag_values.seed,
    }


def print_student(out: Path) -> None:
    """Prints where a student is, and the next command."""
    model = out / "student.keras"
    print(f"The student is {model}. Next:")
    print_next("synthesize", model=model, input="RECORDING.wav", out="SOUND")


def with_training(
    chosen: Preset, flag_values: flags.FlagValues, *jobs: str
) -> Preset:
    """A preset in which the flags change the settings of some jobs."""
    settings = {job: getattr(chosen, job) for job in jobs}
    changed = {
        job: one and changed_settings(one, flag_values)
        for job, one in settings.items()
    }
    return dataclasses.replace(chosen, **changed)


def changed_settings(
    settings: TeacherTraining, flag_values: flags.FlagValues
) -> TeacherTraining:
    """Training settings with what the flags change."""
    given = {
        name: flag_values[name].value
        for name in (*_SETTINGS, "precision")
        if name in flag_values and flag_values[name].value is not None
    }
    return dataclasses.replace(settings, **given)
