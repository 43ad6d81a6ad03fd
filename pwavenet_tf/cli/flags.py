"""Flags that commands share: paths, models, conditioning, limits, runners.

Files and folders are checked before TensorFlow is loaded, so that a mistyped
path is answered at once instead of after seconds.
"""

import dataclasses
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.audio.files import SUFFIXES
from pwavenet_tf.cli.numbers import define_number
from pwavenet_tf.core.beam import import_beam
from pwavenet_tf.core.config import CONDITIONING_INPUTS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset_names
from pwavenet_tf.core.training_config import BOUNDS, Preset
from pwavenet_tf.corpus.audit.verdict import Limits
from pwavenet_tf.models.inputs import HIGHEST_TEMPERATURE
from pwavenet_tf.voices import voice_file, voice_names

# What nobody calls a folder.
_OF_FILES = (
    *SUFFIXES,
    *(".csv", ".html", ".json", ".keras", ".npy", ".npz", ".onnx", ".tflite"),
)

RUNNERS = (
    "DirectRunner on this machine; FlinkRunner or SparkRunner on a cluster, "
    "whose workers must have this package and see all folders under the same "
    "absolute paths."
)


def define_path(
    name: str,
    meaning: str,
    flag_values: flags.FlagValues,
    check: Callable[[str, str], None],
    required: bool = True,
    repeated: bool = False,
) -> None:
    """Defines a flag whose value is a path that passes a check.

    Args:
        name: The flag's name, without dashes.
        meaning: Its help, which starts with what stands for the value:
            "DIR: Folder of …".
        flag_values: Where it is defined.
        check: Called with the flag's name and a path; raises `UserError`.
        required: The flag must be given.
        repeated: The flag may be given several times; its value is a list.
    """
    define = flags.DEFINE_multi_string if repeated else flags.DEFINE_string
    define(name, None, meaning, flag_values=flag_values)
    if required:
        flags.mark_flag_as_required(name, flag_values)

    def checker(value: str | list[str] | None) -> bool:
        for path in [value] if isinstance(value, str) else value or []:
            if not path:
                raise UserError(f"--{name} is empty; give a path")
            check(name, path)
        return True

    flags.register_validator(name, checker, flag_values=flag_values)


def existing(name: str, path: str) -> None:
    """Refuses a path where there is neither a file nor a folder."""
    if not os.path.exists(path):
        raise UserError(f"--{name}={path} does not exist; check the path")


def existing_folder(name: str, path: str) -> None:
    """Refuses a path that is not a folder."""
    existing(name, path)
    if not os.path.isdir(path):
        raise UserError(f"--{name}={path} is a file; give a folder")


def existing_file(name: str, path: str) -> None:
    """Refuses a path that is not a file."""
    existing(name, path)
    if os.path.isdir(path):
        raise UserError(f"--{name}={path} is a folder; give a file in it")


def writable_folder(name: str, path: str) -> None:
    """Refuses a folder that can neither be written to nor be made.

    One that is called like a file is refused too, unless it is there.
    """
    place = os.path.abspath(path)
    if Path(place).suffix.lower() in _OF_FILES and not os.path.isdir(place):
        raise UserError(
            f"--{name}={path} is called like a file; give the name of a folder"
        )
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise UserError(
            f"--{name}={path} cannot be a folder because {place} is a file; "
            "give another folder"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            f"--{name}={path} cannot be written: no permission in {place}; "
            "give another folder"
        )


def writable_file(name: str, path: str) -> None:
    """Refuses a file that cannot be made in its folder."""
    if os.path.isdir(path):
        raise UserError(f"--{name}={path} is a folder; give a file's name")
    writable_folder(name, os.path.dirname(os.path.abspath(path)))


def require_outside(out: Path, reference: Path) -> None:
    """Refuses to write audio among the recordings.

    Raises:
        UserError: If `out` is or lies in `reference`.
    """
    if out.resolve().is_relative_to(reference.resolve()):
        raise UserError(
            f"--out={out} lies within --reference={reference}, where the "
            "generated audio would be taken for recordings; give another folder"
        )


def define_data(
    flag_values: flags.FlagValues,
    meaning: str = "DATA: Folder that `pwavenet prepare` wrote.",
) -> None:
    """Defines --data."""
    define_path("data", meaning, flag_values, existing_folder)


def define_out(
    meaning: str,
    flag_values: flags.FlagValues,
    check: Callable[[str, str], None] = writable_folder,
    required: bool = True,
) -> None:
    """Defines --out, usually a folder that the command writes to."""
    define_path("out", meaning, flag_values, check, required)


def define_corpus(flag_values: flags.FlagValues) -> None:
    """Defines --corpus."""
    meaning = "DIR: Folder of recordings, or a CSV manifest."
    define_path("corpus", meaning, flag_values, existing)


def define_reference(
    flag_values: flags.FlagValues, required: bool = True
) -> None:
    """Defines --reference."""
    meaning = "DIR: Folder of recordings to compare with."
    define_path("reference", meaning, flag_values, existing, required)


def define_file(
    name: str,
    meaning: str,
    flag_values: flags.FlagValues,
    required: bool = True,
) -> None:
    """Defines a flag that names a file to read."""
    define_path(name, meaning, flag_values, existing_file, required)


def define_preset(
    meaning: str, flag_values: flags.FlagValues, usual: str | None = "nano"
) -> None:
    """Defines --preset."""
    flags.DEFINE_enum(
        "preset", usual, preset_names(), meaning, flag_values=flag_values
    )


def define_steps(meaning: str, flag_values: flags.FlagValues) -> None:
    """Defines --steps."""
    define_number(
        "steps", None, meaning, BOUNDS["steps"], flag_values, whole=True
    )


def define_conditioning(text: str, flag_values: flags.FlagValues) -> None:
    """Defines --conditioning, with this command's help."""
    flags.DEFINE_string("conditioning", None, text, flag_values=flag_values)


def define_labels(flag_values: flags.FlagValues) -> None:
    """Defines what describes recordings: --labels and --speaker_pattern."""
    define_path(
        "labels",
        "DIR: Folder of label files with the phones; the folder labels among "
        "the recordings, if left out.",
        flag_values,
        existing_folder,
        required=False,
    )
    flags.DEFINE_string(
        "speaker_pattern",
        None,
        "REGEX: Its one group finds the speaker in a recording's path; if left "
        "out, the layout gives the speaker, usually by the folder.",
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
    # In one order, however they were given: a run's identity ignores the order.
    return tuple(name for name in CONDITIONING_INPUTS if name in inputs)


if TYPE_CHECKING:
    from pwavenet_tf.core.beam import Runner


def define_runner(
    meaning: str, flag_values: flags.FlagValues, usual: str | None = None
) -> None:
    """Defines --runner, with this command's help, and its options."""
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
        UserError: If Beam is not installed, there are options without a runner,
            or a quotation mark is not closed.
    """
    name, text = flag_values.runner, flag_values.runner_options
    if name is None:
        if text is not None:
            raise UserError(
                "--runner_options needs --runner; add --runner=DirectRunner"
            )
        return None
    if not name:
        raise UserError("--runner is empty; give --runner=DirectRunner")
    import_beam()
    from pwavenet_tf.core.beam import Runner

    try:
        options = shlex.split(text or "")
    except ValueError as fault:
        raise UserError(f"--runner_options={text}: {fault}") from fault
    return Runner(name, tuple(options))


def define_limits(flag_values: flags.FlagValues) -> None:
    """Defines a flag for each field of `Limits`."""
    for field in dataclasses.fields(Limits):
        flag = field.name, field.default, field.metadata["help"]
        if bounds := field.metadata["bounds"]:
            define_number(*flag, bounds, flag_values)
        else:
            flags.DEFINE_boolean(*flag, flag_values=flag_values)


def chosen_limits(flag_values: flags.FlagValues) -> Limits:
    """The limits that the flags set.

    Raises:
        UserError: If no recording could be both long enough and short enough.
    """
    limits = Limits(
        **{
            field.name: flag_values[field.name].value
            for field in dataclasses.fields(Limits)
        }
    )
    if limits.shortest_seconds > limits.longest_seconds:
        raise UserError(
            f"--shortest_seconds={limits.shortest_seconds:g} must be no more "
            f"than --longest_seconds={limits.longest_seconds:g}"
        )
    return limits


def define_speaker(flag_values: flags.FlagValues) -> None:
    """Defines --speaker, --labels and --speaker_pattern."""
    flags.DEFINE_string(
        "speaker",
        None,
        "NAME: Speaker identity, for a model of several speakers.",
        flag_values=flag_values,
    )
    define_labels(flag_values)


def define_sampling(flag_values: flags.FlagValues) -> None:
    """Defines --seed and --temperature."""
    define_number(
        "seed",
        0,
        "N: Seed of the random noise.",
        (0, 2**63 - 1),
        flag_values,
        whole=True,
    )
    define_number(
        "temperature",
        1.0,
        "T: Scale of the noise.",
        (0.0, HIGHEST_TEMPERATURE),
        flag_values,
    )


def define_model(
    meaning: str,
    flag_values: flags.FlagValues,
    repeated: bool = False,
    required: bool = True,
) -> None:
    """Defines --model and --voice.

    Args:
        meaning: Help of --model.
        flag_values: Where they are defined.
        repeated: Both may be given, and several times; else one of them.
        required: One at least must be given.
    """
    define_path(
        "model",
        meaning,
        flag_values,
        existing_file,
        required=False,
        repeated=repeated,
    )
    define = flags.DEFINE_multi_string if repeated else flags.DEFINE_string
    define(
        "voice",
        None,
        "NAME: Instead of --model, a voice that comes with the package: "
        f"{', '.join(voice_names())}; NAME/teacher is its teacher.",
        flag_values=flag_values,
    )

    def one_of_them(values: dict) -> bool:
        for name in _listed(values["voice"]):
            voice_file(name)
        given = _listed(values["model"]), _listed(values["voice"])
        if required and not any(given):
            raise UserError(
                "--model or --voice is missing; add --model=FILE or "
                f"--voice={voice_names()[0]}"
            )
        if all(given) and not repeated:
            raise UserError("give either --model or --voice, not both")
        return True

    flags.register_multi_flags_validator(
        ["model", "voice"], one_of_them, flag_values=flag_values
    )


def chosen_models(flag_values: flags.FlagValues) -> list[Path]:
    """The files that --model and --voice name."""
    files = [Path(path) for path in _listed(flag_values.model)]
    return files + [voice_file(name) for name in _listed(flag_values.voice)]


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []
