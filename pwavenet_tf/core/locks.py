"""Locks: one process at a time writes to a place.

They are the operating system's, so that a killed process leaves none behind.
Where the system or a network file system has none, nothing is locked.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from pwavenet_tf.core.errors import UserError


@contextlib.contextmanager
def lock_file(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a lock on a file, which is there only as long as the lock.

    A thread that holds it already gets it again. Yields whether it is locked;
    False where there are no locks.

    Raises:
        filelock.Timeout: If another process holds it and we don't wait.
    """
    lock = FileLock(path, is_singleton=True)
    inner = lock.is_locked
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        yield False
        return
    try:
        yield True
    finally:
        if not inner:
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()


@contextlib.contextmanager
def run_lock(out: Path) -> Iterator[None]:
    """Refuses a second run that would write to the same file or folder."""
    out = Path(out).resolve()
    folder = out.parent
    # A mounted folder may be all that is writable.
    if folder.is_dir() and out.is_dir() and not os.access(folder, os.W_OK):
        folder = out
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    file = folder / f".running-{out.name}"
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, missing)
            if stack.enter_context(lock_file(file, wait=False)):
                owner = f"process {os.getpid()} on {socket.gethostname()}"
                file.write_text(owner)
        except Timeout as error:
            raise _at_work(out, file) from error
        except OSError:
            # What keeps the run from writing is reported where it writes.
            pass
        yield


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _at_work(out: Path, file: Path) -> UserError:
    owner = ""
    with contextlib.suppress(OSError):
        owner = file.read_text(errors="replace")
    return UserError(
        f"{out}: {owner or 'another process'} is at work there; wait for it, "
        "or stop it and run this again"
    )
