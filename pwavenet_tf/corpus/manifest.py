"""CSV manifests, and speakers' names."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.tables import csv_rows, read_text, split_lines

_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = ",\t;|"
_COLUMNS = _PATH, _SPEAKER, _TEXT = "path", "speaker", "text"

# The folder that a recording lies in, as the corpora VCTK and LibriTTS have
# one for each speaker.
FOLDER = "^([^/]+)/"


@dataclasses.dataclass(frozen=True)
class Row:
    """A recording that a manifest names, by its path relative to its folder.

    The speaker and the text are None where the field is empty or there is no
    such column.
    """

    path: str
    speaker: str | None
    text: str | None
    line: int


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest, by its name."""
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def read_manifest(manifest: Path) -> list[Row]:
    """Reads a CSV manifest.

    Its first line names the columns: `path`, and `speaker` and `text` if they
    are known, in any order; other columns are passed over. Fields are
    separated by commas, tabs, semicolons or bars.

    Raises:
        UserError: If it is not text or not CSV, has no `path` column or no
            rows, or if a row has another number of fields, no path, or one
            that another row has too.
    """
    text = read_text(manifest)
    header, *_ = split_lines(text)
    delimiter = next(filter(_names_path(header), _DELIMITERS), ",")
    rows = csv_rows(manifest, text, delimiter)
    columns = [name.casefold() for name in next(rows, (1, []))[1]]
    if _PATH not in columns:
        raise UserError(
            f"{manifest}: its first line names no column {_PATH!r}; let it "
            f"begin with a line like {_PATH},{_SPEAKER},{_TEXT}, or name the "
            "folder if this is its table of texts"
        )
    if twice := [one for one in _COLUMNS if columns.count(one) > 1]:
        raise UserError(
            f"{manifest}:1: names the column {twice[0]!r} twice; drop one"
        )
    found = list(_manifest_rows(manifest, columns, rows))
    if not found:
        raise UserError(f"{manifest}: names no recordings; add a line for each")
    return found


def _names_path(header: str) -> Callable[[str], bool]:
    def is_delimiter(one: str) -> bool:
        names = header.casefold().split(one)
        return _PATH in [name.strip('" \t') for name in names]

    return is_delimiter


def _manifest_rows(
    manifest: Path, columns: list[str], rows: Iterable[tuple[int, list[str]]]
) -> Iterator[Row]:
    seen: dict[str, int] = {}
    for line, fields in rows:
        row = dict(zip(columns, fields, strict=False))
        if not row[_PATH]:
            raise UserError(
                f"{manifest}:{line}: has no path; fill it in or drop the row"
            )
        path = PurePosixPath(row[_PATH]).as_posix()
        place = os.path.abspath(manifest.parent / path)
        if place in seen:
            raise UserError(
                f"{manifest}:{line}: names {path} again, as line {seen[place]} "
                "does; drop one of them"
            )
        seen[place] = line
        yield Row(path, row.get(_SPEAKER) or None, row.get(_TEXT) or None, line)


def speaker_of(name: str, pattern: re.Pattern) -> str:
    """The speaker that a pattern from `compiled` finds in a path with `/`.

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
