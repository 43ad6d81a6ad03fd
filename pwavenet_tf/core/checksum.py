"""The checksum at the end of HDF5, .tflite and ONNX files.

Its SHA-256 is that of all bytes before it. It is written as one more entry of
an ONNX file's `metadata_props`; HDF5 and FlatBuffers ignore what follows their
own end. So other programs read these files as before. What is within the
checksum states that there is one, so that a file that has lost it is not taken
for one of an earlier version.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from pwavenet_tf.core.errors import UserError

# What a file states within.
STATED = {"checksum": "sha256"}

_KEY = b"pwavenet_tf_sha256"
_HEX = 64
# Field 14 of ModelProto, a StringStringEntryProto: key and value.
_ENTRY = b"\x0a" + bytes([len(_KEY)]) + _KEY + b"\x12" + bytes([_HEX])
_HEAD = b"\x72" + bytes([len(_ENTRY) + _HEX]) + _ENTRY
_LENGTH = len(_HEAD) + _HEX
_CHUNK = 2**20


def append_checksum(path: Path) -> None:
    """Appends its checksum to a complete file that has none yet."""
    with path.open("r+b") as file:
        digest = _digest(file, os.path.getsize(path))
        file.seek(0, os.SEEK_END)
        file.write(_HEAD + digest)


def require_intact(path: Path, advice: str) -> bool:
    """Refuses a file that can't be read or differs from its checksum.

    The error ends with `advice`, what to do about a damaged file. Returns
    whether there is a checksum; of what it states, see `require_kept`.
    """
    try:
        with path.open("rb") as file:
            length = os.path.getsize(path) - _LENGTH
            file.seek(max(length, 0))
            tail = file.read()
            file.seek(0)
            found = tail.startswith(_HEAD)
            intact = not found or tail == _HEAD + _digest(file, length)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); {advice}"
        ) from error
    if not intact:
        raise UserError(
            f"{path}: is damaged, or another program has changed it (its "
            f"checksum does not match); {advice}"
        )
    return found


def require_kept(
    found: bool, stated: Mapping[str, object], path: Path, advice: str
) -> None:
    """Refuses a file that has lost the checksum that it states.

    A file from an earlier version states none, and passes: `stated`, what the
    file holds, then lacks the entry of `STATED`. `require_intact` returned
    `found` and says what `advice` is.
    """
    if not found and stated.keys() >= STATED.keys():
        raise UserError(
            f"{path}: is damaged, or another program has changed it (its "
            f"checksum is missing); {advice}"
        )


def _digest(file, length: int) -> bytes:
    digest = hashlib.sha256()
    while length > 0 and (chunk := file.read(min(_CHUNK, length))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest().encode("ascii")
