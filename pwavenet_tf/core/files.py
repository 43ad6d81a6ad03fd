"""Files and folders: atomic writes, and the lock of a run's folder."""

import contextlib
import csv
import io
import json
import math
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from pwavenet_tf.core.errors import UserError


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
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; it becomes `path` at the end.

    It lies next to `path`, does not exist yet and has the same suffix: the
    caller makes it a file or a folder. If the body raises, whatever was
    written is removed, with the parent folders that were made for it.

    Raises:
        UserError: If the operating system refuses to write.
    """
    # Absolute, because `.` has neither a name nor a parent.
    target = Path(os.path.abspath(path))
    # Not the process id: two containers that share a disk may have the same.
    temporary = target.with_name(
        f".unfinished-{secrets.token_hex(6)}-{target.name}"
    )
    missing = [parent for parent in target.parents if not parent.exists()]
    complete = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(None, "the folder is not writable")
        yield temporary
        os.replace(temporary, target)
        complete = True
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        if not complete:
            _remove(temporary)
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()


def write_json(path: Path, content: object) -> None:
    """Writes JSON; numbers that it does not have become null.

    Raises:
        UserError: If the operating system refuses to write.
    """
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
    """Writes CSV; None is an empty cell.

    Raises:
        UserError: If the operating system refuses to write.
    """
    content = io.StringIO(newline="")
    csv.writer(content, lineterminator="\n").writerows(rows)
    with atomic_write(path) as temporary:
        # A file's name may be no Unicode.
        temporary.write_bytes(content.getvalue().encode("utf-8", "replace"))


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


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCK_NAME = ".running"


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Locks a folder so that one run at a time writes to it.

    The folder is made if it is missing, and removed again if it is empty at
    the end. The lock is the operating system's: that of a killed process is
    gone with it. Where the system or a network file system has no locks,
    nothing is locked.

    Raises:
        UserError: If another run holds the lock.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / _LOCK_NAME):
            yield
    finally:
        for one in missing:
            with contextlib.suppress(OSError):
                one.rmdir()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _lock(path) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> TextIO:
    while True:
        file = open(path, "a+")  # noqa: SIM115
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with file:
                file.seek(0)
                owner = file.read() or "a process that has just begun"
            raise UserError(
                f"{path.parent}: {owner} is at work there; wait for it, or "
                "stop it and run this again"
            ) from error
        except OSError:
            return file
        # Its last owner may have removed it before it was locked here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
        file.close()
