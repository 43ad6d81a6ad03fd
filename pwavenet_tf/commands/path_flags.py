"""Flags that name files and folders, checked before TensorFlow is loaded.

So a mistyped path is answered at once instead of after seconds of loading.
"""

import os
from collections.abc import Callable
from pathlib import Path

from absl import flags

from pwavenet_tf.errors import UserError


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
    """Refuses a folder that can neither be written to nor be made."""
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise UserError(
            f"--{name}={path} cannot be a folder because {place} is a file; "
            "give another folder"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            f"--{name}={path} cannot be written for want of permission in "
            f"{place}; give another folder"
        )


def writable_file(name: str, path: str) -> None:
    """Refuses a file that cannot be made in its folder."""
    if os.path.isdir(path):
        raise UserError(f"--{name}={path} is a folder; give a file's name")
    writable_folder(name, os.path.dirname(os.path.abspath(path)))


def require_apart(out: Path, reference: Path) -> None:
    """Refuses to write sound among the recordings.

    Raises:
        UserError: If `out` is or lies in `reference`.
    """
    if out.resolve().is_relative_to(reference.resolve()):
        raise UserError(
            f"--out={out} lies within --reference={reference}, where its "
            "sound would be taken for recordings; give another folder"
        )
