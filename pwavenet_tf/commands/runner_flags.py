"""The flags of the commands that run on Apache Beam: where, and how."""

import shlex
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.beam import import_beam
from pwavenet_tf.errors import UserError

if TYPE_CHECKING:
    from pwavenet_tf.beam.jobs import Runner

RUNNERS = (
    "DirectRunner on this machine; FlinkRunner or SparkRunner on a cluster, "
    "whose workers must have this package and see all folders under the same "
    "absolute paths."
)


def define_runner(
    meaning: str, flag_values: flags.FlagValues, usual: str | None = None
) -> None:
    """Defines --runner, with what the command says of it, and its options."""
    flags.DEFINE_string("runner", usual, meaning, flag_values=flag_values)
    flags.DEFINE_string(
        "runner_options",
        None,
        "OPTIONS: Beam's pipeline options for the runner, all in one pair of "
        "quotes, as in the example.",
        flag_values=flag_values,
    )


def chosen_runner(flag_values: flags.FlagValues) -> "Runner | None":
    """The runner that the flags name; None if they name none.

    Raises:
        UserError: If Beam is not installed, there are options without a
            runner, or a quotation mark has no fellow.
    """
    name, text = flag_values.runner, flag_values.runner_options
    if name is None:
        if text is not None:
            raise UserError(
                "--runner_options is of use only with --runner; add "
                "--runner=DirectRunner"
            )
        return None
    if not name:
        raise UserError("--runner is empty; give --runner=DirectRunner")
    import_beam()
    from pwavenet_tf.beam.jobs import Runner

    try:
        options = shlex.split(text or "")
    except ValueError as fault:
        raise UserError(f"--runner_options={text}: {fault}") from fault
    return Runner(name, tuple(options))
