"""The flags that say what a model is told, and where that is found."""

from absl import flags

from pwavenet_tf.commands.path_flags import define_path, existing_folder
from pwavenet_tf.config import CONDITIONING_INPUTS
from pwavenet_tf.errors import UserError
from pwavenet_tf.training_config import Preset


def define_conditioning(text: str, flag_values: flags.FlagValues) -> None:
    """Defines --conditioning, with what the command says of it."""
    flags.DEFINE_string("conditioning", None, text, flag_values=flag_values)


def define_labels(flag_values: flags.FlagValues) -> None:
    """Defines --labels."""
    define_path(
        "labels",
        "DIR: Folder of label files, which tell the phones; the folder labels "
        "among the recordings, if left out.",
        flag_values,
        existing_folder,
        required=False,
    )


def define_speaker_pattern(flag_values: flags.FlagValues) -> None:
    """Defines --speaker_pattern."""
    flags.DEFINE_string(
        "speaker_pattern",
        None,
        "REGEX: Its one group finds the speaker in a recording's path; what "
        "the layout tells, usually the folder it lies in, if left out.",
        flag_values=flag_values,
    )


def chosen_inputs(
    flag_values: flags.FlagValues, preset: Preset
) -> tuple[str, ...]:
    """What --conditioning names; the preset's inputs if it was left out.

    Raises:
        UserError: If it names something that is not known.
    """
    given = flag_values.conditioning
    if given is None:
        return preset.conditioning.inputs
    if given.strip() == "none":
        return ()
    inputs = tuple(name.strip() for name in given.split(","))
    for name in inputs:
        if name not in CONDITIONING_INPUTS:
            raise UserError(
                f"--conditioning={given}: {name!r} is not known; choose from "
                f"{', '.join(CONDITIONING_INPUTS)}, or none"
            )
    # In one order, however they were written: the same run is the same run.
    return tuple(name for name in CONDITIONING_INPUTS if name in inputs)
