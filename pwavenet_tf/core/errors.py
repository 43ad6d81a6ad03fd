"""The one exception that a user's mistake raises, and the one warning."""

from pathlib import Path


class UserError(ValueError):
    """Something that the user can fix: bad input, not a fault of the code.

    The message is one line that says what is wrong, where (the file or the
    setting), and how to fix it. The command line prints it without a
    traceback and exits with status 2.
    """


class OddInput(UserWarning):
    """Input that looks wrong and is used all the same.

    The message is one line that says what looks wrong and how to tell.
    """


def unreadable(path: Path, error: OSError) -> UserError:
    """The error of a file that is missing or that the system does not read."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file")
    return UserError(f"{path}: cannot be read ({error.strerror or error})")


def truncated(path: Path) -> UserError:
    """The error of a file that ends before the length it states."""
    return UserError(
        f"{path}: is truncated, it ends before the length it states; "
        "copy it again"
    )
