"""A CSV manifest: a line for each recording of a corpus."""

import csv
import dataclasses
from pathlib import Path, PurePosixPath

from pwavenet_tf.errors import UserError

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
    """Whether a file is a manifest, told by its name."""
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
            rows = list(_manifest_rows(csv.reader(file, delimiter=delimiter), manifest))
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
