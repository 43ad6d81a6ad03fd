"""Tables of recordings: manifests, transcripts and speakers' names."""

import csv
import dataclasses
import re
from pathlib import Path, PurePosixPath

from pwavenet_tf.core.errors import UserError

_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = ",\t;|"
_PATH, _SPEAKER, _TEXT = "path", "speaker", "text"


@dataclasses.dataclass(frozen=True)
class Row:
    """A recording that a manifest names.

    Attributes:
        path: As it is written, relative to the manifest's folder.
        speaker: None where the field is empty or there is no such column.
        text: Likewise.
    """

    path: str
    speaker: str | None
    text: str | None


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest, by its name."""
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def read_manifest(manifest: Path) -> list[Row]:
    """Reads a CSV manifest.

    Its first line names the columns: `path`, and `speaker` and `text` if they
    are known, in any order; other columns are passed over. Fields are
    separated by commas, tabs, semicolons or bars.

    Raises:
        UserError: If it is not text, has no `path` column or no rows, or if a
            row has no path or one that another row has too.
    """
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            rows = list(
                _manifest_rows(csv.reader(file, delimiter=delimiter), manifest)
            )
    except UnicodeDecodeError as error:
        raise UserError(
            f"{manifest}: is not UTF-8 text; save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise UserError(f"{manifest}: is not CSV ({error})") from error
    if not rows:
        raise UserError(f"{manifest}: names no recordings; add a line for each")
    return rows


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _manifest_rows(lines, manifest: Path):
    header = [name.strip().lower() for name in next(lines, [])]
    if _PATH not in header:
        raise UserError(
            f"{manifest}: its first line names no column {_PATH!r}; let it "
            f"begin with a line like {_PATH},{_SPEAKER},{_TEXT}"
        )
    seen: dict[str, int] = {}
    for fields in lines:
        if not any(field.strip() for field in fields):
            continue
        row = dict(zip(header, map(str.strip, fields), strict=False))
        where = f"{manifest}:{lines.line_num}"
        if not row.get(_PATH) or "\0" in row[_PATH]:
            raise UserError(f"{where}: has no path; fill it in or drop the row")
        path = PurePosixPath(row[_PATH]).as_posix()
        if path in seen:
            raise UserError(
                f"{where}: names {path} again, as line {seen[path]} does; "
                "drop one of them"
            )
        seen[path] = lines.line_num
        yield Row(path, row.get(_SPEAKER) or None, row.get(_TEXT) or None)


def read_texts(folder: Path) -> dict[str, str]:
    """Texts by the stem of the recording's file name, as they are written.

    The file has a line `name|text` or `name|text|normalised text` for each
    recording, as in the LJ Speech corpus. Lines of another form are passed
    over.
    """
    return {row[0]: row[1] for row in _rows(folder)}


def read_normalised_texts(folder: Path) -> dict[str, str]:
    """Texts by name: the normalised text where there is one.

    It has numbers and abbreviations in full, so it is the one to align.
    """
    return {
        row[0]: next(filter(str.strip, row[2:3]), row[1])
        for row in _rows(folder)
    }


def _rows(folder: Path) -> list[list[str]]:
    table = Path(folder) / "metadata.csv"
    if not table.is_file():
        return []
    lines = table.read_text("utf-8", errors="replace").splitlines()
    fields = [line.split("|") for line in lines]
    return [row for row in fields if len(row) > 1]


# The folder that a recording lies in, as the corpora VCTK and LibriTTS have
# one for each speaker.
FOLDER = "^([^/]+)/"


def speaker_of(name: str, pattern: re.Pattern) -> str:
    """The speaker of a recording.

    Args:
        name: The file's path within the folder of recordings, with `/`.
        pattern: From `compiled`; searched in the path.

    Raises:
        UserError: If the pattern does not match.
    """
    found = pattern.search(name)
    if found is None or not found[1]:
        raise UserError(
            f"{name}: the speaker pattern {pattern.pattern!r} finds no speaker "
            "in this path; fix the pattern"
        )
    return found[1]


def compiled(pattern: str) -> re.Pattern:
    """A regular expression whose one group is the speaker's name.

    Raises:
        UserError: If it is not valid, or has not one group.
    """
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"the speaker pattern {pattern!r} is no regular expression "
            f"({error})"
        ) from error
    if made.groups != 1:
        raise UserError(
            f"the speaker pattern {pattern!r} has {made.groups} groups; "
            "put the speaker's name, and nothing else, in parentheses, as in "
            "'_(.+)_'"
        )
    return made
