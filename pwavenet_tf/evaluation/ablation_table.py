"""The table of an ablation: on screen, as a CSV file and in the report."""

import dataclasses
import itertools
import math
from pathlib import Path

from pwavenet_tf.core.files import write_csv
from pwavenet_tf.core.html import format_number
from pwavenet_tf.core.screen import text_table
from pwavenet_tf.evaluation.report.tables import REFERENCE, cheapest
from pwavenet_tf.training.ablation import Trained

# Only in the CSV file.
_MORE_TERMS = ("cross_entropy", "regulariser", "contrastive", "feature")
_MORE_HEALTH = ("log_scale_50", "at_floor")
_OF_AUDIO = ("log_spectral_distance", "bits_per_sample")


@dataclasses.dataclass(frozen=True)
class Column:
    """A measure of the table, named as in `ablation.csv`.

    `best` is `lower`, or the value that it should have; None if no value is
    better than another. Without a `head` it is not shown on the screen.
    """

    name: str
    label: str
    hint: str
    best: str | float | None
    head: str = ""


COLUMNS = (
    Column("kl", "KL", "nats a sample", "lower", "KL"),
    Column("entropy", "Entropy", "nats a sample", None, "entropy"),
    Column("power", "Power", "loss", "lower", "power"),
    Column("style", "Style", "loss", "lower", "style"),
    Column("tilt", "Tilt", "dB/octave off", 0.0),
    Column("band_above_6000_db", "Above 6 kHz", "dB off", 0.0, ">6kHz"),
    Column("level", "Level", "1 is recorded", 1.0, "level"),
    Column("log_spectral_distance", "Distance", "dB", "lower", "dB"),
    Column("bits_per_sample", "Bits", "per sample", "lower", "bits"),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A variant of the table, or a system that it is compared with.

    The latter was trained with no `losses`. Values are by measure, None where
    it could not be measured; `problem` is why there is no student.
    """

    name: str
    losses: str
    values: dict[str, float | None]
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What `ablate` and `held_out_measures` returned, for an evaluation."""

    trained: list[Trained]
    held_out: dict[str, dict[str, float]]

    def rows(self, metrics: dict[str, dict[str, float]]) -> list[Row]:
        """The variants in the order of training, then the other systems."""
        loudness = metrics[REFERENCE]["standard_deviation"]
        rows = []
        for one in self.trained:
            name = one.variant.name
            values = _held_out(self.held_out.get(name, {}))
            values |= _of_audio(metrics.get(name, {}), loudness)
            rows.append(Row(name, one.variant.losses, values, one.problem))
        known = {REFERENCE, *(row.name for row in rows)}
        return rows + [
            Row(system, "", _of_audio(of, loudness))
            for system, of in metrics.items()
            if system not in known
        ]


def _held_out(measured: dict[str, float]) -> dict[str, float]:
    """Terms of the loss, and how far the sound is off the recordings'."""
    shown = [column.name for column in COLUMNS]
    terms = {
        name: measured[name]
        for name in (*shown, *_MORE_TERMS)
        if name in measured and name != "level"
    }
    health = {
        name.removeprefix("health_"): value
        for name, value in measured.items()
        if name.startswith("health_")
    }
    off = {
        name: value - health[f"recorded_{name}"]
        for name, value in health.items()
        if name == "tilt" or name.startswith("band_")
    }
    return terms | off | {n: health[n] for n in _MORE_HEALTH if n in health}


def _of_audio(
    metrics: dict[str, float], loudness: float
) -> dict[str, float | None]:
    """Measures of a system's resynthesis of the recordings."""
    values = {name: metrics[name] for name in _OF_AUDIO if name in metrics}
    if "standard_deviation" in metrics:
        values["level"] = metrics["standard_deviation"] / loudness
    return values


def best_of(column: Column, rows: list[Row]) -> set[str]:
    """The variants with the best value; none without competition."""
    if column.best is None:
        return set()
    cost = {}
    for row in rows:
        value = row.values.get(column.name)
        if row.losses and value is not None and math.isfinite(value):
            is_cost = column.best == "lower"
            cost[row.name] = value if is_cost else abs(value - column.best)
    return cheapest(cost)


def section(rows: list[Row]) -> dict:
    """The table as the report's template shows it."""
    return {
        "columns": COLUMNS,
        "rows": rows,
        "best": {column.name: best_of(column, rows) for column in COLUMNS},
    }


def write_table(path: Path, rows: list[Row]) -> None:
    """Writes the table as CSV: empty where nothing was measured.

    Raises:
        UserError: If `path` can't be written.
    """
    columns = [column.name for column in COLUMNS]
    names = dict.fromkeys(
        itertools.chain(columns, *(row.values for row in rows))
    )
    table = [("variant", "losses", *names, "problem")]
    for row in rows:
        values = map(row.values.get, names)
        table.append((row.name, row.losses, *values, row.problem))
    write_csv(path, table)


def screen_table(rows: list[Row]) -> str:
    """The table for a terminal of 80 columns."""
    shown = [column for column in COLUMNS if column.head]
    table = [("", *(one.head for one in shown))]
    for row in rows:
        values = (format_number(row.values.get(one.name)) for one in shown)
        table.append((row.name, *(("failed",) if row.problem else values)))
    return "\n".join(text_table(table))
