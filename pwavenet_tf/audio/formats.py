"""How sound is stored: the range of samples, and which files are decoded."""

import shlex
from pathlib import Path

# Those of 16-bit PCM, j / 32768.
LOWEST_SAMPLE, HIGHEST_SAMPLE = -1.0, 1.0 - 2.0**-15

# What libsndfile decodes and recordings are kept in.
SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga"),
    *(".aiff", ".aif", ".aifc", ".caf", ".w64", ".rf64"),
    *(".au", ".snd", ".sph", ".nist", ".voc", ".wave", ".mp2"),
)
# AAC, WMA and what else it does not; of films, the sound.
UNDECODABLE = (
    *(".m4a", ".m4b", ".mp4", ".aac", ".wma", ".alac", ".ape", ".wv"),
    *(".amr", ".awb", ".3gp", ".ac3", ".dts", ".ra", ".mpc", ".tta"),
    *(".spx", ".mka", ".weba", ".webm", ".mkv", ".mov", ".avi", ".dsf"),
)
# Which state neither a rate nor how samples are coded.
HEADERLESS = (".raw", ".pcm")


def undecodable(path: Path) -> str | None:
    """Why no file of this suffix can be decoded, and what converts it."""
    suffix = path.suffix.lower()
    if suffix in UNDECODABLE:
        return f"{suffix[1:]} cannot be decoded; convert it: {conversion(path)}"
    if suffix in HEADERLESS:
        given = "-f s16le -ar 16000 -ac 1 "
        return (
            f"{suffix[1:]} states neither rate nor coding; convert it, if it "
            f"is 16-bit PCM at 16 kHz: {conversion(path, given)}"
        )
    return None


def conversion(path: Path, given: str = "") -> str:
    """The command that converts a file to one that can be decoded."""
    suffix = ".wav" if path.suffix.lower() == ".flac" else ".flac"
    new = path.with_suffix(suffix).name
    return f"ffmpeg {given}-i {shlex.quote(path.name)} {shlex.quote(new)}"
