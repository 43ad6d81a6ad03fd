"""Whether a FLAC stream is whole, seen without decoding it."""

import functools

import numpy as np

_ROW_BYTES = 256
_POLYNOMIAL = 0x8005


def is_undamaged(content: bytes) -> bool:
    """Whether the checksums of a native FLAC stream hold.

    Every frame ends with the CRC-16 of all of it, so the checksum of a frame
    with its own checksum is zero, and so is that of any number of frames in
    a row: one checksum from the first frame to the end tells of all. Damage
    has one chance in 65,536 to be overlooked.

    Args:
        content: The file. One with a tag before or behind the stream, which
            the format does not know, counts as damaged.

    Source: RFC 9639, sections 8 (metadata) and 9.3 (frame footer).
    """
    if content[:4] != b"fLaC":
        return False
    at, last = 4, False
    while not last:
        header = content[at : at + 4]
        if len(header) < 4:
            return False
        last = bool(header[0] & 0x80)
        at += 4 + int.from_bytes(header[1:], "big")
    return at < len(content) and checksum(content[at:]) == 0


def checksum(content: bytes) -> int:
    """CRC-16, polynomial 0x8005, highest bit first, from zero.

    The content is cut into rows whose checksums are taken all at once and
    then joined; zeros in front of the content change nothing.
    """
    padded = b"\0" * (-len(content) % _ROW_BYTES) + content
    rows = np.frombuffer(padded, np.uint8).reshape(-1, _ROW_BYTES)
    states = np.zeros(len(rows), np.uint16)
    for column in rows.T:
        states = _next_states(states, column)
    joined, behind = 0, _behind_a_row()
    for state in states.tolist():
        joined = behind[joined] ^ state
    return joined


def _next_states(states: np.ndarray, bytes_: np.ndarray) -> np.ndarray:
    return (states << np.uint16(8)) ^ _table()[
        (states >> np.uint16(8)) ^ bytes_
    ]


@functools.cache
def _table() -> np.ndarray:
    """The checksum of each byte."""
    states = np.arange(256, dtype=np.uint16) << np.uint16(8)
    for _ in range(8):
        carry = states >> np.uint16(15)
        states = (states << np.uint16(1)) ^ (carry * np.uint16(_POLYNOMIAL))
    return states


@functools.cache
def _behind_a_row() -> list[int]:
    """What each checksum becomes by a row of zeros behind it."""
    states = np.arange(2**16, dtype=np.uint16)
    for _ in range(_ROW_BYTES):
        states = _next_states(states, np.uint8(0))
    return states.tolist()
