"""The curves of a training, from the log that it leaves beside its model."""

import csv
from pathlib import Path

from pwavenet_tf.evaluation.report import Curve

_UNITS = {
    "kl": "nats per sample",
    "cross_entropy": "nats per sample",
    "entropy": "nats per sample",
    "nats": "nats per sample",
}


def training_curves(model: Path) -> list[Curve]:
    """What was measured on held-out recordings; none without a log.

    Args:
        model: The model's file.
    """
    log = model.with_suffix(".csv")
    if not log.is_file():
        return []
    with log.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    return [
        Curve(
            f"{model.stem}: {name.removeprefix('val_').replace('_', ' ')} on "
            "held-out recordings",
            _UNITS.get(name.removeprefix("val_"), ""),
            [point for row in rows for point in _point(row, name)],
        )
        for name in (rows[0] if rows else ())
        if name is not None and name.startswith("val_")
    ]


def _point(row: dict[str, str], name: str) -> list[tuple[int, float]]:
    """The point that a line of the log tells; none if it was cut off."""
    try:
        return [(int(row["step"]), float(row[name]))]
    except (KeyError, TypeError, ValueError):
        return []
