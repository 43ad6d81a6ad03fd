"""Text files from elsewhere, read strictly: encoding, lines and rows.

UTF-8, with or without a byte order mark, and UTF-16 with one. A line ends at a
line feed, a carriage return or both, and nowhere else: Unicode's separators and
the control characters at which `str.splitlines` splits belong to the text.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from pwavenet_tf.core.errors import UserError, unreadable

_LINE_END = re.compile("\r\n|\n|\r")
_BLANKS = " \t"


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        UserError: If it cannot be read, or is neither UTF-8 nor marked UTF-16;
            the message names the first line that is not.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if marked else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore")
        raise _not_text(path, before) from error
    before, null, _ = text.partition("\0")
    if null:
        raise _not_text(path, before)
    return text


def _not_text(path: Path, before: str) -> UserError:
    return UserError(
        f"{path}:{len(split_lines(before))}: is not UTF-8 text; save it as "
        "UTF-8"
    )


def split_lines(text: str) -> list[str]:
    """The lines of a text, without their ends."""
    return _LINE_END.split(text)


def stripped(field: str) -> str:
    """A field without the blanks and tabs around it."""
    return field.strip(_BLANKS)


def bar_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table whose fields are separated by bars.

    Nothing is quoted: quotation marks belong to the text, as in LJ Speech.

    Yields:
        The number of each line that is not blank, and its fields.
    """
    for number, line in enumerate(split_lines(read_text(path)), start=1):
        if stripped(line):
            yield number, [stripped(field) for field in line.split("|")]


def csv_rows(
    path: Path, text: str, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, with the text that `read_text` gave.

    A quoted field may hold line breaks, unless what follows one looks like a
    row itself: then the quotation mark was not meant to open a field.

    Yields:
        The number of the line in which each row begins, and its fields; rows
        without any content are passed over.

    Raises:
        UserError: If a row is not CSV, or has another number of fields than
            the first.
    """
    lines = split_lines(text)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    columns = None
    while True:
        first = reader.line_num + 1
        try:
            fields = [stripped(field) for field in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}:{first}: is not CSV ({error}); a quoted field ends "
                'with its quotation mark, and "" stands for one inside'
            ) from error
        if not any(fields):
            continue
        columns = columns or len(fields)
        within = lines[first : reader.line_num]
        if any(line.count(delimiter) >= columns - 1 for line in within):
            raise UserError(
                f"{path}:{first}: a quotation mark opens a field that ends on "
                f'line {reader.line_num} only; close it, or write "" for one '
                "inside a quoted field"
            )
        if len(fields) < columns or any(fields[columns:]):
            raise UserError(
                f"{path}:{first}: has {len(fields)} fields where the first "
                f"line has {columns}; leave none out, and quote one that holds "
                f"{delimiter!r}"
            )
        yield first, fields
