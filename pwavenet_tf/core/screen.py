"""Tables for a terminal."""

import itertools
from collections.abc import Iterable, Sequence


def text_table(rows: Iterable[Sequence[object]], indent: str = "") -> list[str]:
    """Lines in columns: the first to the left, the others to the right.

    Each row has at least one cell and may end early; each line starts with
    `indent`.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(map(len, column))
        for column in itertools.zip_longest(*texts, fillvalue="")
    ]
    return [
        "  ".join(
            [
                indent + first.ljust(widths[0]),
                *map(str.rjust, others, widths[1:]),
            ]
        ).rstrip()
        for first, *others in texts
    ]
