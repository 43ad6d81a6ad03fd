"""Audio files in and out."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.imports import hold_back_stderr

if TYPE_CHECKING:
    import soundfile

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
HIGHEST_SAMPLE = 1 - 2**-15

# Programs that write WAV into a pipe cannot know its length and state one of
# at least this, which tells nothing about the actual length.
_UNKNOWN_WAV_LENGTH = 0x7FFFF000
# An MP3 may state its length wrongly by as much as a frame.
_MP3_TOLERANCE = 1152
# A damaged header may state any length, so no file is read at once.
_CHUNK_FRAMES = 2**20
# And any rate: from 1 Hz a second would become hours.
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000

# What mpg123 says of frames that it passes over.
_MPG123 = re.compile(
    rb"(?<!\w)(?:Note|Warning): [^\r\n]*\n"
    rb"|\n?\[\S+\.c:[^\]\r\n]*\] (?:error|warning): [^\r\n]*\n"
)


def find_audio(place: Path) -> list[Path]:
    """Finds the audio files below a folder; a file stands for itself.

    Hidden files and folders are skipped.

    Returns:
        Paths of WAV, FLAC, MP3 and OGG files, sorted.

    Raises:
        UserError: If there is no such place, or no audio in it.
    """
    place = Path(place)
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    paths = sorted(
        path
        for path in place.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(
            part.startswith(".") for part in path.relative_to(place).parts
        )
        and path.is_file()
    )
    if not paths:
        raise UserError(
            f"{place}: holds no audio; put {', '.join(SUFFIXES)} files in it"
        )
    return paths


def read_audio(path: Path, sample_rate: int | None = None) -> np.ndarray:
    """Reads a recording as mono audio.

    Channels are averaged.

    Args:
        path: A WAV, FLAC, MP3 or OGG file of any rate.
        sample_rate: The rate to resample to, Hz; the file's own if None.

    Returns:
        float32 `(time,)` in [-1, 1 - 2^-15].

    Raises:
        UserError: If the file is missing, empty, not audio, truncated or
            otherwise undecodable, or holds NaN or infinite samples.
    """
    path = Path(path)
    _require_content(path)
    return finish_decoded(path, *_decode(path), sample_rate)


def finish_decoded(
    path: Path, audio: np.ndarray, rate: int, sample_rate: int | None
) -> np.ndarray:
    """Checks, resamples and clips decoded audio.

    Args:
        path: The file it was decoded from, for the message.
        audio: float32 `(time,)`.
        rate: Its rate, Hz.
        sample_rate: The rate to resample to, Hz; none, if None.

    Returns:
        float32 `(time,)` in [-1, 1 - 2^-15].

    Raises:
        UserError: If there are no samples, if one is NaN or infinite, or if
            the rate is none that audio has.
    """
    if not np.isfinite(audio).all():
        raise UserError(
            f"{path}: holds NaN or infinite samples; write it again"
        )
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(
            f"{path}: states a sample rate of {rate} Hz; copy it again"
        )
    if sample_rate not in (None, rate):
        import soxr

        audio = soxr.resample(audio, rate, sample_rate, quality="VHQ")
    if not audio.size:
        raise UserError(f"{path}: holds no samples")
    return np.clip(audio, -1, np.float32(HIGHEST_SAMPLE))


@contextlib.contextmanager
def open_audio(path: Path) -> Iterator["soundfile.SoundFile"]:
    """Opens a recording, without what mpg123 prints about MP3.

    Raises:
        OSError: If the file cannot be read.
        soundfile.SoundFileError: If it does not decode.
        TypeError: If its suffix promises samples without a header.
    """
    import soundfile

    # soundfile fails for names that are not in UTF-8.
    name = str(path) if os.name == "nt" else os.fsencode(path)
    if not _may_be_mp3(path):
        with soundfile.SoundFile(name) as file:
            yield file
        return
    with hold_back_stderr(_MPG123):
        opened = soundfile.SoundFile(name)
    with opened as file:
        read = file.read

        def read_quietly(*arguments, **options):
            with hold_back_stderr(_MPG123):
                return read(*arguments, **options)

        file.read = read_quietly
        yield file


def _may_be_mp3(path: Path) -> bool:
    """By its suffix, or by its content as libsndfile sees it."""
    with open(path, "rb") as file:
        start = file.read(3)
    return (
        path.suffix.lower() == ".mp3"
        or start == b"ID3"
        or (start[:1] == b"\xff" and start[1:2] >= b"\xe0")
    )


def to_pcm16(audio: np.ndarray) -> np.ndarray:
    """Rounds audio to int16 PCM values j, where x = j / 32768, and clips."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def write_audio(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Writes 16-bit PCM WAV, rounding and clipping.

    Args:
        path: The file; it appears only when it is complete.
        samples: `(time,)` in [-1, 1).
        sample_rate: Hz.

    Raises:
        UserError: If a sample is not finite or `path` cannot be written.
    """
    import soundfile

    samples = np.asarray(samples)
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: not written, its audio is not finite")
    # In memory first: libsndfile reports a full disk with no reason.
    content = io.BytesIO()
    soundfile.write(
        content,
        to_pcm16(samples),
        sample_rate,
        subtype="PCM_16",
        format="WAV",
    )
    with atomic_write(Path(path)) as temporary:
        temporary.write_bytes(content.getbuffer())


def _require_content(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error})"
        ) from error
    if empty:
        raise UserError(f"{path}: is an empty file")


def _decode(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with open_audio(path) as file:
            audio = np.concatenate(list(_mono_chunks(file)))
            truncated = is_truncated(file, len(audio), path)
            rate = file.samplerate
    # soundfile raises TypeError for a suffix that it takes for headerless.
    except (soundfile.SoundFileError, TypeError) as error:
        raise UserError(
            f"{path}: is damaged or not audio; it does not decode as "
            "WAV, FLAC, MP3 or OGG"
        ) from error
    if truncated:
        raise UserError(
            f"{path}: is truncated, it ends before the length it states; "
            "copy it again"
        )
    return audio, rate


def _mono_chunks(file) -> Iterator[np.ndarray]:
    """The channels' mean, float32 `(time,)` each, the last one empty."""
    while True:
        chunk = file.read(_CHUNK_FRAMES, dtype="float32", always_2d=True)
        yield chunk.mean(axis=1)
        if not len(chunk):
            return


def is_truncated(file, decoded: int, path: Path) -> bool:
    """Whether a decoded `soundfile.SoundFile` ends before it should.

    libsndfile itself refuses truncated FLAC only.
    """
    if file.format == "OGG":
        return not _has_last_ogg_page(path)
    # WAV: libsndfile corrects the stated length and only logs that it did.
    if stated := re.search(r"^data : (\d+) \(should be", file.extra_info, re.M):
        return int(stated[1]) < _UNKNOWN_WAV_LENGTH
    return decoded < file.frames - _MP3_TOLERANCE


def _has_last_ogg_page(path: Path) -> bool:
    content = path.read_bytes()
    flags = content.rfind(b"OggS") + 5
    return flags < len(content) and bool(content[flags] & 4)
