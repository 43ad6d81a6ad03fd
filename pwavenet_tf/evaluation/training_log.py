"""The curves of a training, from the log that it leaves beside its model."""

import csv
import math
from pathlib import Path

from pwavenet_tf.evaluation.report import Curve

_UNITS = {
    "kl": "nats per sample",
    "contrastive": "nats per sample",
    "regulariser": "nats per sample",
    "cross_entropy": "nats per sample",
    "entropy": "nats per sample",
    "nats": "nats per sample",
}

_DISTANCE = "sound_log_spectral_distance"


def training_curves(model: Path, name: str | None = None) -> list[Curve]:
    """What was measured on held-out recordings; none without a log.

    Args:
        model: The model's file.
        name: The model's name in the report; that of its file if left out.
    """
    title = name or model.stem
    log = model.with_suffix(".csv")
    if not log.is_file():
        return []
    with log.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else ()) if name is not None]
    losses = [
        Curve(
            f"{title}: {name.removeprefix('val_').replace('_', ' ')} on "
            "held-out recordings",
            _UNITS.get(name.removeprefix("val_"), ""),
            [point for row in rows for point in _point(row, name)],
        )
        for name in names
        if name.startswith("val_")
    ]
    distances = [
        Curve(
            f"{title}: log-spectral distance to held-out recordings",
            "dB",
            [
                (step, value)
                for row in rows
                for step, value in _point(row, _DISTANCE)
                if math.isfinite(value)
            ],
        )
        for name in names
        if name == _DISTANCE
    ]
    return [*losses, *distances] + [
        Curve(
            f"{title}: {_measured(name)} over the recordings'",
            "dB",
            [point for row in rows for point in _excess(row, name)],
        )
        for name in names
        if _is_level(name) and _recorded(name) in names
    ]


def _is_level(name: str) -> bool:
    return name.startswith("health_") and name.endswith("_db")


def _recorded(name: str) -> str:
    """The recordings' own column beside a column of the student's."""
    return name.replace("health_", "health_recorded_", 1)


def _measured(name: str) -> str:
    """`level`, or `band above 6000 Hz`, as a reader is told."""
    words = name.removeprefix("health_").removesuffix("_db").replace("_", " ")
    return f"{words} Hz" if words.startswith("band") else words


def _excess(row: dict[str, str], name: str) -> list[tuple[int, float]]:
    """How far the student was above the recordings, in dB."""
    return [
        (step, own - theirs)
        for step, own in _point(row, name)
        for _, theirs in _point(row, _recorded(name))
    ]


def _point(row: dict[str, str], name: str) -> list[tuple[int, float]]:
    """The point that a line of the log tells; none if it was cut off."""
    try:
        return [(int(row["step"]), float(row[name]))]
    except (KeyError, TypeError, ValueError):
        return []
