"""How long an MP3 is, by counting its frames.

The length of an MP3 is stated by its first frame alone (of Xing, which LAME
writes as `Info` too, or of the Fraunhofer encoder, `VBRI`), and not by all
encoders. Without it decoders estimate the length from the bit rate of the first
frame, and stop there: of a variable bit rate, half of the audio may be missing.
Of files that were joined end to end, the length stated is that of the first.

Source: ISO/IEC 11172-3, section 2.4.1.3 (header), 13818-3 (lower rates).
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pwavenet_tf.audio.formats import conversion
from pwavenet_tf.core.errors import UserError, truncated

# kbit/s of the codes 1 to 14, of layer III.
_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_BIT_RATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)
# By the code of the version: of MPEG-2.5, none, of MPEG-2 and MPEG-1.
_DIVISORS = (4, None, 2, 1)
_HEADER = 4
# Some encoders count the frame in which they state the length.
_STATED_TOLERANCE = 1
# A frame long enough to state the length in, whatever the version.
_ROOMY_CODE = 8


class _Header(NamedTuple):
    """What the header of a frame says."""

    version: int
    rate: int
    mono: bool
    size: int

    @property
    def format(self) -> tuple:
        """What no two frames of a stream differ in."""
        return self.version, self.rate, self.mono

    @property
    def length_offset(self) -> int:
        """Where in a frame Xing states the length: behind empty side data."""
        full = self.version == 3
        return _HEADER + (17, 9, 32, 17)[2 * full + self.mono]


def counted(path: Path) -> bytes | None:
    """An MP3 whose length is right, in place of one that misstates it.

    Its content begins with a frame that states the number of frames that
    follow. None if the file's own first frame states it, or if it holds no
    frames of layer III.

    Raises:
        UserError: If the file ends within a frame or before the length it
            states, or if it joins streams of different formats.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return _counted(content, path)


def _counted(content: mmap.mmap, path: Path) -> bytes | None:
    frames = _frames(content)
    if (found := next(frames, None)) is None:
        return None
    start, first = found
    end = start + first.size
    stated = _stated(content[start:end], first)
    # Where a frame states the length, there is no audio in it.
    audio_start, count = (start, 1) if stated is None else (end, 0)
    formats = {first.format}
    for at, header in frames:
        end, count = at + header.size, count + 1
        formats.add(header.format)
    if end > len(content) or count + _STATED_TOLERANCE < (stated or 0):
        raise truncated(path)
    if stated is not None and count <= stated + _STATED_TOLERANCE:
        return None
    if len(formats) > 1:
        raise UserError(
            f"{path}: is several MP3 files of different rates or channels "
            "joined end to end, of which the first alone would be decoded; "
            f"convert it: {conversion(path)}"
        )
    given = content[start : start + _HEADER]
    return _stating(count, given, first) + content[audio_start:]


def _frames(content: mmap.mmap) -> Iterator[tuple[int, _Header]]:
    """Offset and header of every frame; the last one may be cut off."""
    at, follows = _tag_size(content), False
    while (at := content.find(b"\xff", at)) >= 0:
        header = _header(content[at : at + _HEADER])
        # Tags and pictures hold what looks like a header, but not two in a row.
        if header and (follows or _is_followed(content, at, header)):
            yield at, header
            at += header.size
            follows = content[at : at + 1] == b"\xff"
        else:
            at, follows = at + 1, False


def _tag_size(content: mmap.mmap) -> int:
    """Of an ID3v2 tag in front, in four bytes of seven bits."""
    if content[:3] != b"ID3":
        return 0
    return 10 + sum(
        byte << 7 * place for place, byte in enumerate(reversed(content[6:10]))
    )


def _is_followed(content: mmap.mmap, at: int, header: _Header) -> bool:
    end = at + header.size
    following = _header(content[end : end + _HEADER])
    if following is None:
        return end == len(content)
    return following.format == header.format


def _header(given: bytes) -> _Header | None:
    """What four bytes say, if they are the header of a frame of layer III."""
    if len(given) < _HEADER or given[0] != 0xFF or given[1] & 0xE6 != 0xE2:
        return None
    version, code, rate = given[1] >> 3 & 3, given[2] >> 4, given[2] >> 2 & 3
    divisor = _DIVISORS[version]
    if divisor is None or code in (0, 15) or rate == 3:
        return None
    full = version == 3
    kilobits = (_BIT_RATES if full else _LOW_BIT_RATES)[code - 1]
    hertz = _RATES[rate] // divisor
    size = (144_000 if full else 72_000) * kilobits // hertz
    padding = given[2] >> 1 & 1
    return _Header(version, hertz, given[3] >> 6 == 3, size + padding)


def _stated(frame: bytes, header: _Header) -> int | None:
    """How many frames follow, if this frame states it and has no audio."""
    # Two bytes later behind a checksum.
    for at in (header.length_offset, header.length_offset + 2):
        if frame[at : at + 4] in (b"Xing", b"Info"):
            # The lowest flag says whether the number is there.
            present = _number(frame, at + 4) & 1
            return _number(frame, at + 8) if present else 0
    return _number(frame, 50) if frame[36:40] == b"VBRI" else None


def _number(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 4], "big")


def _stating(frames: int, given: bytes, header: _Header) -> bytes:
    """A frame without audio that states how many frames follow it."""
    plain = bytearray(given)
    plain[1] |= 1  # no checksum
    plain[2] = _ROOMY_CODE << 4 | plain[2] & 0x0C  # no padding either
    roomy = _header(bytes(plain))
    assert roomy is not None
    stated = b"Xing" + struct.pack(">II", 1, frames)
    silent = bytes(header.length_offset - _HEADER)
    return (bytes(plain) + silent + stated).ljust(roomy.size, b"\0")
