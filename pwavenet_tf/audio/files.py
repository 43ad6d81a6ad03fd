"""Audio files in and out."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import written_aside

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
HIGHEST_SAMPLE = 1 - 2**-15

# Programs that write WAV into a pipe cannot know its length and state one of
# at least this; it says nothing about how much there should be.
_UNKNOWN_WAV_LENGTH = 0x7FFFF000
# An MP3 may state its length wrongly by as much as a frame.
_MP3_TOLERANCE = 1152
# A damaged header may state any length, so no file is read in one piece.
_BLOCK_FRAMES = 2**20
# And any rate: from 1 Hz a second would become hours.
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000


def find_audio(place: Path) -> list[Path]:
    """Finds the audio files below a folder; a file is found as itself.

    Hidden files and folders are passed over.

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
    found = sorted(
        path
        for path in place.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(
            part.startswith(".") for part in path.relative_to(place).parts
        )
        and path.is_file()
    )
    if not found:
        raise UserError(
            f"{place}: holds no audio; put {', '.join(SUFFIXES)} files in it"
        )
    return found


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
    return finished(path, *_decode(path), sample_rate)


def finished(
    path: Path, audio: np.ndarray, rate: int, sample_rate: int | None
) -> np.ndarray:
    """What becomes of decoded audio: it is checked, resampled and clipped.

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
        raise UserError(f"{path}: holds NaN or infinite samples; write it anew")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(
            f"{path}: states a sample rate of {rate} Hz; copy it anew"
        )
    if sample_rate not in (None, rate):
        import soxr

        audio = soxr.resample(audio, rate, sample_rate, quality="VHQ")
    if not audio.size:
        raise UserError(f"{path}: holds no samples")
    return np.clip(audio, -1, np.float32(HIGHEST_SAMPLE))


def openable(path: Path) -> str | bytes:
    """A path as `soundfile` takes it, which chokes on a name not in UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def to_levels(audio: np.ndarray) -> np.ndarray:
    """Rounds audio to its int16 levels j, where x = j / 32768, and clips."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def write_audio(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Writes 16-bit PCM WAV, rounding to levels and clipping.

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
    # By way of memory, because libsndfile tells little of a full disk.
    content = io.BytesIO()
    soundfile.write(
        content,
        to_levels(samples),
        sample_rate,
        subtype="PCM_16",
        format="WAV",
    )
    with written_aside(Path(path)) as aside:
        aside.write_bytes(content.getbuffer())


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
        with soundfile.SoundFile(openable(path)) as file:
            audio = np.concatenate(list(_mono_blocks(file)))
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
            "copy it anew"
        )
    return audio, rate


def _mono_blocks(file) -> Iterator[np.ndarray]:
    """The channels' mean, float32 `(time,)` each, the last one empty."""
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        yield block.mean(axis=1)
        if not len(block):
            return


def is_truncated(file, decoded: int, path: Path) -> bool:
    """Whether a decoded `soundfile.SoundFile` ends before it should.

    libsndfile itself refuses truncated FLAC only.
    """
    if file.format == "OGG":
        return not _has_last_ogg_page(path)
    # WAV: libsndfile corrects the stated length and only logs that it did.
    if found := re.search(r"^data : (\d+) \(should be", file.extra_info, re.M):
        return int(found[1]) < _UNKNOWN_WAV_LENGTH
    return decoded < file.frames - _MP3_TOLERANCE


def _has_last_ogg_page(path: Path) -> bool:
    content = path.read_bytes()
    flags = content.rfind(b"OggS") + 5
    return flags < len(content) and bool(content[flags] & 4)
