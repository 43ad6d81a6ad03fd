"""The flag of all commands that train: on which machines."""

from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.strategies import STRATEGIES

if TYPE_CHECKING:
    import tensorflow as tf


def define_strategy(flag_values: flags.FlagValues) -> None:
    """Defines `--strategy`."""
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


def chosen_strategy(flag_values: flags.FlagValues) -> "tf.distribute.Strategy":
    """The strategy that `--strategy` asks for.

    Raises:
        UserError: If there are no such machines.
    """
    from pwavenet_tf.strategies import choose_strategy

    return choose_strategy(flag_values.strategy)
