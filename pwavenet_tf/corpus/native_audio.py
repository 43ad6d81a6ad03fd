"""Decoding by tensorflow-io's native operations, where they can be trusted.

They decode sound files well and damaged ones badly: a flipped byte can make
them run for ever (FLAC, WAV), end the process (WAV) or hand out what was never
recorded. So they are given what is seen to be whole; the rest is
`soundfile`'s.
"""

import functools
import os
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.corpus import audio as audio_files
from pwavenet_tf.corpus.flac_check import is_undamaged
from pwavenet_tf.quiet import hold_back_stderr

if TYPE_CHECKING:
    import tensorflow as tf

# What they decode rightly, as libsndfile names it. They take 32-bit integers
# for floats, and know neither 64-bit floats nor the old telephone codes.
KINDS = (
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
)
SOUNDFILE = -1
_BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
# No speech is packed as tightly as this; a damaged header may say so.
_MOST_SAMPLES_PER_BYTE = 100


@functools.cache
def loads() -> bool:
    """Whether tensorflow-io's native operations work beside this TensorFlow.

    Its only release for years fits TensorFlow 2.16 and 2.17; beside others
    it warns at length, which is held back here.
    """
    import tensorflow as tf

    levels = np.array([1, -2, 3], "<i2").tobytes()
    wav = _wav_header(1, 16_000, "PCM_16", len(levels)) + levels
    with hold_back_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Whatever goes wrong in there, decoding has another way.
        try:
            import tensorflow_io as tfio

            decoded = tfio.audio.decode_wav(wav, dtype=tf.int16)
        except Exception:
            return False
    return decoded.numpy().tolist() == [[1], [-2], [3]]


def inspected(name: bytes) -> tuple[np.int32, np.int64, np.int64]:
    """How a file is to be decoded, found without decoding it.

    Returns:
        The file's index in `KINDS`, or `SOUNDFILE` for what only `soundfile`
        can decode or refuse; the sample rate, Hz; the length, samples.
    """
    import soundfile

    path = Path(os.fsdecode(name))
    try:
        with soundfile.SoundFile(audio_files.openable(path)) as file:
            if _can_be_trusted_with(file, path):
                kind = KINDS.index((file.format, file.subtype))
                return (
                    np.int32(kind),
                    np.int64(file.samplerate),
                    np.int64(file.frames),
                )
    # `read_audio` gives the reason.
    except (OSError, soundfile.SoundFileError, TypeError):
        pass
    return np.int32(SOUNDFILE), np.int64(0), np.int64(0)


def mono(path: "tf.Tensor", kind: "tf.Tensor") -> "tf.Tensor":
    """Decodes a file inside a graph.

    Args:
        path: string `()`.
        kind: int32 `()`, index in `KINDS`.

    Returns:
        float32 `(time,)`, the channels' mean, at the file's own rate.
    """
    import tensorflow as tf

    content = tf.io.read_file(path)
    channels = tf.switch_case(
        kind,
        [functools.partial(_decoder(*kind), content) for kind in KINDS],
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
        "FLOAT": (tf.float32, 1.0, 0.0),
    }[subtype]

    def decoded(content: "tf.Tensor") -> "tf.Tensor":
        samples = decode[container](content, dtype=coded)
        return tf.cast(samples, tf.float32) / full_scale - zero

    return decoded


def _can_be_trusted_with(file, path: Path) -> bool:
    """Whether a `soundfile.SoundFile` is of a known kind and whole."""
    most = path.stat().st_size * _MOST_SAMPLES_PER_BYTE
    if (file.format, file.subtype) not in KINDS or not (
        0 < file.frames * file.channels < most
    ):
        return False
    if file.format == "MP3":
        return True
    if file.format == "OGG":
        return not audio_files.is_truncated(file, file.frames, path)
    content = path.read_bytes()
    if file.format == "FLAC":
        # The checksums are the frames' alone; libFLAC looks at the tags too,
        # before it gives the first sample.
        return len(file.read(1)) == 1 and is_undamaged(content)
    return _is_plain_wav(content, file)


def _is_plain_wav(content: bytes, file) -> bool:
    """Whether a WAV is built by the book, as `soundfile.SoundFile` has it."""
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
        *(3 if subtype == "FLOAT" else 1, channels),
        *(rate, rate * frame, frame, bits),
        *(b"data", length),
    )
