"""Rows of a benchmark, one by one."""

from collections.abc import Iterable

from pwavenet_tf.cli.benchmark.rows import Row


def flat(rows: Iterable[Row | list[Row]]) -> list[Row]:
    """All rows, those measured together too."""
    return [
        row
        for measured in rows
        for row in (measured if isinstance(measured, list) else [measured])
    ]
