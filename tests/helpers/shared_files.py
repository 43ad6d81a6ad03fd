"""Files that all workers of a session share: the first that asks makes them."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

_place: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def _shared_place(tmp_path_factory) -> None:
    """Finds the folder that the session's workers have in common."""
    global _place
    _place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        _place = _place.parent


@contextlib.contextmanager
def made_once(name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that all workers of a session share.

    Yields the folder, and whether it is still to be filled: the worker that
    comes first fills it while the others wait. Tests change nothing in it.
    """
    assert _place, "files are shared while tests run, not while they are found"
    place, done = (_place / f"shared-{name}{end}" for end in ("", ".done"))
    with open(_place / f"shared-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not done.exists()
        if missing:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        yield place, missing
        done.touch()
