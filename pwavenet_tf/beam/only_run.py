"""A folder for one run at a time."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pwavenet_tf.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NAME = ".running"


@contextlib.contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keeps others out of a folder for as long as this process lives.

    The folder is made if it is missing, and removed again if it is empty in
    the end. The lock is the operating system's: that of a killed process is
    gone with it. Where the system or a network's disk knows no locks, there is
    none.

    Raises:
        UserError: If another run is at work there.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / _NAME):
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
