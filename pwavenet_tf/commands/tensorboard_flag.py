"""The flag of commands whose training TensorBoard can show."""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import define_path, writable_folder


def define_tensorboard(flag_values: flags.FlagValues) -> None:
    """Defines `--tensorboard`."""
    define_path(
        "tensorboard",
        "DIR: Folder to write reports to for TensorBoard: curves, held-out "
        "recordings and what the model says instead, their spectrograms, and "
        "histograms. Look at them by tensorboard --logdir=DIR. Nothing is "
        "written, if left out.",
        flag_values,
        writable_folder,
        required=False,
    )


def chosen_tensorboard(flag_values: flags.FlagValues) -> Path | None:
    """The folder that `--tensorboard` names, if any."""
    return flag_values.tensorboard and Path(flag_values.tensorboard)
