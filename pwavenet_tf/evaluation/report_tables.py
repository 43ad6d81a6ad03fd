"""The report's tables, as its template shows them."""

import math
from collections.abc import Sequence

from pwavenet_tf.evaluation import calibration
from pwavenet_tf.evaluation.intervals import Interval
from pwavenet_tf.evaluation.measures import OCTAVE, best_voices, measure
from pwavenet_tf.evaluation.perceptual_measures import INSTALL
from pwavenet_tf.evaluation.quality import missing_measures
from pwavenet_tf.evaluation.scoring import Scoring, by_file
from pwavenet_tf.evaluation.world import world_is_installed

# The voice that the others are judged by.
REFERENCE = "recording"


def metric_table(
    metrics: dict[str, dict[str, float | None]],
    intervals: dict[str, dict[str, Interval]] | None = None,
) -> dict:
    """Voices in columns and metrics in rows, with the best ones marked.

    Args:
        metrics: Value by metric by voice; None where it was not measured.
        intervals: Those that are known.
    """
    missing = missing_measures()
    names = dict.fromkeys(
        name for values in metrics.values() for name in values
    )
    rows = []
    for name in names:
        by_voice = {voice: of.get(name) for voice, of in metrics.items()}
        rows.append(
            {
                "name": name,
                "measure": measure(name),
                "by_voice": by_voice,
                "best": best_voices(name, by_voice, REFERENCE),
                "intervals": {
                    voice: of[name]
                    for voice, of in (intervals or {}).items()
                    if name in of and not math.isnan(of[name].low)
                },
                "missing": missing.get(name, ""),
            }
        )
    return {"voices": list(metrics), "rows": rows}


def main_table(
    metrics: dict[str, dict[str, float | None]], quality: dict | None
) -> dict:
    """The table of all metrics but single octave bands.

    Args:
        metrics: As in `metric_table`.
        quality: What `quality_section` returned, if there are intervals.
    """
    shown = {
        voice: {name: x for name, x in of.items() if not is_octave(name)}
        for voice, of in metrics.items()
    }
    return metric_table(shown, quality and quality["intervals"])


def is_octave(name: str) -> bool:
    """Whether a metric is of one octave band."""
    return name.removeprefix(OCTAVE).isdecimal()


def quality_section(
    intervals: dict[str, dict[str, Interval]],
    differences: dict[str, dict[str, dict[str, Interval]]],
    spoken: bool,
) -> dict:
    """Intervals, octave bands and paired differences.

    Args:
        intervals: By system, by measure.
        differences: By model, by the other system, by measure.
        spoken: Whether there is sound; if not, nobody misses WORLD.
    """
    octaves = {
        system: {name: one.mean for name, one in of.items() if is_octave(name)}
        for system, of in intervals.items()
        if system != REFERENCE
    }
    return {
        "intervals": intervals,
        "octaves": metric_table(
            {system: of for system, of in octaves.items() if of}, intervals
        ),
        "differences": [
            _difference_table(model, others)
            for model, others in differences.items()
        ],
        "install": "" if world_is_installed() or not spoken else INSTALL,
    }


def _difference_table(
    model: str, others: dict[str, dict[str, Interval]]
) -> dict:
    """A model's measures less those of the systems in the columns."""
    names = dict.fromkeys(
        name
        for of in others.values()
        for name, one in of.items()
        if not is_octave(name) and not math.isnan(one.mean)
    )
    return {
        "model": model,
        "systems": list(others),
        "rows": [
            {
                "measure": measure(name),
                "cells": [of.get(name) for of in others.values()],
            }
            for name in names
        ],
    }


def score_section(scorings: Sequence[Scoring]) -> dict | None:
    """Scores, calibration, scores by file, and what is listened to.

    Returns:
        None if nothing was scored.
    """
    if not scorings:
        return None
    table = metric_table({one.model: one.metrics for one in scorings})
    comparable = len({one.sample_bits for one in scorings}) == 1
    for row in table["rows"]:
        if not comparable and row["name"] == "bits_per_sample":
            row["best"] = set()
    return {
        "table": table,
        "comparable": comparable,
        "models": [one.model for one in scorings],
        "calibration": calibration.draw_calibration(
            {one.model: one.overall.calibration for one in scorings}
        ),
        "frame": calibration,
        "inside": {
            one.model: (one.overall.inside_50, one.overall.inside_90)
            for one in scorings
        },
        "files": _files(scorings),
        "swapped": max(
            (one.listening.recordings for one in scorings if one.listening),
            default=0,
        ),
        "speakers": _speaker_tables(scorings),
    }


def _files(scorings: Sequence[Scoring]) -> list[dict]:
    rows = by_file(list(scorings))
    bits = [score.bits_per_sample for _, scores in rows for score in scores]
    highest = max(filter(math.isfinite, bits), default=0.0)
    return [
        {
            "name": file,
            "seconds": scores[0].samples / scorings[0].sample_rate,
            "bits": [
                {
                    "value": score.bits_per_sample,
                    "share": _share(score.bits_per_sample, highest),
                }
                for score in scores
            ],
        }
        for file, scores in rows
    ]


def _share(value: float, highest: float) -> float:
    """How far a bar or a tint goes; whole for what is infinite."""
    if math.isinf(value):
        return 1.0
    return max(value, 0.0) / highest if highest > 0 else 0.0


def _speaker_tables(scorings: Sequence[Scoring]) -> list[dict]:
    """For each model of several speakers, its matrix with tints."""
    tables = []
    for one in scorings:
        if not (one.listening and one.listening.speakers):
            continue
        speakers = one.listening.speakers
        rows = speakers.matrix
        added = [value for values in rows.values() for value in values.values()]
        highest = max(filter(math.isfinite, added), default=0.0)
        tables.append(
            {
                "model": one.model,
                "recordings": speakers.recordings,
                "speakers": list(next(iter(rows.values()))),
                "rows": {
                    true: [
                        {
                            "own": speaker == true,
                            # No negative zero in print.
                            "value": round(value, 3) + 0.0,
                            "share": _share(value, highest),
                        }
                        for speaker, value in values.items()
                    ]
                    for true, values in rows.items()
                },
            }
        )
    return tables
