"""Many recordings decoded at once, in a `tf.data` graph.

tensorflow-io's native operations decode where they load, `soundfile`
elsewhere, and both lead to the same audio. The native ones decode sound files
well and damaged ones badly (a flipped byte can make them run for ever, or end
the process), so they are given only files that are known to be intact.

Resampling is `soxr`'s everywhere: tensorflow-io's resampler (44.1 to 16 kHz)
takes 0.4 dB from 7 kHz and 16 dB from 7.6 kHz, where soxr VHQ takes 0.01 and
3, it lets tones beyond the new band through at -88 dB instead of -157, and
takes 70 times as long.
"""

import contextlib
import functools
import os
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.audio.files import finish_decoded, open_sound, read_audio
from pwavenet_tf.audio.whole import require_whole
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.imports import hold_back_stderr

if TYPE_CHECKING:
    import tensorflow as tf

# Of FLAC's checksums.
_ROW_BYTES = 256
_POLYNOMIAL = 0x8005

# What tensorflow-io decodes rightly, as libsndfile names it. It takes 32-bit
# integers for floats, and knows neither 64-bit floats nor telephone codes;
# 32-bit floats are left to `read_audio`, which judges their scale.
KINDS = (
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
)
SOUNDFILE = -1
_BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}
# No speech is packed as tightly as this; a damaged header may say so.
_MOST_SAMPLES_PER_BYTE = 100

# Files are taken in groups that decode to about this much, because all of a
# group may wait decoded at the same time.
_GROUP_BYTES = 2**30
# Bytes of float32 audio from a byte of the file, at the usual bit rates.
_EXPANSION = {".wav": 4, ".flac": 8}
_LOSSY_EXPANSION = 24


def is_undamaged(content: bytes) -> bool:
    """Whether the checksums of a native FLAC stream hold.

    Every frame ends with the CRC-16 of all of it, so the checksum of a frame
    with its own checksum is zero, and so is that of any number of frames in
    a row: one checksum from the first frame to the end covers them all. Damage
    has one chance in 65,536 of being missed. A file with a tag before or after
    the stream, which is not part of the format, is taken for damaged.

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
    joined, after = 0, _after_zero_row()
    for state in states.tolist():
        joined = after[joined] ^ state
    return joined


def _next_states(
    states: np.ndarray, bytes_: np.ndarray | np.uint8
) -> np.ndarray:
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
def _after_zero_row() -> list[int]:
    """Each checksum after a row of zeros is appended."""
    states = np.arange(2**16, dtype=np.uint16)
    for _ in range(_ROW_BYTES):
        states = _next_states(states, np.uint8(0))
    return states.tolist()


@functools.cache
def loads() -> bool:
    """Whether tensorflow-io's native operations work with this TensorFlow.

    Its latest release fits TensorFlow 2.16 and 2.17; with others it prints
    long warnings, which are suppressed here.
    """
    import tensorflow as tf

    samples = np.array([1, -2, 3], "<i2").tobytes()
    wav = _wav_header(1, 16_000, "PCM_16", len(samples)) + samples
    with hold_back_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Whatever fails in there, soundfile can decode instead.
        try:
            import tensorflow_io as tfio

            decoded = tfio.audio.decode_wav(wav, dtype=tf.int16)
        except Exception:
            return False
    return decoded.numpy().tolist() == [[1], [-2], [3]]


def inspect_file(name: bytes) -> tuple[np.int32, np.int64, np.int64]:
    """How a file is to be decoded, from its header.

    Its index in `KINDS`, or `SOUNDFILE` for what only `soundfile` can decode or
    refuse; the sample rate, Hz; the length, samples.
    """
    import soundfile

    path = Path(os.fsdecode(name))
    kind, rate, length = SOUNDFILE, 0, 0
    # `read_audio` reports the reason of a fault.
    faults = UserError, OSError, soundfile.SoundFileError, TypeError
    with contextlib.suppress(*faults), open_sound(path) as file:
        if _is_intact(file, path):
            kind = KINDS.index((file.format, file.subtype))
            rate, length = file.samplerate, file.frames
    return np.int32(kind), np.int64(rate), np.int64(length)


def mono(path: "tf.Tensor", kind: "tf.Tensor") -> "tf.Tensor":
    """Decodes a file inside a graph, `kind` being its index in `KINDS`.

    float32 `(time,)`, the channels' mean, at the file's own rate.
    """
    import tensorflow as tf

    content = tf.io.read_file(path)
    channels = tf.switch_case(
        kind, [functools.partial(_decoder(*kind), content) for kind in KINDS]
    )
    return tf.reduce_mean(channels, axis=1)


def _decoder(container: str, subtype: str):
    """A function from a file's content to float32 `(time, channels)`."""
    import tensorflow as tf
    import tensorflow_io as tfio

    if container == "OGG":
        return tfio.audio.decode_vorbis
    if container == "MP3":
        return tfio.audio.decode_mp3
    decode = {"WAV": tfio.audio.decode_wav, "FLAC": tfio.audio.decode_flac}
    # 24 bits come in the upper bits of 32.
    coded, full_scale, zero = {
        "PCM_U8": (tf.uint8, 2.0**7, 1.0),
        "PCM_16": (tf.int16, 2.0**15, 0.0),
        "PCM_24": (tf.int32, 2.0**31, 0.0),
    }[subtype]

    def scaled(content: "tf.Tensor") -> "tf.Tensor":
        samples = decode[container](content, dtype=coded)
        return tf.cast(samples, tf.float32) / full_scale - zero

    return scaled


def _is_intact(file, path: Path) -> bool:
    """Whether a `soundfile.SoundFile` is of a known kind and whole."""
    most = path.stat().st_size * _MOST_SAMPLES_PER_BYTE
    if (file.format, file.subtype) not in KINDS or not (
        0 < file.frames * file.channels < most
    ):
        return False
    if file.format == "MP3":
        return True
    if file.format == "OGG":
        # What it raises, `read_audio` raises again.
        require_whole(file, file.frames, path)
        return True
    content = path.read_bytes()
    if file.format == "FLAC":
        # The checksums are the frames' alone; libFLAC looks at the tags too,
        # before it gives the first sample.
        return len(file.read(1)) == 1 and is_undamaged(content)
    return _is_plain_wav(content, file)


def _is_plain_wav(content: bytes, file) -> bool:
    """Whether a WAV has the standard layout that `soundfile` reports."""
    length = file.frames * file.channels * _BITS[file.subtype] // 8
    header = _wav_header(file.channels, file.samplerate, file.subtype, length)
    form, described = slice(20, 36), slice(8, 16)
    if (
        content[:4] != b"RIFF"
        or int.from_bytes(content[4:8], "little") != len(content) - 8
        or content[described] != header[described]
        or content[form] != header[form]
    ):
        return False
    chunks, at = {}, 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name in chunks:
            return False
        chunks[name] = size
        at += 8 + size + size % 2
    # Some leave out the byte that makes the last chunk even.
    ends = at in (len(content), len(content) + 1)
    return (
        ends and chunks[b"fmt "] in (16, 18) and chunks.get(b"data") == length
    )


def _wav_header(channels: int, rate: int, subtype: str, length: int) -> bytes:
    """The 44 bytes in front of `length` bytes of samples."""
    bits = _BITS[subtype]
    frame = channels * bits // 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + length, b"WAVE", b"fmt ", 16),
        *(1, channels),
        *(rate, rate * frame, frame, bits),
        *(b"data", length),
    )


def decoded(
    paths: Iterable[Path], sample_rate: int | None, native: bool | None = None
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """Decodes recordings, several at a time, as `read_audio` decodes one.

    A recording that cannot be used does not affect the others. Memory
    depends on the longest recording and on the number of cores, not on the
    number of recordings. tensorflow-io's native operations decode what they
    can if `native` is true, or where they load if it is None.

    Yields:
        Each path, in the order given, with its audio, float32 `(time,)` in
        [-1, 1 - 2^-15], or with the reason why there is none.
    """
    if native is None:
        native = loads()
    for group in _groups(Path(path) for path in paths):
        elements = iter(_dataset(group, sample_rate, native))
        for path in group:
            yield path, _next(elements, path, sample_rate)


def _dataset(
    paths: list[Path], sample_rate: int | None, native: bool
) -> "tf.data.Dataset":
    """Audio float32 `(time,)` and reason string `()`, one of them empty."""
    import tensorflow as tf

    read = functools.partial(_read, sample_rate)

    def finish(*arguments):
        types = tf.float32, tf.string
        return tf.numpy_function(read, list(arguments), types)

    def by_native_operations(path):
        kind, rate, length = tf.numpy_function(
            inspect_file, [path], (tf.int32, tf.int64, tf.int64)
        )

        def decode():
            return finish(path, mono(path, kind), rate, length)

        return tf.cond(kind == SOUNDFILE, lambda: finish(path), decode)

    decode_one = by_native_operations if native else finish
    return tf.data.Dataset.from_tensor_slices(
        [os.fsencode(path) for path in paths]
    ).map(
        # They are graph code as they stand, and converting them takes long.
        tf.autograph.experimental.do_not_convert(decode_one),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _next(
    elements: Iterator, path: Path, sample_rate: int | None
) -> np.ndarray | UserError:
    import tensorflow as tf

    try:
        audio, reason = next(elements)
    # An error of a native operation ends this element only. Its message is of
    # no use to a user, and soundfile may still decode the file.
    except tf.errors.OpError:
        audio, reason = map(tf.constant, _read(sample_rate, os.fsencode(path)))
    if reason := reason.numpy():
        return UserError(os.fsdecode(reason))
    return audio.numpy()


def _read(
    sample_rate: int | None,
    path: bytes,
    audio: np.ndarray | None = None,
    rate: int = 0,
    length: int = 0,
) -> tuple[np.ndarray, bytes]:
    """Audio and reason, one of them empty, with what native operations gave."""
    name = Path(os.fsdecode(path))
    try:
        # Theirs is used if it is all there.
        if audio is None or len(audio) != length:
            return read_audio(name, sample_rate), b""
        return finish_decoded(name, audio, int(rate), sample_rate), b""
    except UserError as fault:
        return np.zeros(0, np.float32), os.fsencode(str(fault))


def _groups(paths: Iterable[Path]) -> Iterator[list[Path]]:
    group, total = [], 0
    for path in paths:
        size = 0
        with contextlib.suppress(OSError):
            expansion = _EXPANSION.get(path.suffix.lower(), _LOSSY_EXPANSION)
            size = path.stat().st_size * expansion
        if group and total + size > _GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(path)
        total += size
    if group:
        yield group
