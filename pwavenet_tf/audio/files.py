"""Audio files in and out."""

import contextlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, SUFFIXES, undecodable
from pwavenet_tf.audio.mp3 import counted
from pwavenet_tf.audio.whole import UNKNOWN_FRAMES, require_whole
from pwavenet_tf.core.errors import UserError, unreadable
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.imports import hold_back_stderr

if TYPE_CHECKING:
    import soundfile

# What is coded with loss overshoots full scale, but never by so much.
HIGHEST_PEAK = 2.0
_WORDS = (8, 16, 24, 32)
# A damaged header may state any length, so no file is read at once.
_CHUNK_FRAMES = 2**20
_CHUNK_SAMPLES = 2**24
# And any rate: from 1 Hz a second would become hours.
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000

# What mpg123 says of frames that it passes over.
_MPG123 = re.compile(
    rb"(?<!\w)(?:Note|Warning): [^\r\n]*\n"
    rb"|\n?\[\S+\.c:[^\]\r\n]*\] (?:error|warning): [^\r\n]*\n"
)


def find_audio(place: Path) -> list[Path]:
    """Finds the audio files below a folder; a file stands for itself.

    Hidden files and folders are skipped. Files that `read_audio` refuses for
    their format alone are among them, so that whoever reads them learns of it,
    unless one that it reads lies next to them under the same name.

    Returns:
        Paths, sorted.

    Raises:
        UserError: If there is no such place, or no audio in it.
    """
    place = Path(place)
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    paths = with_undecodable(visible_files(place))
    if not paths:
        raise UserError(
            f"{place}: holds no audio; put {', '.join(SUFFIXES)} files in it"
        )
    return sorted(paths)


def visible_files(folder: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden, in no order."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            yield path


def with_undecodable(paths: Iterable[Path]) -> list[Path]:
    """The audio files among others; see `find_audio`."""
    paths = list(paths)
    decodable = [path for path in paths if path.suffix.lower() in SUFFIXES]
    converted = {path.with_suffix("") for path in decodable}
    return decodable + [
        path
        for path in paths
        if undecodable(path) and path.with_suffix("") not in converted
    ]


def read_audio(path: Path, sample_rate: int | None = None) -> np.ndarray:
    """Reads a recording as mono audio, float32 `(time,)` in [-1, 1 - 2^-15].

    Channels are averaged. It is resampled to `sample_rate`, Hz, or keeps the
    file's own rate if None.

    Raises:
        UserError: If the file is missing, empty, not audio, truncated or
            otherwise undecodable, or holds samples that are NaN, infinite or
            far beyond full scale.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise unreadable(path, error) from error
    if empty:
        raise UserError(f"{path}: is an empty file")
    return finish_decoded(path, *_decode(path), sample_rate)


def finish_decoded(
    path: Path, audio: np.ndarray, rate: int, sample_rate: int | None
) -> np.ndarray:
    """Checks audio of `rate` Hz, resamples it to `sample_rate` and clips it.

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


def full_scale_fault(peak: float, whole_numbers: bool) -> str | None:
    """Why audio is not on the scale where full scale is 1, if it is not.

    The peak is the highest |x|, before anything is clipped; up to
    `HIGHEST_PEAK` there is no fault.
    """
    if not peak > HIGHEST_PEAK:
        return None
    bits = next((one for one in _WORDS if peak <= 2 ** (one - 1)), None)
    if whole_numbers and bits:
        return (
            f"peak {peak:,.0f} times full scale: {bits}-bit integers stored as "
            f"floating point; divide by {2 ** (bits - 1):,}"
        )
    return (
        f"peak {peak:.4g} times full scale: normalised by another measure than "
        "its peak, such as its standard deviation; divide by its peak"
    )


def require_full_scale(audio: np.ndarray, source: str) -> None:
    """Refuses audio, of any shape, that is far beyond full scale.

    Raises:
        UserError: If it is, with the cause; see `full_scale_fault`.
    """
    audio = np.asarray(audio)
    # The lowest 16-bit integer has no absolute value.
    peak = max(float(audio.max(initial=0)), -float(audio.min(initial=0)))
    whole = peak > HIGHEST_PEAK and bool((audio == np.rint(audio)).all())
    if fault := full_scale_fault(peak, whole):
        raise UserError(f"{source}: {fault}")


def soundfile_path(path: Path) -> str | bytes:
    """A path as `soundfile` takes it, which fails for names not in UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _opened(path: Path, content: bytes | None = None) -> "soundfile.SoundFile":
    """A sound file, or content in its place, without what mpg123 prints."""
    import soundfile

    source = soundfile_path(path) if content is None else io.BytesIO(content)
    if not _may_be_mp3(path):
        return soundfile.SoundFile(source)
    with hold_back_stderr(_MPG123):
        file = soundfile.SoundFile(source)
    read = file.read

    def read_quietly(*arguments, **options):
        with hold_back_stderr(_MPG123):
            return read(*arguments, **options)

    file.read = read_quietly
    return file


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
    """Writes `(time,)` in [-1, 1) as 16-bit PCM WAV, rounding and clipping.

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
        content, to_pcm16(samples), sample_rate, subtype="PCM_16", format="WAV"
    )
    with atomic_write(Path(path)) as temporary:
        temporary.write_bytes(content.getbuffer())


def _decode(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with open_sound(path) as file:
            chunks, peak, whole = [], 0.0, True
            for chunk in blocks(file, _CHUNK_FRAMES):
                peak = max(peak, float(np.abs(chunk).max()))
                whole = whole and bool((chunk == np.rint(chunk)).all())
                with np.errstate(over="ignore"):
                    chunks.append(chunk.mean(axis=1))
            audio = np.concatenate(chunks or [np.zeros(0, np.float32)])
            require_whole(file, len(audio), path)
            rate = file.samplerate
    # soundfile raises TypeError for a suffix that it takes for headerless.
    except (soundfile.SoundFileError, TypeError) as error:
        reason = undecodable(path) or (
            "is damaged or not audio; libsndfile does not decode it"
        )
        raise UserError(f"{path}: {reason}") from error
    # A sample that is not finite is another fault.
    if np.isfinite(peak) and (fault := full_scale_fault(peak, whole)):
        raise UserError(f"{path}: {fault}")
    return audio, rate


@contextlib.contextmanager
def open_sound(path: Path) -> Iterator["soundfile.SoundFile"]:
    """Opens a sound file, so that reading gives all of it.

    Its `frames` are right, or at least `UNKNOWN_FRAMES`.

    Raises:
        UserError: If it is an MP3 that is cut off, or joined of parts of
            different formats.
        soundfile.SoundFileError: If it can't be decoded; TypeError likewise.
        OSError: If it can't be read.
    """
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(_opened(path))
        if file.format == "MP3" and (content := counted(path)) is not None:
            file = opened.enter_context(_opened(path, content))
        if file.frames >= UNKNOWN_FRAMES:
            file = opened.enter_context(_forward_only(path))
        yield file


def _forward_only(path: Path) -> "soundfile.SoundFile":
    """Of FLAC from a pipe; to seek to its end, as soundfile does, fails."""
    import soundfile

    class ForwardOnly(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return ForwardOnly(soundfile_path(path))


def blocks(file: "soundfile.SoundFile", frames: int) -> Iterator[np.ndarray]:
    """The samples of a file, float32 `(up to frames, channels)` each."""
    # A file may state any number of channels.
    frames = max(min(frames, _CHUNK_SAMPLES // file.channels), 1)
    while len(block := file.read(frames, dtype="float32", always_2d=True)):
        yield block
