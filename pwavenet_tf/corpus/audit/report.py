"""The audit as files: JSON, a CSV list of the quarantine, and a page."""

import collections
import csv
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.html import format_number, page_environment
from pwavenet_tf.corpus.audit import CorpusAudit
from pwavenet_tf.corpus.audit.verdict import Audit, channel_faults

FORMAT = 1
# On the screen; the page and the JSON file have more.
_MOST_LINES = 20


@dataclasses.dataclass(frozen=True)
class Quantity:
    """Something that was measured of every recording.

    Attributes:
        label: Its name in words.
        unit: Its unit.
        of: Its value for a recording; None where there is none.
        limits: Names of the limits that it is held against.
    """

    label: str
    unit: str
    of: Callable[[Audit], float | None]
    limits: tuple[str, ...] = ()


def _measured(name: str) -> Callable[[Audit], float | None]:
    return lambda one: getattr(one.measures, name, None)


def characters_per_second(one: Audit) -> float | None:
    """The speaking rate that a transcript implies."""
    if one.measures is None or one.source.text is None:
        return None
    return len(one.source.text.strip()) / one.measures.seconds


def _percent(name: str) -> Callable[[Audit], float | None]:
    value = _measured(name)
    return lambda one: None if value(one) is None else 100 * value(one)


def _peak_db(one: Audit) -> float | None:
    peak = _measured("peak")(one)
    return 20 * float(np.log10(peak)) if peak else None


QUANTITIES = (
    Quantity(
        "Duration",
        "s",
        _measured("seconds"),
        ("shortest_seconds", "longest_seconds"),
    ),
    Quantity("Peak", "dB of full scale", _peak_db),
    Quantity(
        "Clipped samples",
        "%",
        _percent("clipped_share"),
        ("most_clipped", "warn_clipped"),
    ),
    Quantity("Offset (DC)", "% of full scale", _percent("offset")),
    Quantity(
        "Pauses",
        "% of the time",
        _percent("silence_share"),
        ("most_silence", "warn_silence"),
    ),
    Quantity(
        "Signal-to-noise ratio",
        "dB",
        _measured("snr_db"),
        ("least_snr", "warn_snr"),
    ),
    Quantity(
        "Bandwidth", "Hz", _measured("bandwidth_hz"), ("least_bandwidth",)
    ),
    Quantity(
        "Speaking rate",
        "characters per second",
        characters_per_second,
        ("slowest_speech", "fastest_speech"),
    ),
)


def values(found: CorpusAudit, quantity: Quantity) -> np.ndarray:
    """A quantity of all recordings that have it, `(recordings,)`."""
    every = (quantity.of(one) for one in found.audits)
    return np.array([one for one in every if one is not None], np.float64)


def seconds(audits: tuple[Audit, ...]) -> float:
    """Their duration together."""
    return sum(one.measures.seconds for one in audits if one.measures)


def formats(found: CorpusAudit) -> list[tuple[str, int]]:
    """How many recordings are of each format, the most frequent first."""
    counts = collections.Counter(
        f"{one.container} {one.subtype}, {one.sample_rate} Hz, "
        f"{one.channels} channel{'s' * (one.channels > 1)}"
        for one in (audit.measures for audit in found.audits)
        if one is not None
    )
    return counts.most_common()


def as_json(found: CorpusAudit) -> dict[str, Any]:
    """All that was found, ready to be written as JSON."""
    layout = found.layout
    return {
        "format": FORMAT,
        "layout": layout.kind,
        "sample_rate": found.sample_rate,
        "limits": dataclasses.asdict(found.limits),
        "recordings": len(found.audits),
        "accepted": len(found.accepted),
        "quarantined": len(found.quarantined),
        "with_warnings": len(found.warned),
        "seconds": round(seconds(found.audits), 3),
        "seconds_accepted": round(seconds(found.accepted), 3),
        "speakers": list(layout.speakers),
        "transcripts": layout.transcripts,
        "transcripts_without_recording": list(layout.unrecorded),
        "other_audio_files": layout.passed_over,
        "files": [_file(one) for one in found.audits],
    }


def _file(one: Audit) -> dict[str, Any]:
    return {
        "file": one.source.name,
        "speaker": one.source.speaker,
        "verdict": "accepted" if one.accepted else "quarantined",
        "reasons": list(one.reasons),
        "warnings": list(one.warnings),
        "characters_per_second": characters_per_second(one),
        "measures": one.measures and dataclasses.asdict(one.measures),
    }


def screen_table(found: CorpusAudit) -> str:
    """What is printed: totals, and the quarantine."""
    rows = [("", "least", "median", "most")]
    for quantity in QUANTITIES:
        if (measured := values(found, quantity)).size:
            spread = np.percentile(measured, [0, 50, 100])
            label = f"{quantity.label}, {quantity.unit}"
            rows.append(
                (label, *(format_number(float(value)) for value in spread))
            )
    width = max(len(row[0]) for row in rows)
    lines = [str(found.layout)]
    lines += [f"  {text}: {count}" for text, count in formats(found)]
    if len(rows) > 1:
        lines += [
            f"{label:<{width}}" + "".join(f"{cell:>10}" for cell in cells)
            for label, *cells in rows
        ]
    for title, audits in (
        ("accepted:", found.accepted),
        ("  with warnings:", found.warned),
        ("quarantined:", found.quarantined),
    ):
        lines.append(
            f"{title:<18}{len(audits):>7} recordings"
            f"{seconds(audits) / 60:>9.1f} minutes"
        )
    lines += [
        f"  {one.source.name}: {'; '.join(one.reasons)}"
        for one in found.quarantined
    ]
    return "\n".join(lines + channel_lines(found))


def channel_lines(found: CorpusAudit) -> list[str]:
    """The accepted recordings that lose level when their channels are mixed."""
    lines = [
        f"  {one.source.name}: {text}"
        for one in found.accepted
        if one.measures
        for _, text in channel_faults(one.measures)
    ]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"  and {len(lines) - _MOST_LINES:,} more"]
    return ["channels:", *lines] if lines else []


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
    with atomic_write(out) as folder:
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
    drawings = [
        (quantity, histogram(found, quantity)) for quantity in QUANTITIES
    ]
    return environment.get_template("audit.html.j2").render(
        title=title,
        found=found,
        minutes={
            "all": seconds(found.audits) / 60,
            "accepted": seconds(found.accepted) / 60,
            "quarantined": seconds(found.quarantined) / 60,
        },
        formats=formats(found),
        histograms=[(one, drawing) for one, drawing in drawings if drawing],
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
