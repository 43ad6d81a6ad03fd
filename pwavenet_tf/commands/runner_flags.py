"""The flags of the commands that run on Apache Beam: where, and how."""

import shlex
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.beam import import_beam
from pwavenet_tf.errors import UserError

if TYPE_CHECKING:
    from pwavenet_tf.beam.jobs import Runner

_USUAL = "DirectRunner"


def define_runner(meaning: str, flag_values: flags.FlagValues) -> None:
    """Defines --runner, with what the command says of it, and its options."""
    flags.DEFINE_string("runner", None, meaning, flag_values=flag_values)
    flags.DEFINE_string(
        "runner_options",
        None,
        "OPTIONS: Beam's pipeline options, in one pair of quotes: "
        "'--direct_num_workers=4 --direct_running_mode=multi_processing' "
        f"takes four processes with {_USUAL}.",
        flag_values=flag_values,
    )


def chosen_runner(flag_values: flags.FlagValues) -> "Runner":
    """The runner that the flags name, DirectRunner if none.

    Raises:
        UserError: If Beam is not installed or a quotation mark has no fellow.
    """
    import_beam()
    from pwavenet_tf.beam.jobs import Runner

    try:
        options = shlex.split(flag_values.runner_options or "")
    except ValueError as fault:
        raise UserError(
            f"--runner_options={flag_values.runner_options}: {fault}"
        ) from fault
    return Runner(flag_values.runner or _USUAL, tuple(options))
