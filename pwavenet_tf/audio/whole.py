"""Whether all of a sound file is there, and all of it decoded.

Of what is cut off, libsndfile itself refuses FLAC and CAF alone; of files that
were joined end to end it decodes the first.
"""

import itertools
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pwavenet_tf.audio.formats import conversion
from pwavenet_tf.core.errors import UserError, truncated

if TYPE_CHECKING:
    import soundfile

# Programs that write into a pipe cannot know the length and state one of at
# least this, which tells nothing about the actual length.
_UNKNOWN_LENGTH = 0x7FFFF000
# What libsndfile states then.
UNKNOWN_FRAMES = 2**62
# libsndfile corrects the length that a header states, and only logs that it
# did. Of WAV, not that of the whole file, which many programs get wrong.
_CORRECTED = re.compile(
    r"^ *(?:data|SSND|BODY|Data Size|riff|Riff size) *: "
    r"(\d+) \(should be (\d+)\)",
    re.MULTILINE,
)
_NIST_COUNT = re.compile(rb"sample_count -i (\d+)")
# A decoder of what is coded with loss may drop a frame at an end.
_LOSSY_TOLERANCE = 1152
_LOSSY = ("MP3", "OGG")
_FLAC_BEGINS = b"fLaC\0\0\0\x22"
_OGG_HEADER = 27
_OGG_FIRST, _OGG_LAST = 2, 4


def require_whole(
    file: "soundfile.SoundFile", decoded: int, path: Path
) -> None:
    """Refuses a file that ends too early, or goes on after what was decoded.

    It was opened by `open_sound`, and `decoded` samples were read to its end.

    Raises:
        UserError: If it is truncated, or several files joined end to end.
    """
    stated = file.frames if file.frames < UNKNOWN_FRAMES else 0
    if file.format == "NIST":
        stated = _nist_count(path) or stated
    corrected = _CORRECTED.search(file.extra_info)
    if (corrected and _is_too_long(*map(int, corrected.groups()))) or (
        decoded < stated - _LOSSY_TOLERANCE * (file.format in _LOSSY)
    ):
        raise truncated(path)
    if file.format in ("OGG", "FLAC"):
        with (
            path.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            if file.format == "OGG":
                _require_whole_ogg(content, path)
            elif _is_joined_flac(content):
                raise _joined(path)


def _is_too_long(stated: int, actual: int) -> bool:
    return actual < stated < _UNKNOWN_LENGTH


def _nist_count(path: Path) -> int:
    with path.open("rb") as file:
        found = _NIST_COUNT.search(file.read(1024))
    return int(found[1]) if found else 0


def _is_joined_flac(content: mmap.mmap) -> bool:
    # A tag may precede the first stream.
    first = content.find(_FLAC_BEGINS)
    return content.find(_FLAC_BEGINS, first + 1) >= 0


def _require_whole_ogg(content: mmap.mmap, path: Path) -> None:
    """Refuses one without its last page, or with another stream after it."""
    pages = list(_ogg_pages(content))
    begins = [bool(flags & _OGG_FIRST) for flags, _ in pages]
    # Streams side by side all begin before the second page of any.
    if any(itertools.dropwhile(bool, begins)):
        raise _joined(path)
    flags, end = pages[-1] if pages else (0, 0)
    if not flags & _OGG_LAST or end > len(content):
        raise truncated(path)


def _ogg_pages(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Flags and end of every page; the last one may be cut off."""
    at = max(content.find(b"OggS"), 0)
    while content[at : at + 4] == b"OggS" and at + _OGG_HEADER < len(content):
        flags, lengths = content[at + 5], at + _OGG_HEADER
        packets = lengths + content[lengths - 1]
        at = packets + sum(content[lengths:packets])
        yield flags, at


def _joined(path: Path) -> UserError:
    return UserError(
        f"{path}: is several files joined end to end, of which the first "
        f"alone would be decoded; convert it: {conversion(path)}"
    )
