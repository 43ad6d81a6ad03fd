"""The audit as files: JSON, a CSV list of the quarantine, and a page."""

import collections
import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pwavenet_tf.core.charts import ACCENT, WARM, chart
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.html import format_number, page_environment
from pwavenet_tf.core.screen import text_table
from pwavenet_tf.corpus.audit import CorpusAudit
from pwavenet_tf.corpus.audit.verdict import (
    CHECKS,
    Audit,
    Check,
    by_reason,
    limits_by_name,
    measured,
)

if TYPE_CHECKING:
    from markupsafe import Markup

FORMAT = 1

JSON_NAME, PAGE_NAME, LIST_NAME = "audit.json", "audit.html", "quarantine.csv"
# The page stays one that a browser opens; the JSON file has them all.
MOST_ROWS = 1_000

_BARS = 30


def values(found: CorpusAudit, check: Check) -> np.ndarray:
    """What is checked, of all recordings that have it, `(recordings,)`."""
    every = (
        measured(one.source, one.measures)[check.measure]
        for one in found.audits
        if one.measures
    )
    return _scale(check) * np.array(
        [one for one in every if one is not None], np.float64
    )


def _scale(check: Check) -> int:
    return 100 if check.unit.startswith("%") else 1


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
        "characters_per_second": one.measures
        and measured(one.source, one.measures)["characters_per_second"],
        "measures": one.measures and dataclasses.asdict(one.measures),
    }


def screen_table(found: CorpusAudit) -> str:
    """What is printed: totals, and the quarantine."""
    rows = []
    for check in CHECKS:
        if (every := values(found, check)).size:
            spread = np.percentile(every, [0, 50, 100])
            label = f"{check.label}, {check.unit}"
            rows.append((label, *map(format_number, spread)))
    head = [("", "least", "median", "most")] if rows else []
    totals = (
        (title, f"{len(ones)} recordings", f"{seconds(ones) / 60:.1f} minutes")
        for title, ones in (
            ("accepted:", found.accepted),
            ("  with warnings:", found.warned),
            ("quarantined:", found.quarantined),
        )
    )
    warnings = (
        (one.source.name, text) for one in found.warned for text in one.warnings
    )
    return "\n".join(
        [
            str(found.layout),
            *(f"  {text}: {count}" for text, count in formats(found)),
            *text_table(head + rows),
            *text_table(totals),
            *(
                f"  {one.source.name}: {'; '.join(one.reasons)}"
                for one in found.quarantined
            ),
            *(f"  warned of: {line}" for line in by_reason(warnings)),
        ]
    )


def write_audit(found: CorpusAudit, out: Path, title: str) -> None:
    """Writes `audit.json`, `audit.html` and `quarantine.csv` into a folder.

    The title is the page's headline.

    Raises:
        UserError: If `out` already holds something or cannot be written.
    """
    out = Path(out)
    require_free(out)
    text = json.dumps(as_json(found), indent=1, allow_nan=False)
    with atomic_write(out) as folder:
        folder.mkdir()
        (folder / JSON_NAME).write_text(text + "\n", "ascii")
        with (folder / LIST_NAME).open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
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
    histograms = [
        (check, len(every), np.median(every), histogram(found, check, every))
        for check in CHECKS
        if (every := values(found, check)).size
    ]
    return environment.get_template("audit.html.j2").render(
        title=title,
        found=found,
        seconds=seconds,
        formats=formats(found),
        histograms=histograms,
        most_rows=MOST_ROWS,
    )


def histogram(found: CorpusAudit, check: Check, every: np.ndarray) -> "Markup":
    """Draws how many recordings lie where, and the limits among them.

    Of the check's `values`, not empty. Heights grow with the square root of the
    counts, so that a few bad recordings among thousands are seen.
    """
    limits = limits_by_name(found.limits, found.sample_rate)
    lowest, median, highest = np.percentile(every, [0, 50, 100])

    def draw(axes) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.hist(every, _BARS, color=ACCENT, rwidth=0.9)
        axes.set_yscale("function", functions=(np.sqrt, np.square))
        axes.set_ylim(0)
        locator = MaxNLocator(4, integer=True, min_n_ticks=1)
        axes.yaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter("{x:,g}")
        for name in (check.least, check.most, check.warn):
            limit = (limits.get(name) or math.inf) * _scale(check)
            # An offset has a sign, and its limits have none.
            for place in (limit, -limit) if check.above else (limit,):
                if lowest <= place <= highest:
                    axes.axvline(place, color=WARM, linestyle="--", linewidth=1)
                    axes.text(
                        *(place, 1.02, name.replace("_", " ")),
                        color=WARM,
                        transform=axes.get_xaxis_transform(),
                    )

    low, middle, high = map(format_number, (lowest, median, highest))
    return chart(
        draw,
        f"{check.label}, {check.unit}: from {low} to {high}, median {middle}",
    )
