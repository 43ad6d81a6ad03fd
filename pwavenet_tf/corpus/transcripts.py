"""A folder's table of texts: `metadata.csv`, as LJ Speech has it."""

import collections
import dataclasses
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pwavenet_tf.audio.files import SUFFIXES
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.tables import bar_rows

TABLE = "metadata.csv"
# Words without digits, and single characters of scripts without blanks.
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
_FORMS = "name|text, or name|text|normalised text"
_NO_BARS = (
    "put a bar between them, or call the file manifest.csv if its first line "
    "names a column path"
)
_ADVICE = (
    "a bar within a text must go, and speakers belong into a manifest with "
    "the columns path, speaker and text"
)


@dataclasses.dataclass(frozen=True)
class Transcript:
    """A row of the table; a text is None where the field is empty."""

    line: int
    name: str
    text: str | None
    # The normalised text, where there is one: it has numbers and abbreviations
    # in full, so it is the one to align.
    normalised: str | None


class Transcripts:
    """The texts of a folder's recordings; none where there is no table.

    The table has a line `name|text` or `name|text|normalised text` for each
    recording, and the same number of fields in each. The name is that of the
    file, with or without its suffix and the folders that it lies in.

    Raises:
        UserError: If the table has another form, names a recording twice, or
            if its third column is not the text again in other words.
    """

    def __init__(self, folder: Path) -> None:
        self.table = Path(folder) / TABLE
        self._rows: dict[str, Transcript] = {}
        if not self.table.is_file():
            return
        rows = list(bar_rows(self.table))
        self._require_form(rows)
        for line, (name, text, *normalised) in rows:
            row = Transcript(
                line, name, text or None, "".join(normalised) or text or None
            )
            first = self._rows.setdefault(_key(name), row)
            if first is not row:
                raise UserError(
                    f"{self.table}:{line}: names {name} again, as line "
                    f"{first.line} does; drop one of them"
                )

    def of(self, name: str) -> Transcript | None:
        """The row of a recording, by its path within the folder, with `/`."""
        key = _key(name)
        return self._rows.get(key) or self._rows.get(PurePosixPath(key).name)

    def normalised(self, name: str) -> str | None:
        """The normalised text of a recording, or the text if it has none."""
        row = self.of(name)
        return row and row.normalised

    def texts(self, recordings: Iterable[Path]) -> dict[str, str]:
        """The texts of files in the folder as written, by the files' stems.

        Raises:
            UserError: As `unrecorded`, if there are several files.
        """
        folder = self.table.parent
        names = [path.relative_to(folder).as_posix() for path in recordings]
        if len(names) > 1:
            self.unrecorded(names)
        rows = {PurePosixPath(name).stem: self.of(name) for name in names}
        return {
            stem: row.text for stem, row in rows.items() if row and row.text
        }

    def unrecorded(self, names: Iterable[str]) -> tuple[str, ...]:
        """The rows to which none of the recordings belongs, by line.

        Raises:
            UserError: If that is all of them, or if one could belong to
                several recordings.
        """
        found: dict[int, str] = {}
        for name in names:
            row = self.of(name)
            if row is None:
                continue
            other = found.setdefault(row.line, name)
            if _key(other) != _key(name):
                raise UserError(
                    f"{self.table}:{row.line}: {row.name} may be {other} or "
                    f"{name}; write the folder too"
                )
        lost = [row for row in self._rows.values() if row.line not in found]
        if lost and not found:
            raise UserError(
                f"{self.table}:{lost[0].line}: no recording is called "
                f"{lost[0].name}, nor as any other line has it; write the "
                "files' names, or remove the table"
            )
        return tuple(f"{TABLE}:{row.line}: {row.name}" for row in lost)

    def _require_form(self, rows: list[tuple[int, list[str]]]) -> None:
        if not rows:
            raise UserError(f"{self.table}: is empty; fill it in or remove it")
        counts = collections.Counter(len(fields) for _, fields in rows)
        usual = counts.most_common(1)[0][0]
        if usual not in (2, 3):
            advice = _ADVICE if usual > 3 else _NO_BARS
            raise UserError(
                f"{self.table}:{rows[0][0]}: is not {_FORMS}; {advice}"
            )
        for line, fields in rows:
            if len(fields) != usual:
                raise UserError(
                    f"{self.table}:{line}: has {len(fields)} fields where most "
                    f"lines have {usual}; {_ADVICE}"
                )
            if not fields[0]:
                raise UserError(
                    f"{self.table}:{line}: has no name; fill it in or drop it"
                )
        if usual == 3:
            self._require_normalised(rows)

    def _require_normalised(self, rows: list[tuple[int, list[str]]]) -> None:
        """Refuses a third column of speakers, or of a text's second half."""
        judged = [
            (line, third, _is_rewritten(text, third))
            for line, (_, text, third) in rows
            if third
        ]
        others = [one for one in judged if one[2] is not True]
        agreeing = sum(alike is True for *_, alike in judged)
        if judged and agreeing <= sum(alike is False for *_, alike in judged):
            line, third, _ = others[0]
            raise UserError(
                f"{self.table}:{line}: {third!r} is not the text in other "
                f"words, so the third column is no normalised text; {_ADVICE}"
            )


def _is_rewritten(text: str, normalised: str) -> bool | None:
    """Whether half of the words are kept; None for a text without words."""
    words = _WORDS.findall(text.casefold())
    kept = set(_WORDS.findall(normalised.casefold())).intersection(words)
    shared = sum(word in kept for word in words)
    return 2 * shared >= len(words) if words else None


def _key(name: str) -> str:
    """What a name and a recording's path have in common."""
    # macOS decomposes accents in the names of files.
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    path = PurePosixPath(name)
    if path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    if path.parts[:1] == ("wavs",) and len(path.parts) > 1:
        path = path.relative_to("wavs")
    return path.as_posix()
