"""What is finished of a preparation: a file for each recording.

Each is named after its recording and after all that it depends on. So a job
that was killed can be run again, and what was changed meanwhile is done anew.
A fault is in a file of its own beside: it may pass, so the next run tries
again.
"""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

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

_FAULT = ".fault"


def file_name(source: Source, suffix: str, *settings: object) -> str:
    """The name of a recording's file.

    Args:
        source: The recording; so is its file's size and time of change.
        suffix: Of the name.
        settings: What else the result depends on.
    """
    key = digest(source, stamp(source.path), settings)
    return f"{drawn_order(source.name).hex()}-{key}{suffix}"


def digest(*told: object) -> str:
    """A short name for what a result depends on, this package included."""
    text = repr((pwavenet_tf.__version__, *told))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[
        :16
    ]


def stamp(path: Path | None) -> tuple[int, int] | None:
    """Size and time of change of a file; None if there is none."""
    try:
        status = path and path.stat()
    except OSError:
        return None
    return status and (status.st_size, status.st_mtime_ns)


def save_fault(path: Path, fault: UserError) -> None:
    """Writes why there will be no `path`."""
    with written_aside(_fault_of(path)) as aside:
        # As JSON, for a name in it need not be UTF-8.
        aside.write_text(json.dumps(str(fault)), "ascii")


def forget_faults(folder: Path) -> None:
    """Removes all faults from a folder, so that their work is done again."""
    for path in folder.glob(f"[!.]*{_FAULT}"):
        path.unlink()


def count_done(folder: Path, suffix: str) -> int:
    """How many results and faults there are of one suffix."""
    return sum(
        1
        for end in (suffix, suffix + _FAULT)
        for _ in folder.glob(f"[!.]*{end}")
    )


def save_measures(path: Path, found: Measures) -> None:
    """Writes what the audit measured."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(dataclasses.asdict(found)), "ascii")


def load_measures(path: Path) -> Measures | UserError:
    """Reads what `save_measures` or `save_fault` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        return Measures(**json.loads(path.read_text("ascii")))
    except FileNotFoundError:
        return _load_fault(path)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error


def save_description(
    path: Path, levels: np.ndarray, description: Description
) -> None:
    """Writes the levels int16 `(time,)` and the description."""
    arrays = {"levels": levels, "mel": description.mel}
    if description.pitch is not None:
        arrays["pitch"] = description.pitch
    told = {
        "speaker": description.speaker,
        "phones": description.phones
        and [
            (one.symbol, float(one.start), float(one.end))
            for one in description.phones
        ],
    }
    # JSON keeps every bit of a float and every character of a symbol.
    arrays["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    with written_aside(path) as aside:
        np.savez(aside, **arrays)


def load_description(path: Path) -> Described:
    """Reads what `save_description` or `save_fault` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        with np.load(path) as arrays:
            told = json.loads(arrays["told"].tobytes())
            pitch = arrays.get("pitch")
            levels, mel = arrays["levels"], arrays["mel"]
    except FileNotFoundError:
        return _load_fault(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error
    phones = told["phones"] and [Phone(*one) for one in told["phones"]]
    return levels, Description(mel, phones, pitch, told["speaker"])


def unwritten(path: Path) -> UserError:
    """What to say of a result that is not there when all work is done."""
    return UserError(
        f"{path}: no worker wrote it; all machines must see the folder of "
        "--out under the same path"
    )


def _fault_of(path: Path) -> Path:
    return path.with_name(path.name + _FAULT)


def _load_fault(path: Path) -> UserError:
    try:
        return UserError(json.loads(_fault_of(path).read_text("ascii")))
    except FileNotFoundError:
        raise unwritten(path) from None
    except (OSError, ValueError) as error:
        raise _damaged(_fault_of(path)) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: is damaged; remove it and run again")
