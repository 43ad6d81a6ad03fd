"""Writing so that nothing half finished is ever found under its name."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from pwavenet_tf.errors import UserError


def require_free(folder: Path) -> None:
    """Refuses a folder to be written that already holds something.

    Raises:
        UserError: If `folder` is a file, or a folder that is not empty.
    """
    try:
        taken = folder.exists() and (
            not folder.is_dir() or any(folder.iterdir())
        )
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if taken:
        raise UserError(
            f"{folder}: already holds something; name another place or "
            "remove it first"
        )


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yields a place beside `path` to write to; it becomes `path` at the end.

    The place does not exist yet and has the suffix of `path`: the caller makes
    it a file or a folder. If the block raises, whatever is there is removed,
    together with the parent folders that were made for it.

    Raises:
        UserError: If the operating system refuses to write.
    """
    # Absolute, because `.` has neither a name nor a parent.
    target = Path(os.path.abspath(path))
    # Not the process id: two containers that share a disk may have the same.
    aside = target.with_name(
        f".unfinished-{secrets.token_hex(6)}-{target.name}"
    )
    missing = [parent for parent in target.parents if not parent.exists()]
    finished = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(None, "the folder is not writable")
        yield aside
        os.replace(aside, target)
        finished = True
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        if not finished:
            _remove(aside)
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror or error}); name a "
        "place that is writable and has room"
    )
