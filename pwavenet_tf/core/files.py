"""Files and folders: atomic writes."""

import contextlib
import csv
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.locks import lock_file

_UNFINISHED, _LOCK = ".unfinished-", ".lock"
# Matches the locks of what `atomic_write` has not finished.
UNFINISHED = f"{_UNFINISHED}*{_LOCK}"


def require_free(folder: Path) -> None:
    """Refuses a place that is a file, or a folder that is not empty."""
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
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; it becomes `path` at the end.

    It lies next to `path`, does not exist yet and has the same suffix: the
    caller makes it a file or a folder. If the body raises, whatever was
    written is removed, with the parent folders that were made for it. What a
    killed process left is removed before; while another is at work on the same
    path, this waits.

    Raises:
        UserError: If the operating system refuses to write.
    """
    # Absolute, because `.` has neither a name nor a parent.
    target = Path(os.path.abspath(path))
    temporary = target.with_name(_UNFINISHED + target.name)
    missing = [parent for parent in target.parents if not parent.exists()]
    complete = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(None, "the folder is not writable")
        lock = temporary.with_name(temporary.name + _LOCK)
        with lock_file(lock) as locked:
            if not locked:
                token = secrets.token_hex(6)
                temporary = temporary.with_name(
                    f"{_UNFINISHED}{token}-{target.name}"
                )
            _remove(temporary)
            try:
                yield temporary
                os.replace(temporary, target)
                complete = True
            finally:
                if not complete:
                    _remove(temporary)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        if not complete:
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()


def write_json(path: Path, content: object) -> None:
    """Writes JSON; numbers that it does not have become null."""
    text = json.dumps(_finite(content), indent=1, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", "ascii")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Writes CSV; None is an empty cell."""
    content = io.StringIO(newline="")
    csv.writer(content, lineterminator="\n").writerows(rows)
    with atomic_write(path) as temporary:
        # A file's name may be no Unicode.
        temporary.write_bytes(content.getvalue().encode("utf-8", "replace"))


def remove_unfinished(locks: Iterable[Path]) -> None:
    """Removes what killed processes left, but nothing of one that is alive.

    `locks` are the files that match the pattern `UNFINISHED`.
    """
    for lock in locks:
        with (
            contextlib.suppress(OSError),
            lock_file(lock, wait=False) as locked,
        ):
            if locked:
                _remove(lock.with_name(lock.name.removesuffix(_LOCK)))


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
