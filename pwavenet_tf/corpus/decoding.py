"""Many recordings decoded at once, in a `tf.data` graph.

tensorflow-io's native operations decode where they load, `soundfile`
elsewhere, and both lead to the same audio. Resampling is `soxr`'s
everywhere: tensorflow-io's resampler (44.1 to 16 kHz) takes 0.4 dB from 7 kHz
and 16 dB from 7.6 kHz, where soxr VHQ takes 0.01 and 3, it lets tones beyond
the new band through at -88 dB instead of -157, and takes 70 times as long.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.corpus.audio import finished, read_audio
from pwavenet_tf.corpus.native_audio import SOUNDFILE, inspected, loads, mono
from pwavenet_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

# Files are taken in groups that decode to about this much, because all of a
# group may wait decoded at the same time.
_GROUP_BYTES = 2**30
# Bytes of float32 audio from a byte of the file, at the usual bit rates.
_EXPANSION = {".wav": 4, ".flac": 8}
_LOSSY_EXPANSION = 24


def decoded(
    paths: Iterable[Path], sample_rate: int | None, native: bool | None = None
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """Decodes recordings, several at a time, as `read_audio` decodes one.

    A recording that cannot be used takes nothing from the others. Memory
    depends on the longest recording and on the number of cores, not on the
    number of recordings.

    Args:
        paths: WAV, FLAC, MP3 and OGG files; read as they are needed.
        sample_rate: The rate to resample to, Hz; each file's own if None.
        native: Whether tensorflow-io's native operations decode what they
            can; if they load, if None.

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

    types = tf.float32, tf.string
    read = functools.partial(_read, sample_rate=sample_rate)
    finish = functools.partial(_finish, sample_rate=sample_rate)

    def by_soundfile(path):
        return tf.numpy_function(read, [path], types)

    def by_native_operations(path):
        kind, rate, length = tf.numpy_function(
            inspected, [path], (tf.int32, tf.int64, tf.int64)
        )

        def decode():
            audio = mono(path, kind)
            return tf.numpy_function(finish, [path, audio, rate, length], types)

        return tf.cond(
            kind == SOUNDFILE, lambda: by_soundfile(path), decode
        )

    decode_one = by_native_operations if native else by_soundfile
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
    # A native operation's refusal ends this element only. It says nothing
    # to a user, and soundfile may think otherwise.
    except tf.errors.OpError:
        audio, reason = map(tf.constant, _read(os.fsencode(path), sample_rate))
    if reason := reason.numpy():
        return UserError(os.fsdecode(reason))
    return audio.numpy()


def _read(path: bytes, sample_rate: int | None) -> tuple[np.ndarray, bytes]:
    try:
        return read_audio(Path(os.fsdecode(path)), sample_rate), b""
    except UserError as fault:
        return np.zeros(0, np.float32), os.fsencode(str(fault))


def _finish(
    path: bytes,
    audio: np.ndarray,
    rate: np.int64,
    length: np.int64,
    sample_rate: int | None,
) -> tuple[np.ndarray, bytes]:
    """The audio that native operations decoded, if it is all there."""
    if len(audio) != length:
        return _read(path, sample_rate)
    name = Path(os.fsdecode(path))
    try:
        return finished(name, audio, int(rate), sample_rate), b""
    except UserError as fault:
        return np.zeros(0, np.float32), os.fsencode(str(fault))


def _groups(paths: Iterable[Path]) -> Iterator[list[Path]]:
    group, total = [], 0
    for path in paths:
        size = _decoded_bytes(path)
        if group and total + size > _GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(path)
        total += size
    if group:
        yield group


def _decoded_bytes(path: Path) -> int:
    """About how much audio a file holds, seen from its size."""
    try:
        size = path.stat().st_size
    except OSError:
        return 0
    return size * _EXPANSION.get(path.suffix.lower(), _LOSSY_EXPANSION)
