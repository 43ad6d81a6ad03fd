"""A benchmark's figures as tables, as JSON, as a chart, and compared."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pwavenet_tf.cli.benchmark.rows import Row
from pwavenet_tf.core.charts import ACCENT, WARM, write_chart
from pwavenet_tf.core.errors import UserError, unreadable
from pwavenet_tf.core.files import write_json
from pwavenet_tf.core.html import format_number
from pwavenet_tf.core.screen import text_table

_DERIVED = ("median", "real_time", "gflops", "share")
# Units of the chart: its width, a bar's height, and what is below all of them.
_WIDTH, _BAR, _AROUND = 720, 16, 50


class Report(NamedTuple):
    """A benchmark: where it ran, and what it found.

    Attributes:
        machine: As `machine` returns it.
        versions: As `versions` returns them.
        rows: The figures.
    """

    machine: dict[str, Any]
    versions: dict[str, str]
    rows: list[Row]

    def write(self, path: Path) -> None:
        """Writes the figures as JSON, with those that follow from them."""
        rows = [
            dataclasses.asdict(row)
            | {name: getattr(row, name) for name in _DERIVED}
            for row in self.rows
        ]
        write_json(path, self._asdict() | {"rows": rows})


def read_report(path: Path) -> Report:
    """Reads what `Report.write` wrote.

    Raises:
        UserError: If the file cannot be read or is something else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        rows = [_row(one) for one in content["rows"]]
        return Report(dict(content["machine"]), dict(content["versions"]), rows)
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{path}: holds no figures that this version's `pwavenet "
            "benchmark` wrote; give the file of its --out"
        ) from error


def _row(stored: dict) -> Row:
    """The row, each field of the type that it has."""
    fields: dict[str, Any] = {
        field.name: (float if field.type is float else str)(stored[field.name])
        for field in dataclasses.fields(Row)
        if field.name != "values"
    }
    return Row(values=tuple(map(float, stored["values"])), **fields)


def table(rows: Sequence[Row]) -> list[str]:
    """Rows of one measurement as lines for a terminal."""
    columns = {
        "median": lambda row: _shown(row.median, row.unit),
        "least": lambda row: _end(min, row),
        "most": lambda row: _end(max, row),
        "× real time": lambda row: _shown(row.real_time),
        "GFLOP/s": lambda row: _shown(row.gflops),
        "of peak": lambda row: _percent(row.share),
    }
    measured = [row for row in rows if row.values]
    cells = {
        head: shown
        for head, column in columns.items()
        if any(shown := [column(row) for row in measured])
    }
    settings = [row.setting for row in measured]
    lines = zip(settings, *cells.values(), strict=True)
    return [
        *(text_table([(rows[0].what, *cells), *lines]) if measured else ()),
        *(f"{row.setting}: {row.note}" for row in rows if row.note),
    ]


def comparison(here: Report, there: Report) -> list[str]:
    """The medians of two benchmarks side by side, as lines for a terminal.

    Args:
        here: What was measured now.
        there: What it is compared with. The ratio is of `here` to it: below 1
            for a time that has become shorter.
    """
    then, now = (
        {(row.what, row.setting): row for row in report.rows}
        for report in (there, here)
    )
    lines: list[tuple[str, ...]] = [
        ("", "then", "now", "ratio", "of peak, then", "now")
    ]
    measured = {row.what for row in here.rows}
    for key in dict.fromkeys([*now, *then]):
        if key[0] not in measured:
            continue
        pair = then.get(key), now.get(key)
        before, after = (row.median if row else None for row in pair)
        line = (
            ": ".join(key),
            *(_shown(row.median, row.unit) if row else "" for row in pair),
            _shown(after / before if before and after else None),
            *(_percent(row.share) if row else "" for row in pair),
        )
        lines.append(line)
    return [*_differences(here, there), *text_table(lines)]


def _differences(here: Report, there: Report) -> list[str]:
    lines = []
    for what, now, then in (
        ("hardware differs:", here.machine, there.machine),
        ("versions differ:", here.versions, there.versions),
    ):
        different = [
            f"  {name}: {then.get(name, '?')} then, {now.get(name, '?')} now"
            for name in {**then, **now}
            if then.get(name) != now.get(name)
        ]
        lines += [what, *different] if different else []
    return lines


def draw_shares(path: Path, rows: Iterable[Row]) -> None:
    """Writes a chart: what share of the float32 peak each row reached.

    Args:
        path: A PNG or SVG file, by its suffix.
        rows: Those without operations are left out.

    Raises:
        UserError: If no others are left, or the file cannot be written.
    """
    shown = [(row, row.share) for row in rows if row.share]
    if not shown:
        raise UserError(
            f"{path}: there is nothing to draw, as no figure has a share of "
            "the peak; leave out --chart or measure more with --only"
        )

    def draw(axes) -> None:
        # The share of each run follows from its time.
        slowest, median, fastest = (
            [
                100 * share * statistics.median(row.values) / of(row.values)
                for row, share in shown
            ]
            for of in (max, statistics.median, min)
        )
        names = [f"{row.what}: {row.setting}" for row, _ in shown]
        places = range(len(shown))
        axes.barh(places, median, color=ACCENT, tick_label=names)
        axes.hlines(places, slowest, fastest, color=WARM)
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("% of the float32 peak; lines: slowest and fastest run")

    write_chart(path, draw, _WIDTH, _AROUND + _BAR * len(shown))


def _shown(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    return f"{format_number(value)} {unit}".rstrip()


def _end(of: Callable, row: Row) -> str:
    return _shown(of(row.values), row.unit) if len(row.values) > 1 else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
