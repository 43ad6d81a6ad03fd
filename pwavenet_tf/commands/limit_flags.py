"""The flags that say what the audit of a corpus accepts."""

import dataclasses
import math

from absl import flags

from pwavenet_tf.corpus.audit.limits import Limits
from pwavenet_tf.errors import UserError


def define_limits(flag_values: flags.FlagValues) -> None:
    """Defines a flag for each field of `Limits`."""
    for field in dataclasses.fields(Limits):
        define = (
            flags.DEFINE_boolean
            if isinstance(field.default, bool)
            else flags.DEFINE_float
        )
        define(
            field.name,
            field.default,
            field.metadata["help"],
            flag_values=flag_values,
        )


def chosen_limits(flag_values: flags.FlagValues) -> Limits:
    """What the flags say.

    Raises:
        UserError: If a limit is not a number, or no recording could be both
            long enough and short enough.
    """
    chosen = {
        field.name: flag_values[field.name].value
        for field in dataclasses.fields(Limits)
    }
    for name, value in chosen.items():
        if value is not None and not math.isfinite(value):
            raise UserError(f"--{name}={value} is not a number; give one")
    limits = Limits(**chosen)
    if not 0 < limits.shortest_seconds <= limits.longest_seconds:
        raise UserError(
            f"--shortest_seconds={limits.shortest_seconds:g} must be more "
            "than 0 and no more than --longest_seconds="
            f"{limits.longest_seconds:g}"
        )
    return limits
