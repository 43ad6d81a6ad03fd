"""Measures recording by recording: their means, intervals and files."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.metrics import level
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_csv
from pwavenet_tf.core.html import format_number
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.evaluation.intervals import Interval, Series
from pwavenet_tf.evaluation.quality import Quality, missing_measures
from pwavenet_tf.evaluation.recordings import ReferenceRecording
from pwavenet_tf.evaluation.report.tables import REFERENCE, measure
from pwavenet_tf.evaluation.scores import OF_SAMPLES

# By system, by measure.
Values = dict[str, dict[str, Series]]

_ON_SCREEN = (
    "pesq_wide_band",
    "stoi",
    "extended_stoi",
    "mel_cepstral_distortion",
    "f0_error",
    "voicing_error",
    "log_spectral_distance",
    "multi_resolution_stft",
    "level_difference",
    "octave_difference",
    "pause_noise",
)


def measure_systems(
    references: list[ReferenceRecording],
    systems: dict[str, list[np.ndarray]],
    sample_rate: int,
) -> Values:
    """Measures what every system makes of every recording.

    The systems' audio, `(time,)` each, is no shorter than the recording's.

    Raises:
        UserError: If some audio is not finite.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for index, one in enumerate(Bar(references, desc="measures", unit="file")):
        quality = Quality(one.audio, sample_rate)
        for name, audio in systems.items():
            try:
                measured = quality(audio[index])
            except UserError as fault:
                raise UserError(f"{name} on {one.path}: {fault}") from fault
            own = audio[index][: len(one.audio)]
            found[name].append(measured | level(own))
    return {
        name: {key: Series.of([one[key] for one in each]) for key in each[0]}
        for name, each in found.items()
    }


def joined(first: dict[str, dict], second: dict[str, dict]) -> dict[str, dict]:
    """What is known of every system, those of the first before the others."""
    return {
        name: first.get(name, {}) | second.get(name, {})
        for name in (*first, *second)
    }


def intervals(values: Values) -> dict[str, dict[str, Interval]]:
    """The mean with its interval by measure by system."""
    return {
        name: {measure: series.interval for measure, series in of.items()}
        for name, of in values.items()
    }


def differences(
    values: Values, models: list[str], sample_bits: dict[str, int]
) -> dict[str, dict[str, dict[str, Interval]]]:
    """Every model less every other system, paired by recording.

    An interval without zero means that the two differ by more than the choice
    of recordings explains. Bits compare only between models of the same
    `Scoring.sample_bits`.

    Returns:
        By model, by the other system, by measure.
    """
    found = defaultdict(dict)
    for name in models:
        for other, theirs in values.items():
            if other == name:
                continue
            pairs = {
                measure: (ours - theirs[measure]).interval
                for measure, ours in values[name].items()
                if measure in theirs
                and (
                    measure not in OF_SAMPLES
                    or sample_bits[name] == sample_bits[other]
                )
            }
            if pairs:
                found[name][other] = pairs
    return dict(found)


def write_recordings(
    path: Path,
    references: list[ReferenceRecording],
    values: Values,
    sample_rate: int,
) -> None:
    """Writes all measures as CSV, one row for each recording and system.

    Cells are empty where nothing could be measured.

    Raises:
        UserError: If `path` can't be written.
    """
    names = list(dict.fromkeys(name for of in values.values() for name in of))
    rows = [["file", "system", "seconds", *names]]
    for index, one in enumerate(references):
        seconds = f"{len(one.audio) / sample_rate:.3f}"
        for system, of in values.items():
            row = [
                of[name].values[index] if name in of else math.nan
                for name in names
            ]
            cells = (
                "" if math.isnan(value) else f"{value:.6g}" for value in row
            )
            rows.append([one.name, system, seconds, *cells])
    write_csv(path, rows)


def screen_table(values: Values) -> str:
    """The measures in lines for a terminal, with their 95 % intervals."""
    systems = [name for name in values if name != REFERENCE]
    missing, lines = missing_measures(), []
    for name in _ON_SCREEN:
        about = measure(name)
        lines.append(
            about.label
            + (f", {about.unit}" if about.unit else "")
            + (f": {missing[name]}" if name in missing else "")
        )
        if name in missing:
            continue
        for system in systems:
            mean, low, high = values[system][name].interval
            line = f"  {system:<24}{format_number(mean):>10}"
            if not math.isnan(low):
                line += f"  ({format_number(low)} to {format_number(high)})"
            lines.append(line)
    return "\n".join(lines)
