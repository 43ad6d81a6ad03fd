"""What the flags of commands are made of, and those that commands share.

A command's flags are a `table` of entries; each entry, given the values of a
command line, defines its flags there. A flag's meaning begins with what stands
for its value: "DIR: Folder of …".

Files and folders are checked before TensorFlow is loaded, so that a mistyped
path is answered at once instead of after seconds.
"""

import dataclasses
import os
import shlex
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pwavenet_tf.audio.files import SUFFIXES
from pwavenet_tf.core.beam import import_beam
from pwavenet_tf.core.config import CONDITIONING_INPUTS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset_names
from pwavenet_tf.core.training_config import BOUNDS, Preset
from pwavenet_tf.corpus.audit.verdict import Limits
from pwavenet_tf.models.inputs import HIGHEST_TEMPERATURE
from pwavenet_tf.voices import voice_file, voice_names

if TYPE_CHECKING:
    from pwavenet_tf.core.beam import Runner

FlagValues = flags.FlagValues
Entry = Callable[[FlagValues], object]
Bounds = tuple[float, float]
Check = Callable[[str, str], object]

# In place of a file or a folder, as is usual on the command line.
STANDARD_OUTPUT = "-"

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


def table(*entries: Entry) -> Entry:
    """All flags of some entries, in order: again an entry."""
    return lambda flag_values: [define(flag_values) for define in entries]


def text(
    name: str, meaning: str, usual: str | None = None, repeated: bool = False
) -> Entry:
    """A flag of any text; of a list of texts if it may be repeated."""
    define = flags.DEFINE_multi_string if repeated else flags.DEFINE_string
    return partial(define, name, usual, meaning)


def switch(name: str, meaning: str, usual: bool = False) -> Entry:
    """A flag that is true or false."""
    return partial(flags.DEFINE_boolean, name, usual, meaning)


def choice(
    name: str,
    meaning: str,
    values: Iterable[str],
    usual: str | None = None,
    repeated: bool = False,
) -> Entry:
    """A flag of one of some values; of several if it may be repeated."""
    define = flags.DEFINE_multi_enum if repeated else flags.DEFINE_enum
    return partial(define, name, usual, list(values), meaning)


class NumberParser(flags.ArgumentParser):
    """Reads a number within bounds, both allowed; an integer if they are."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = lowest, highest = bounds
        self._type = type(lowest)
        self.within = f"from {lowest:,} to {highest:,}"
        whole = "whole " * (self._type is int)
        self.syntactic_help = f"a {whole}number {self.within}"

    def parse(self, argument: object) -> float:
        value = self._type(argument)
        lowest, highest = self.bounds
        # So that NaN, which compares with nothing, is refused.
        if not lowest <= value <= highest:
            raise ValueError(self.syntactic_help)
        return value

    def flag_type(self) -> str:
        return self._type.__name__


def number(
    name: str, meaning: str, bounds: Bounds, usual: float | None = None
) -> Entry:
    """A flag of a number, whose help ends with its bounds."""
    parser = NumberParser(bounds)
    meaning = f"{meaning} {parser.within.capitalize()}."
    return partial(flags.DEFINE, parser, name, usual, meaning)


def setting(name: str, meaning: str, usual: float | None = None) -> Entry:
    """The flag of one of `BOUNDS`."""
    return number(name, meaning, BOUNDS[name], usual)


def required(name: str) -> Entry:
    """Refuses a command line without a flag."""
    return partial(flags.mark_flag_as_required, name)


def together(names: Iterable[str], check: Callable[[dict], bool]) -> Entry:
    """A check of the values of several flags, by name."""
    return lambda flag_values: flags.register_multi_flags_validator(
        list(names), check, flag_values=flag_values
    )


def path(
    name: str,
    meaning: str,
    check: Check,
    needed: bool = False,
    repeated: bool = False,
) -> Entry:
    """A flag whose value is a path, or a list of them if it may be repeated.

    `check` is called with the flag's name and each path; it raises `UserError`.
    """

    def checker(value: str | list[str] | None) -> bool:
        for place in _listed(value):
            if not place:
                raise UserError(f"--{name} is empty; give a path")
            check(name, place)
        return True

    return table(
        text(name, meaning, repeated=repeated),
        *([required(name)] if needed else []),
        lambda flag_values: flags.register_validator(
            name, checker, flag_values=flag_values
        ),
    )


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


def or_standard_output(check: Check) -> Check:
    """The check of a path that may be - instead."""
    return lambda name, path: path == STANDARD_OUTPUT or check(name, path)


def require_outside(out: Path, reference: Path) -> None:
    """Refuses to write audio among the recordings."""
    if out.resolve().is_relative_to(reference.resolve()):
        raise UserError(
            f"--out={out} lies within --reference={reference}, where the "
            "generated audio would be taken for recordings; give another folder"
        )


# A file to read.
file = partial(path, check=existing_file)

data = partial(path, "data", check=existing_folder, needed=True)
out = partial(path, "out", check=writable_folder, needed=True)
reference = partial(
    path, "reference", "DIR: Folder of recordings to compare with.", existing
)
preset_name = partial(choice, "preset", values=preset_names(), usual="nano")

DATA = data("DATA: Folder that `pwavenet prepare` wrote.")

CORPUS = path(
    "corpus", "DIR: Folder of recordings, or a CSV manifest.", existing, True
)

CONDITIONING = text(
    "conditioning",
    "LIST: Conditioning inputs, separated by commas: mel, linguistic, pitch, "
    "sinusoids, encoding, speaker; or none. The preset's own, if left out.",
)

# What describes recordings.
LABELS = table(
    path(
        "labels",
        "DIR: Folder of label files with the phones; the folder labels among "
        "the recordings, if left out.",
        existing_folder,
    ),
    text(
        "speaker_pattern",
        "REGEX: Its one group finds the speaker in a recording's path; if left "
        "out, the layout gives the speaker, usually by the folder.",
    ),
)

SPEAKER = table(
    text("speaker", "NAME: Speaker identity, for a model of several speakers."),
    LABELS,
)

SAMPLING = table(
    number("seed", "N: Seed of the random noise.", (0, 2**63 - 1), 0),
    number(
        "temperature", "T: Scale of the noise.", (0.0, HIGHEST_TEMPERATURE), 1.0
    ),
)


def chosen_inputs(
    flag_values: flags.FlagValues, preset: Preset
) -> tuple[str, ...]:
    """What --conditioning names; the preset's inputs if it was left out."""
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


def runner(meaning: str, usual: str | None = None) -> Entry:
    """--runner, with this command's help, and its options."""
    return table(
        text("runner", meaning, usual),
        text(
            "runner_options",
            "OPTIONS: Beam's pipeline options for the runner, all in one pair "
            "of quotes, as in the example.",
        ),
    )


def chosen_runner(flag_values: flags.FlagValues) -> "Runner | None":
    """The runner that the flags name; None if they name none."""
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
        meaning, bounds = field.metadata["help"], field.metadata["bounds"]
        define = partial(number, bounds=bounds) if bounds else switch
        define(field.name, meaning, usual=field.default)(flag_values)


def chosen_limits(flag_values: flags.FlagValues) -> Limits:
    """The limits that the flags set."""
    names = [field.name for field in dataclasses.fields(Limits)]
    limits = Limits(**{name: flag_values[name].value for name in names})
    if limits.shortest_seconds > limits.longest_seconds:
        raise UserError(
            f"--shortest_seconds={limits.shortest_seconds:g} must be no more "
            f"than --longest_seconds={limits.longest_seconds:g}"
        )
    return limits


def model(meaning: str, repeated: bool = False, needed: bool = True) -> Entry:
    """--model and --voice: one of them, or if repeated any number of both."""

    def one_of_them(values: dict) -> bool:
        for name in _listed(values["voice"]):
            voice_file(name)
        given = _listed(values["model"]), _listed(values["voice"])
        if needed and not any(given):
            raise no_model()
        if all(given) and not repeated:
            raise UserError("give either --model or --voice, not both")
        return True

    return table(
        path("model", meaning, existing_file, repeated=repeated),
        text(
            "voice",
            "NAME: Instead of --model, a voice that comes with the package: "
            f"{', '.join(voice_names())}; NAME/teacher is its teacher.",
            repeated=repeated,
        ),
        together(["model", "voice"], one_of_them),
    )


def no_model() -> UserError:
    """Neither --model nor --voice was given."""
    return UserError(
        "--model or --voice is missing; add --model=FILE or "
        f"--voice={voice_names()[0]}"
    )


def chosen_models(flag_values: flags.FlagValues) -> list[Path]:
    """The files that --model and --voice name."""
    files = [Path(path) for path in _listed(flag_values.model)]
    return files + [voice_file(name) for name in _listed(flag_values.voice)]


def reads_keras(paths: Iterable[str | Path | None]) -> bool:
    """Whether any of these models takes TensorFlow to be read, or none is."""
    suffixes = {Path(path).suffix.lower() for path in paths if path}
    return suffixes != {".tflite"}


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []
