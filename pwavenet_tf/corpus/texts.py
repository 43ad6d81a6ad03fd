"""What is said in the recordings, where a `metadata.csv` tells."""

from pathlib import Path


def read_texts(folder: Path) -> dict[str, str]:
    """Texts by the stem of the recording's file name.

    The file has a line `name|text` for each recording, as in the LJ Speech
    corpus. Lines of another form are passed over: the texts are for the
    reader of a report, and nothing depends on them.
    """
    table = Path(folder) / "metadata.csv"
    if not table.is_file():
        return {}
    lines = table.read_text("utf-8", errors="replace").splitlines()
    fields = [line.split("|") for line in lines]
    return {row[0]: row[1] for row in fields if len(row) > 1}
