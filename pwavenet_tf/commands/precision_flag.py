"""The flag of the commands that train: in which precision."""

import dataclasses

from absl import flags

from pwavenet_tf.training_config import PRECISIONS, TeacherTraining


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


def with_precision(
    settings: TeacherTraining | None, flag_values: flags.FlagValues
) -> TeacherTraining | None:
    """Training settings with what `--precision` says."""
    if settings is None:
        return None
    return dataclasses.replace(settings, precision=flag_values.precision)
