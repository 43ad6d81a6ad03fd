"""Recordings scored by models: overall, by file, on paper and screen."""

import dataclasses
import functools
import math
import operator
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_csv
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.screen import text_table
from pwavenet_tf.evaluation.conditioning import (
    ConditioningSensitivity,
    conditioning_sensitivity,
)
from pwavenet_tf.evaluation.intervals import Series
from pwavenet_tf.evaluation.likelihood import Score, likelihood_of
from pwavenet_tf.evaluation.recordings import Model, ReferenceRecording
from pwavenet_tf.evaluation.student_kl import pairs_of, student_kl
from pwavenet_tf.models.teacher import Teacher

_SHOWN = 10

# What is known of each recording.
SCORES = ("bits_per_sample", "nats_per_sample", "inside_50", "inside_90")
# Of 8-bit codes and of 16-bit PCM values, these do not compare.
OF_SAMPLES = ("bits_per_sample", "nats_per_sample")
# The prefix of the KL to a teacher, whose name follows.
KL = "kl_to_"

# The explanation of a student's `Scoring.impossible`.
IMPOSSIBLE = (
    "its flows can't be inverted along {} of the recordings: the noise that "
    "would have made them grows without bound"
)


@dataclasses.dataclass(frozen=True)
class Scoring:
    """A model's scores of all recordings, named as in the report.

    Bits per sample compare only between models of the same `sample_bits`, the
    bits of a value whose probability they give: 16 for PCM values, 8 for μ-law
    codes. The sensitivity is None if it could not be measured; `kl` is a
    student's KL(student ‖ teacher) of each recording in nats per sample, by the
    teacher's name.
    """

    model: str
    sample_bits: int
    sample_rate: int
    files: tuple[str, ...]
    each: tuple[Score, ...]
    sensitivity: ConditioningSensitivity | None
    kl: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def overall(self) -> Score:
        """The score of all samples."""
        return functools.reduce(operator.add, self.each)

    @property
    def impossible(self) -> int:
        """How many recordings have no probability at all."""
        return sum(not math.isfinite(score.nats) for score in self.each)

    @property
    def metrics(self) -> dict[str, float]:
        """All of it in numbers, as they stand in `metrics.json`."""
        overall = self.overall
        return {
            "bits_per_sample": overall.bits_per_sample,
            "nats_per_sample": overall.nats_per_sample,
            "sample_bits": self.sample_bits,
            "inside_50": overall.inside_50,
            "inside_90": overall.inside_90,
            **{
                name: series.mean
                for name, series in self.series.items()
                if name.startswith(KL)
            },
            **(self.sensitivity.metrics if self.sensitivity else {}),
        }

    @property
    def series(self) -> dict[str, Series]:
        """What is known of each recording, weighted by its samples."""
        samples = [score.samples for score in self.each]
        return {
            name: Series.of(
                [getattr(score, name) for score in self.each], samples
            )
            for name in SCORES
        } | {
            KL + teacher: Series.of(values, samples)
            for teacher, values in self.kl.items()
        }


def score_all(
    model: Model, references: list[ReferenceRecording], name: str
) -> Scoring:
    """Scores recordings, at least one, with a model.

    Raises:
        UserError: If a teacher's probabilities are not finite.
    """
    likelihood = likelihood_of(model, max(len(one.audio) for one in references))
    each = []
    for one in Bar(references, desc=f"{name}: score", unit="recording"):
        try:
            each.append(likelihood(one.audio, one.features(model)))
        except UserError as fault:
            raise UserError(f"{name} on {one.path}: {fault}") from fault
    is_coarse = isinstance(model, Teacher) and model.head == "mu_law"
    scoring = Scoring(
        model=name,
        sample_bits=8 if is_coarse else 16,
        sample_rate=model.audio.sample_rate,
        files=tuple(one.name for one in references),
        each=tuple(each),
        sensitivity=None,
    )
    if scoring.impossible:
        return scoring
    sensitivity = conditioning_sensitivity(
        model, likelihood, references, each, name
    )
    return dataclasses.replace(scoring, sensitivity=sensitivity)


def score_models(
    models: dict[str, Model], references: list[ReferenceRecording]
) -> list[Scoring]:
    """Scores recordings with all models, and students against teachers.

    Raises:
        UserError: If a teacher's probabilities are not finite.
    """
    scorings = [
        score_all(model, references, name) for name, model in models.items()
    ]
    kl: dict[str, dict[str, np.ndarray]] = {name: {} for name in models}
    for student, teacher in pairs_of(models):
        kl[student][teacher] = student_kl(
            models[student], models[teacher], references, f"{student}: KL"
        )
    return [dataclasses.replace(one, kl=kl[one.model]) for one in scorings]


def write_bits(path: Path, scorings: list[Scoring]) -> None:
    """Writes the scores by file as CSV: all but nats per sample.

    Raises:
        UserError: If `path` can't be written.
    """
    names = [name for name in SCORES if name != "nats_per_sample"]
    columns = [f"{one.model} {name}" for one in scorings for name in names]
    rows = [["file", "seconds", *columns]]
    for file, scores in by_file(scorings):
        seconds = f"{scores[0].samples / scorings[0].sample_rate:.3f}"
        values = (getattr(one, name) for one in scores for name in names)
        rows.append([file, seconds, *(f"{value:.5f}" for value in values)])
    write_csv(path, rows)


def by_file(scorings: list[Scoring]) -> list[tuple[str, list[Score]]]:
    """Every recording's name and its scores by the models."""
    return [
        (file, [one.each[index] for one in scorings])
        for index, file in enumerate(scorings[0].files)
    ]


def screen_table(scorings: list[Scoring]) -> str:
    """The scores in lines for a terminal, overall and of the first files."""
    table = [("model", "bits/sample", "inside 50 %", "inside 90 %")]
    for one in scorings:
        score = one.overall
        bits = f"{_bits(score)} of {one.sample_bits}"
        inside = (f"{score.inside_50:.1%}", f"{score.inside_90:.1%}")
        table.append((one.model, bits, *inside))
    head, *overall = text_table(table)
    lines = [head]
    for one, line in zip(scorings, overall, strict=True):
        lines.append(line)
        if one.impossible:
            lines.append(f"  {IMPOSSIBLE.format(one.impossible)}")
        if one.sensitivity:
            lines += [
                f"  {name.replace('_', ' ')}: {value:.3f}"
                for name, value in one.sensitivity.metrics.items()
            ]
    rows = by_file(scorings)
    if len(rows) > 1:
        lines.append("bits/sample by file:")
        shown = ((file, *map(_bits, scores)) for file, scores in rows[:_SHOWN])
        lines += text_table(shown, "  ")
    if len(rows) > _SHOWN:
        lines.append(f"  and {len(rows) - _SHOWN} more in bits.csv")
    return "\n".join(lines)


def _bits(score: Score) -> str:
    bits = score.bits_per_sample
    return f"{bits:.3f}" if bits < 1e4 or math.isinf(bits) else f"{bits:.1e}"
