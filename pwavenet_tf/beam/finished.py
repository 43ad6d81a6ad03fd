"""What is finished of a preparation: a file for each recording.

Each is named after its recording and after all that it depends on. So a job
that was killed can be run again, and what was changed meanwhile is done anew.
"""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import pwavenet_tf
from pwavenet_tf.corpus.audit import drawn_order
from pwavenet_tf.corpus.audit.measures import Measures
from pwavenet_tf.corpus.described import Description
from pwavenet_tf.corpus.layouts import Source
from pwavenet_tf.corpus.phones import Phone
from pwavenet_tf.corpus.prepare import Described
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside


def file_name(source: Source, suffix: str, *settings: object) -> str:
    """The name of a recording's file.

    Args:
        source: The recording; so is its file's size and time of change.
        suffix: Of the name.
        settings: What else the result depends on.
    """
    told = (pwavenet_tf.__version__, source, stamp(source.path), settings)
    key = hashlib.sha256(repr(told).encode("utf-8", "surrogateescape"))
    return f"{drawn_order(source.name).hex()}-{key.hexdigest()[:16]}{suffix}"


def stamp(path: Path | None) -> tuple[int, int] | None:
    """Size and time of change of a file; None if there is none."""
    try:
        status = path and path.stat()
    except OSError:
        return None
    return status and (status.st_size, status.st_mtime_ns)


def save_measures(path: Path, found: Measures | UserError) -> None:
    """Writes what the audit measured, or why it could not."""
    content = (
        {"fault": str(found)}
        if isinstance(found, UserError)
        else {"measures": dataclasses.asdict(found)}
    )
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content), "ascii")


def load_measures(path: Path) -> Measures | UserError:
    """Reads what `save_measures` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if "fault" in content:
        return UserError(content["fault"])
    return Measures(**content["measures"])


def save_description(path: Path, found: Described) -> None:
    """Writes the levels and the description, or why there is neither."""
    told: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    if isinstance(found, UserError):
        told["fault"] = str(found)
    else:
        levels, description = found
        arrays = {"levels": levels, "mel": description.mel}
        if description.pitch is not None:
            arrays["pitch"] = description.pitch
        told["speaker"] = description.speaker
        told["phones"] = description.phones and [
            (one.symbol, float(one.start), float(one.end))
            for one in description.phones
        ]
    # JSON keeps every bit of a float and every character of a symbol.
    arrays["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    with written_aside(path) as aside:
        np.savez(aside, **arrays)


def load_description(path: Path) -> Described:
    """Reads what `save_description` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        with np.load(path) as arrays:
            told = json.loads(arrays["told"].tobytes())
            if "fault" in told:
                return UserError(told["fault"])
            pitch = arrays.get("pitch")
            levels, mel = arrays["levels"], arrays["mel"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    phones = told["phones"] and [Phone(*one) for one in told["phones"]]
    return levels, Description(mel, phones, pitch, told["speaker"])


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(
            f"{path}: no worker wrote it; all machines must see the folder "
            "of --out under the same path"
        )
    return UserError(f"{path}: is damaged; remove it and run again")
