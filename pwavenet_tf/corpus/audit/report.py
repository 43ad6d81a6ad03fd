"""The audit as files: JSON, a CSV list of the quarantine, and a page."""

import csv
import json
import math
from pathlib import Path

import numpy as np

from pwavenet_tf.corpus.audit import CorpusAudit
from pwavenet_tf.corpus.audit.summary import (
    QUANTITIES,
    Quantity,
    as_json,
    formats,
    seconds,
    values,
)
from pwavenet_tf.files import require_free, written_aside
from pwavenet_tf.pages import format_number, page_environment

JSON_NAME, PAGE_NAME, LIST_NAME = "audit.json", "audit.html", "quarantine.csv"
# The page stays one that a browser opens; the JSON file has them all.
MOST_ROWS = 1_000

WIDTH, HEIGHT, FLOOR = 420, 150, 126
_LEFT, _TOP, _BARS = 8, 18, 30
_SHARES = {"most_clipped", "warn_clipped", "most_silence", "warn_silence"}


def write_audit(found: CorpusAudit, out: Path, title: str) -> None:
    """Writes `audit.json`, `audit.html` and `quarantine.csv` into a folder.

    Args:
        found: The audit.
        out: Folder to write; it appears only when it is complete.
        title: Headline of the page.

    Raises:
        UserError: If `out` already holds something or cannot be written.
    """
    out = Path(out)
    require_free(out)
    with written_aside(out) as folder:
        folder.mkdir()
        (folder / JSON_NAME).write_text(
            json.dumps(as_json(found), indent=1, allow_nan=False) + "\n",
            "ascii",
        )
        with open(
            folder / LIST_NAME,
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
        ) as file:
            table = csv.writer(file)
            table.writerow(["file", "reason"])
            table.writerows(
                (one.source.name, reason)
                for one in found.quarantined
                for reason in one.reasons
            )
        (folder / PAGE_NAME).write_text(
            _page(found, title), "utf-8", errors="replace"
        )


def _page(found: CorpusAudit, title: str) -> str:
    environment = page_environment("pwavenet_tf.corpus.audit")
    drawn = [(quantity, histogram(found, quantity)) for quantity in QUANTITIES]
    return environment.get_template("audit.html.j2").render(
        title=title,
        found=found,
        minutes={
            "all": seconds(found.audits) / 60,
            "accepted": seconds(found.accepted) / 60,
            "quarantined": seconds(found.quarantined) / 60,
        },
        formats=formats(found),
        histograms=[(one, drawing) for one, drawing in drawn if drawing],
        width=WIDTH,
        height=HEIGHT,
        floor=FLOOR,
        most_rows=MOST_ROWS,
    )


def histogram(found: CorpusAudit, quantity: Quantity) -> dict | None:
    """A histogram as the geometry of a small vector picture.

    The bars' heights grow with the square root of the counts, so that a few
    bad recordings among thousands are seen.

    Returns:
        `bars` (x, y, width, height, from, to, count), `ticks` (x, label) and
        `limits` (x, label) in the picture's units; None without values.
    """
    measured = values(found, quantity)
    if not measured.size:
        return None
    lowest, highest = float(measured.min()), float(measured.max())
    if highest == lowest:
        margin = max(abs(lowest) * 0.05, 0.5)
        lowest, highest = lowest - margin, highest + margin
    counts, edges = np.histogram(measured, _BARS, (lowest, highest))
    tallest = math.sqrt(counts.max())
    scale = (WIDTH - 2 * _LEFT) / (highest - lowest)

    def place(value: float) -> float:
        return _LEFT + (value - lowest) * scale

    bars = []
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        height = (FLOOR - _TOP) * math.sqrt(count) / tallest
        if count:
            bars.append(
                {
                    "x": place(left),
                    "y": FLOOR - height,
                    "width": max(place(right) - place(left) - 1, 1),
                    "height": height,
                    "low": left,
                    "high": right,
                    "count": int(count),
                }
            )
    return {
        "bars": bars,
        "ticks": [
            (place(value), format_number(value))
            for value in np.linspace(lowest, highest, 5)
        ],
        "limits": [
            (place(value), name.replace("_", " "))
            for name in quantity.limits
            if (value := _limit(found, name)) is not None
            and lowest <= value <= highest
        ],
        "median": float(np.median(measured)),
        "count": int(measured.size),
    }


def _limit(found: CorpusAudit, name: str) -> float | None:
    value = getattr(found.limits, name)
    if value is not None and name in _SHARES:
        return 100 * value
    return value
