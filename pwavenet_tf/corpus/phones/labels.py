"""Phone labels of recordings, in the file formats that label tools write."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from pwavenet_tf.audio import formats
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_csv
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone, in_order
from pwavenet_tf.corpus.tables import csv_rows, read_text, split_lines

SUFFIXES = (".csv", ".lab", ".txt")
_COLUMNS = ("start", "end", "phone")
# As HTK, Festival, TIMIT, MBROLA, espeak and forced aligners write it.
_SILENCES = frozenset(
    ("", "#", "##", "h#", "_", "_:", "sil", "ssil", "<sil>", "silence")
    + ("<silence>", "sp", "<sp>", "pau", "pause", "<p:>", "<eps>", "epi")
)
_HTK_UNITS_PER_SECOND = 10_000_000

_Row = tuple[int, float, float, str]


def read_labels(path: Path) -> list[Phone]:
    """Reads the phones of a recording from its label file.

    Three formats, distinguished by suffix and content:

    - CSV (`.csv`): a header with the columns start, end and phone in any
      order, times in seconds.
    - Festival or xwaves: header lines up to a line `#`, then `end colour
      phone`, in seconds; each phone starts where the last one ended.
    - HTK: `start end phone` in units of 100 ns, or in seconds if any number
      has a decimal point, as Audacity writes them.

    The usual marks of silence become `SILENCE`. Phones are in order of time.

    Raises:
        UserError: If the file is missing, holds no phones, or a line of it
            cannot be read or contradicts another.
    """
    path = Path(path)
    text = read_text(path)
    lines = split_lines(text)
    if path.suffix.lower() == ".csv":
        rows = _csv_rows(path, text)
    elif any(line.strip() == "#" for line in lines):
        rows = _xwaves_rows(path, lines)
    else:
        rows = _htk_rows(path, lines)
    phones = []
    for line, start, end, mark in rows:
        if end < start:
            raise UserError(f"{path}:{line}: ends before it starts; correct it")
        mark = mark.strip()
        silent = mark.casefold() in _SILENCES
        phones.append(Phone(SILENCE if silent else mark, start, end))
    if not phones:
        raise UserError(f"{path}: holds no phones; remove it or label it again")
    try:
        return in_order(phones)
    except UserError as fault:
        raise UserError(f"{path}: {fault}") from fault


def write_labels(path: Path, phones: Iterable[Phone]) -> None:
    """Writes phones as CSV with the columns start, end and phone.

    Their times are written to the microsecond. The file's suffix should be
    `.csv`, for `read_labels`.

    Raises:
        UserError: If `path` cannot be written.
    """
    rows = (
        (f"{one.start:.6f}", f"{one.end:.6f}", one.symbol) for one in phones
    )
    write_csv(Path(path), [_COLUMNS, *rows])


def find_labels(folder: Path, recording: PurePath | str) -> Path | None:
    """Finds the label file of a recording, by its path in its corpus or stem.

    The file at the same path within the folder of label files, or else of the
    same stem in the folder itself; None if there is neither.
    """
    name = PurePath(recording)
    if name.suffix.lower() in formats.SUFFIXES:
        name = name.with_suffix("")
    candidates = [
        Path(folder) / f"{place}{suffix}"
        for place in (name, name.name)
        for suffix in SUFFIXES
    ]
    return next(filter(Path.is_file, candidates), None)


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    rows = csv_rows(path, text, ",")
    header = [name.casefold() for name in next(rows, (1, []))[1]]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise UserError(
            f"{path}:1: the header lacks {', '.join(missing)}; it must name "
            "the columns start, end and phone"
        )
    start, end, mark = map(header.index, _COLUMNS)
    for line, row in rows:
        yield line, *_times(path, line, row[start], row[end]), row[mark]


def _xwaves_rows(path: Path, lines: list[str]) -> Iterator[_Row]:
    header = next(i for i, line in enumerate(lines) if line.strip() == "#")
    previous = 0.0
    for line, content in enumerate(lines[header + 1 :], start=header + 2):
        fields = content.split(maxsplit=2)
        if not fields:
            continue
        if len(fields) < 2:
            raise UserError(
                f"{path}:{line}: is not `end colour phone`: {content.strip()!r}"
            )
        (end,) = _times(path, line, fields[0])
        mark = fields[2] if len(fields) > 2 else ""
        yield line, previous, end, mark.partition(";")[0]
        previous = end


def _htk_rows(path: Path, lines: list[str]) -> Iterator[_Row]:
    rows = []
    for line, content in enumerate(lines, start=1):
        # Between tabs a label may be empty or hold spaces.
        fields = content.split("\t" if "\t" in content else None)
        if not content.strip():
            continue
        if len(fields) < 2:
            raise UserError(
                f"{path}:{line}: is not `start end phone`: {content.strip()!r}"
            )
        rows.append((line, *fields[:2], fields[2] if len(fields) > 2 else ""))
    in_htk_units = all(
        time.strip().isdigit() for row in rows for time in row[1:3]
    )
    unit = _HTK_UNITS_PER_SECOND if in_htk_units else 1
    for line, *fields, mark in rows:
        start, end = _times(path, line, *fields)
        yield line, start / unit, end / unit, mark


def _times(path: Path, line: int, *fields: str) -> Iterator[float]:
    for field in fields:
        try:
            yield float(field)
        except ValueError as error:
            raise UserError(
                f"{path}:{line}: {field.strip()!r} is not a time"
            ) from error
