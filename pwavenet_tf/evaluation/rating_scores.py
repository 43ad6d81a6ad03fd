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
import warnings
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
    """A mean and its 95 % confidence interval.

    Attributes:
        mean: Over all answers.
        low: The interval's lower end; None with a single listener and a single
            sentence, from which nothing follows about others.
        high: Its upper end.
    """

    mean: float
    low: float | None
    high: float | None

    def map(self, function) -> "Estimate":
        """Under an increasing function."""
        return Estimate(
            *(
                value if value is None else function(value)
                for value in (self.mean, self.low, self.high)
            )
        )


@dataclasses.dataclass(frozen=True)
class SystemScore:
    """A system in the MUSHRA test.

    Attributes:
        system: Its name.
        score: 0 to 100.
        answers: How many scores there are.
    """

    system: str
    score: Estimate
    answers: int

    @property
    def opinion(self) -> Estimate:
        """The score on the five-point scale of a MOS: 1 + score / 25."""
        return self.score.map(lambda score: 1 + score / 25)


@dataclasses.dataclass(frozen=True)
class Preference:
    """One system against another in the A/B test.

    Attributes:
        system: The one.
        against: The other.
        win: The share of answers that prefer `system`.
        lose: The share of answers that prefer `against`.
        neutral: The share without preference.
        answers: How many there are.
    """

    system: str
    against: str
    win: Estimate
    lose: Estimate
    neutral: Estimate
    answers: int


def estimate(answers: Iterable[tuple[str, str, float]]) -> Estimate:
    """The mean of answers, with its interval.

    Args:
        answers: (listener, sentence, value), at least one.
    """
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
    from scipy import stats

    def mean(*resamples: np.ndarray, axis: int = -1) -> np.ndarray:
        del axis  # SciPy resamples along the last one.
        resampled_sums, resampled_counts = sums[None], counts[None]
        for along, indices in zip(resampled, resamples, strict=True):
            weights = _resampling_counts(
                np.atleast_2d(indices), sums.shape[along]
            )
            weights = np.expand_dims(weights, 2 - along)
            resampled_sums = resampled_sums * weights
            resampled_counts = resampled_counts * weights
        with np.errstate(invalid="ignore"):
            return resampled_sums.sum((1, 2)) / resampled_counts.sum((1, 2))

    # One of a kind can't be resampled: the interval is for it alone.
    resampled = [axis for axis in (0, 1) if sums.shape[axis] > 1]
    with warnings.catch_warnings():
        # Resamples without an answer give NaN, of which SciPy warns.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            [np.arange(sums.shape[axis]) for axis in resampled],
            mean,
            n_resamples=_RESAMPLES,
            vectorized=True,
            # Many listeners must not take all memory.
            batch=max(1, 1_000_000 // sums.size),
            method="percentile",
            random_state=np.random.default_rng(0),
        ).bootstrap_distribution


def _resampling_counts(indices: np.ndarray, count: int) -> np.ndarray:
    """How often each of `count` was sampled: `(resamples, count)`."""
    resamples = len(indices)
    flat = indices + count * np.arange(resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=resamples * count).reshape(
        resamples, count
    )


def system_scores(listeners: Iterable[Listener]) -> list[SystemScore]:
    """The MUSHRA test's systems, the best one first.

    Args:
        listeners: Of the MUSHRA test, without excluded ones.
    """
    by_system: dict[str, list[tuple[str, str, float]]] = {}
    for one in listeners:
        for trial in one.trials:
            for system, score in trial["scores"].items():
                by_system.setdefault(system, []).append(
                    (one.listener, trial["sentence"], score)
                )
    found = [
        SystemScore(system, estimate(answers), len(answers))
        for system, answers in by_system.items()
    ]
    return sorted(found, key=lambda one: -one.score.mean)


def preferences(listeners: Iterable[Listener]) -> list[Preference]:
    """Every pair of the A/B test, each with its winner first.

    Args:
        listeners: Of the A/B test.
    """
    by_pair: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for one in listeners:
        for trial in one.trials:
            pair = tuple(sorted((trial["a"], trial["b"])))
            choice = trial["choice"]
            preferred = None if choice == "none" else trial[choice]
            by_pair.setdefault(pair, []).append(
                (one.listener, trial["sentence"], preferred)
            )
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
        head = ("win-lose-neutral, %", "", "win", "lose", "neutral", "answers")
        rows = [head]
        for one in preferences(ratings.comparisons):
            name = f"{one.system} against {one.against}"
            shares = (one.win, one.lose, one.neutral)
            ranges = map(_range, shares)
            rows.append((name, _percents(shares), *ranges, one.answers))
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
    kinds = [one for one in (ratings.scores, ratings.comparisons) if one]
    if not kinds:
        return []
    remarks = [_METHOD]
    if any(
        share.low == share.high and share.low is not None
        for one in preferences(ratings.comparisons)
        for share in (one.win, one.lose, one.neutral)
    ):
        remarks.append(
            "where all answers agree, resampling shows no spread: 0–0 and "
            "100–100 are not certainties"
        )
    fewest = min(map(len, kinds))
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


def _percents(shares: tuple[Estimate, ...]) -> str:
    return "-".join(f"{100 * share.mean:.0f}" for share in shares)


def _range(share: Estimate) -> str:
    if share.low is None:
        return "–"
    return f"{100 * share.low:.0f}–{100 * share.high:.0f}"


def write_ratings(path: Path, ratings: Ratings) -> None:
    """Writes the table as JSON.

    Raises:
        UserError: If `path` can't be written.
    """
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
                dataclasses.asdict(one)
                | {"opinion": dataclasses.asdict(one.opinion)}
                for one in system_scores(ratings.scores)
            ],
        },
        "preference": {
            "listeners": len(ratings.comparisons),
            "pairs": [
                dataclasses.asdict(one)
                for one in preferences(ratings.comparisons)
            ],
        },
        "left_out": [path.name for path in ratings.replaced],
    }
    write_json(path, content)
