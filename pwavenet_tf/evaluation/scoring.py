"""Recordings scored by teachers: overall, by file, on paper and screen."""

import csv
import dataclasses
import functools
import io
import operator
from pathlib import Path

from tqdm import tqdm

from pwavenet_tf.errors import UserError
from pwavenet_tf.evaluation.likelihood import Likelihood, Score
from pwavenet_tf.evaluation.listening import Listening, listens
from pwavenet_tf.evaluation.recordings import Heard
from pwavenet_tf.files import written_aside
from pwavenet_tf.teacher import WaveNet

_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What a teacher says of all recordings.

    Attributes:
        teacher: The teacher's name in the report.
        sample_bits: Bits of one of the values whose probability it gives: 16
            for levels, 8 for μ-law codes. Bits per sample compare only where
            this is the same.
        sample_rate: Hz.
        files: The recordings' names.
        each: The score of each.
        listening: How much it heeds what it is told; None if that could not
            be measured.
    """

    teacher: str
    sample_bits: int
    sample_rate: int
    files: tuple[str, ...]
    each: tuple[Score, ...]
    listening: Listening | None

    @property
    def overall(self) -> Score:
        """The score of all samples."""
        return functools.reduce(operator.add, self.each)

    @property
    def metrics(self) -> dict[str, float]:
        """All of it in numbers, as they stand in `metrics.json`."""
        overall = self.overall
        return {
            "bits_per_sample": overall.bits_per_sample,
            "sample_bits": self.sample_bits,
            "inside_50": overall.inside_50,
            "inside_90": overall.inside_90,
        } | (self.listening.metrics if self.listening else {})


def score_all(teacher: WaveNet, heard: list[Heard], name: str) -> Scoring:
    """Scores recordings with a teacher.

    Args:
        teacher: The teacher.
        heard: The recordings, at least one.
        name: The teacher's name.

    Raises:
        UserError: If the teacher's probabilities are not finite.
    """
    longest = max(len(one.audio) for one in heard)
    likelihood = Likelihood(teacher, teacher.audio.frames(longest))
    each = []
    with tqdm(
        total=sum(len(one.audio) for one in heard),
        desc=f"{name}: score",
        unit="sample",
        unit_scale=True,
        disable=None,
    ) as bar:
        for one in heard:
            try:
                score = likelihood(one.audio, one.features(teacher))
            except UserError as fault:
                raise UserError(f"{name} on {one.path}: {fault}") from fault
            each.append(score)
            bar.update(score.samples)
    return Scoring(
        teacher=name,
        sample_bits=8 if teacher.head == "mu_law" else 16,
        sample_rate=teacher.audio.sample_rate,
        files=tuple(one.name for one in heard),
        each=tuple(each),
        listening=listens(teacher, likelihood, heard, each, name),
    )


def write_bits(path: Path, scorings: list[Scoring]) -> None:
    """Writes the scores by file as CSV.

    Its columns are file, seconds, and for each teacher bits per sample and
    the fractions inside the central 50 % and 90 % intervals.

    Raises:
        UserError: If `path` can't be written.
    """
    names = ("bits_per_sample", "inside_50", "inside_90")
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(
        ["file", "seconds"]
        + [f"{one.teacher} {name}" for one in scorings for name in names]
    )
    for file, scores in by_file(scorings):
        seconds = scores[0].samples / scorings[0].sample_rate
        writer.writerow(
            [file, f"{seconds:.3f}"]
            + [f"{getattr(one, name):.5f}" for one in scores for name in names]
        )
    with written_aside(path) as aside:
        # A file's name may be no Unicode.
        aside.write_bytes(content.getvalue().encode("utf-8", "replace"))


def by_file(scorings: list[Scoring]) -> list[tuple[str, list[Score]]]:
    """Every recording's name and its scores by the teachers."""
    return [
        (file, [one.each[index] for one in scorings])
        for index, file in enumerate(scorings[0].files)
    ]


def screen_table(scorings: list[Scoring]) -> str:
    """The scores in lines for a terminal, overall and of the first files."""
    lines = [
        f"{'teacher':<24}{'bits/sample':>16}{'inside 50 %':>13}"
        f"{'inside 90 %':>13}"
    ]
    for one in scorings:
        score = one.overall
        bits = f"{score.bits_per_sample:.3f} of {one.sample_bits}"
        lines.append(
            f"{one.teacher:<24}{bits:>16}{score.inside_50:>13.1%}"
            f"{score.inside_90:>13.1%}"
        )
        if one.listening:
            lines += [
                f"  {name.replace('_', ' ')}: {value:.3f}"
                for name, value in one.listening.metrics.items()
            ]
    rows = by_file(scorings)
    if len(rows) > 1:
        lines.append("bits/sample by file:")
    for file, scores in rows[:_SHOWN] if len(rows) > 1 else ():
        each = "".join(f"{score.bits_per_sample:>9.3f}" for score in scores)
        lines.append(f"  {file:<38}{each}")
    if len(rows) > _SHOWN:
        lines.append(f"  and {len(rows) - _SHOWN} more in bits.csv")
    return "\n".join(lines)
