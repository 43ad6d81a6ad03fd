"""What is said in the recordings, where a `metadata.csv` tells."""

from pathlib import Path


def read_texts(folder: Path) -> dict[str, str]:
    """Texts by the stem of the recording's file name, as they are written.

    The file has a line `name|text` or `name|text|normalised text` for each
    recording, as in the LJ Speech corpus. Lines of another form are passed
    over.
    """
    return {row[0]: row[1] for row in _rows(folder)}


def read_spoken_texts(folder: Path) -> dict[str, str]:
    """Texts as they are spoken: the normalised text where there is one.

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
