"""The paper's table from the answers of listening tests.

Mean scores, and preferences as win-lose-neutral %, as in Parallel WaveNet
(arXiv 1711.10433), section 5, with 95 % confidence intervals.

Answers of one listener resemble each other, and so do answers about one
sentence. The intervals therefore come from a bootstrap that resamples both
(Owen, "The pigeonhole bootstrap", arXiv 0712.1111): each resample draws as many
listeners and as many sentences with replacement, and every answer counts as
often as its listener times its sentence was sampled. It errs on the wide side.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pwavenet_tf.core.files import write_json
from pwavenet_tf.core.screen import text_table
from pwavenet_tf.evaluation.ratings import (
    FORMAT,
    PAGE_VERSION,
    Listener,
    Ratings,
)

_RESAMPLES = 9_999
_FEW = 5
_METHOD = (
    "95 % intervals by bootstrap over listeners and sentences "
    f"({_RESAMPLES:,} resamples, percentiles)"
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The mean of all answers and its 95 % confidence interval.

    It has no ends with a single listener and a single sentence, from which
    nothing follows about others.
    """

    mean: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class SystemScore:
    """A system in the MUSHRA test: 0 to 100, and the number of answers."""

    system: str
    score: Estimate
    answers: int

    @property
    def opinion(self) -> Estimate:
        """The score on the five-point scale of a MOS: 1 + score / 25."""
        mean, *ends = dataclasses.astuple(self.score)
        ends = (one if one is None else 1 + one / 25 for one in ends)
        return Estimate(1 + mean / 25, *ends)


@dataclasses.dataclass(frozen=True)
class Preference:
    """One system against another in the A/B test: shares of so many answers."""

    system: str
    against: str
    win: Estimate
    lose: Estimate
    neutral: Estimate
    answers: int


def estimate(answers: Iterable[tuple[str, str, float]]) -> Estimate:
    """The mean of answers (listener, sentence, value), with its interval."""
    listeners, sentences, values = zip(*answers, strict=True)
    rows = np.unique(listeners, return_inverse=True)[1]
    columns = np.unique(sentences, return_inverse=True)[1]
    shape = (rows.max() + 1, columns.max() + 1)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (rows, columns), values)
    np.add.at(counts, (rows, columns), 1)
    mean = float(sums.sum() / counts.sum())
    if shape == (1, 1):
        return Estimate(mean, None, None)
    means = _resampled_means(sums, counts)
    low, high = np.nanquantile(means, (0.025, 0.975))
    return Estimate(mean, float(low), float(high))


def _resampled_means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean in every resample of rows and columns; NaN without answers."""
    random = np.random.default_rng(0)
    # Many listeners must not take all memory.
    batch = max(1, 1_000_000 // sums.size)
    means = []
    for first in range(0, _RESAMPLES, batch):
        resamples = min(batch, _RESAMPLES - first)
        resampled = [sums[None], counts[None]]
        for axis, length in enumerate(sums.shape):
            # One of a kind can't be resampled: the interval is for it alone.
            if length > 1:
                drawn = random.integers(length, size=(resamples, length))
                times = np.apply_along_axis(np.bincount, 1, drawn, None, length)
                times = np.expand_dims(times.astype(float), 2 - axis)
                resampled = [one * times for one in resampled]
        # A resample may be without an answer.
        with np.errstate(invalid="ignore"):
            means.append(np.divide(*(one.sum((1, 2)) for one in resampled)))
    return np.concatenate(means)


def system_scores(listeners: Iterable[Listener]) -> list[SystemScore]:
    """The MUSHRA test's systems, the best one first."""
    by_system = defaultdict(list)
    for one in listeners:
        for trial in one.trials:
            for system, score in trial["scores"].items():
                answer = (one.listener, trial["sentence"], score)
                by_system[system].append(answer)
    found = [
        SystemScore(system, estimate(answers), len(answers))
        for system, answers in by_system.items()
    ]
    return sorted(found, key=lambda one: -one.score.mean)


def preferences(listeners: Iterable[Listener]) -> list[Preference]:
    """Every pair of the A/B test, each with its winner first."""
    by_pair = defaultdict(list)
    for one in listeners:
        for trial in one.trials:
            pair = tuple(sorted((trial["a"], trial["b"])))
            choice = trial["choice"]
            preferred = None if choice == "none" else trial[choice]
            answer = (one.listener, trial["sentence"], preferred)
            by_pair[pair].append(answer)
    found = []
    for pair, answers in by_pair.items():
        system, against = sorted(
            pair, key=lambda name: -sum(one[2] == name for one in answers)
        )
        win, lose, neutral = (
            estimate(
                (listener, sentence, float(preferred == value))
                for listener, sentence, preferred in answers
            )
            for value in (system, against, None)
        )
        found.append(
            Preference(system, against, win, lose, neutral, len(answers))
        )
    return sorted(found, key=lambda one: one.lose.mean - one.win.mean)


def screen_table(ratings: Ratings) -> str:
    """Scores and preferences in lines for a terminal."""
    lines = []
    if ratings.scores:
        rows = [("system", "score of 100", "as a MOS of 1 to 5", "answers")]
        for one in system_scores(ratings.scores):
            score, opinion = _shown(one.score, 1), _shown(one.opinion, 2)
            rows.append((one.system, score, opinion, one.answers))
        lines += [
            f"MUSHRA, {_people(ratings.scores)}",
            *text_table(rows),
            "  as a MOS: 1 + score / 25, which is not a MOS that was asked for",
        ]
    lines += [
        f"  excluded: {one.listener[:8]} ({one.path.name}), who rated the "
        f"hidden recording below 90 in {one.failed_references} of "
        f"{len(one.trials)} trials (BS.1534 allows 15 %)"
        for one in ratings.excluded
    ]
    if ratings.excluded and not ratings.scores:
        lines.append("  no listener of the MUSHRA test is left")
    if ratings.comparisons:
        shares = ("win", "lose", "neutral")
        rows = [("win-lose-neutral, %", "", *shares, "answers")]
        for one in preferences(ratings.comparisons):
            name = f"{one.system} against {one.against}"
            shares = (one.win, one.lose, one.neutral)
            percents = "-".join(f"{100 * share.mean:.0f}" for share in shares)
            rows.append((name, percents, *map(_range, shares), one.answers))
        lines += [
            f"Preference, {_people(ratings.comparisons)}",
            *text_table(rows),
        ]
    lines += [
        f"  left out: {path}, another file has as many answers of its listener"
        for path in ratings.replaced
    ]
    lines += [f"  {remark}" for remark in _remarks(ratings)]
    return "\n".join(lines)


def _remarks(ratings: Ratings) -> list[str]:
    counts = [*filter(None, map(len, (ratings.scores, ratings.comparisons)))]
    if not counts:
        return []
    remarks, fewest = [_METHOD], min(counts)
    if any(
        share.low == share.high and share.low is not None
        for one in preferences(ratings.comparisons)
        for share in (one.win, one.lose, one.neutral)
    ):
        remarks.append(
            "where all answers agree, resampling shows no spread: 0–0 and "
            "100–100 are not certainties"
        )
    if fewest == 1:
        remarks.append(
            "one listener: the intervals cover other sentences, not other "
            "listeners"
        )
    elif fewest < _FEW:
        remarks.append(
            f"{fewest} listeners are few: the true intervals are wider"
        )
    return remarks


def _people(listeners: tuple[Listener, ...]) -> str:
    count = len(listeners)
    partial = sum(len(one.trials) < one.planned for one in listeners)
    text = f"{count} listener{'' if count == 1 else 's'}"
    return text + (f", {partial} of them not to the end" if partial else "")


def _shown(value: Estimate, digits: int) -> str:
    mean = f"{value.mean:.{digits}f}"
    if value.low is None:
        return mean
    return f"{mean} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _range(share: Estimate) -> str:
    if share.low is None:
        return "–"
    return f"{100 * share.low:.0f}–{100 * share.high:.0f}"


def write_ratings(path: Path, ratings: Ratings) -> None:
    """Writes the table as JSON.

    Raises:
        UserError: If `path` can't be written.
    """
    pairs = preferences(ratings.comparisons)
    content = {
        "format": FORMAT + " ratings",
        "version": PAGE_VERSION,
        "test": ratings.test,
        "intervals": _METHOD,
        "remarks": _remarks(ratings)[1:],
        "mushra": {
            "listeners": len(ratings.scores),
            "excluded": [
                {
                    "listener": one.listener,
                    "file": one.path.name,
                    "trials": len(one.trials),
                    "reference_below_90": one.failed_references,
                }
                for one in ratings.excluded
            ],
            "systems": [
                dataclasses.asdict(one) | {"opinion": vars(one.opinion)}
                for one in system_scores(ratings.scores)
            ],
        },
        "preference": {
            "listeners": len(ratings.comparisons),
            "pairs": [*map(dataclasses.asdict, pairs)],
        },
        "left_out": [path.name for path in ratings.replaced],
    }
    write_json(path, content)
