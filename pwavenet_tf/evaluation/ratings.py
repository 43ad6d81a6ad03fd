"""The answers of blind listening tests, read from their files and checked."""

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from pwavenet_tf.core.errors import UserError

FORMAT = "pwavenet listening test"
# Of the answers' format and of what a page asks; other versions are refused.
PAGE_VERSION = 1

# BS.1534, post-screening: a listener is excluded who rates the hidden
# reference below 90 in more than 15 % of the trials.
_LOWEST_REFERENCE, _MOST_FAILED = 90, 0.15


@dataclasses.dataclass(frozen=True)
class Listener:
    """What one listener answered in one test.

    Attributes:
        path: The file.
        kind: `ab` or `mushra`.
        test: The test's identity.
        listener: The listener's random id.
        systems: All that were compared.
        reference: The recordings' name; None without any.
        planned: The number of trials of a whole test.
        trials: As in the file: `sentence`, and either `a`, `b` and `choice`
            (`a`, `b` or `none`) or `scores`, 0 to 100 by system.
    """

    path: Path
    kind: str
    test: str
    listener: str
    systems: tuple[str, ...]
    reference: str | None
    planned: int
    trials: tuple[dict, ...]

    @property
    def failed_references(self) -> int:
        """In how many trials the hidden reference got less than 90."""
        return sum(
            trial["scores"][self.reference] < _LOWEST_REFERENCE
            for trial in self.trials
            if "scores" in trial
        )

    @property
    def is_excluded(self) -> bool:
        """Whether BS.1534 excludes a listener of a MUSHRA test."""
        return self.failed_references > _MOST_FAILED * len(self.trials)


@dataclasses.dataclass(frozen=True)
class Ratings:
    """What all listeners answered.

    Attributes:
        test: The test's identity.
        comparisons: Listeners of the A/B test.
        scores: Listeners of the MUSHRA test, without the excluded ones.
        excluded: Those of the MUSHRA test whom BS.1534 excludes.
        replaced: Files whose answers another file of the same listener
            repeats.
    """

    test: str
    comparisons: tuple[Listener, ...]
    scores: tuple[Listener, ...]
    excluded: tuple[Listener, ...]
    replaced: tuple[Path, ...]


def rating_files(places: Iterable[str]) -> list[Path]:
    """The files that `--ratings` names.

    Args:
        places: Files, folders of `.json` files, or patterns such as
            `answers/*.json`.

    Raises:
        UserError: If one of them leads to no file.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_file():
            files = [path]
        elif path.is_dir():
            files = sorted(path.glob("*.json"))
        else:
            files = _matching(path)
        if not files:
            raise UserError(
                f"--ratings={place}: there is no such file and none in it; "
                "give the JSON files that listeners saved, or their folder"
            )
        found |= dict.fromkeys(files)
    return list(found)


def _matching(pattern: Path) -> list[Path]:
    import glob

    # Most often only the name is a pattern, whatever characters its folder has.
    found = pattern.parent.glob(pattern.name)
    if not pattern.parent.is_dir():
        found = map(Path, glob.glob(str(pattern)))
    return sorted(path for path in found if path.is_file())


def read_ratings(files: Sequence[Path]) -> Ratings:
    """Reads what listeners saved.

    If two files hold answers of one listener to one kind of test, the one
    with more answers counts (of equals, the later one).

    Args:
        files: At least one, of either kind, all of one test.

    Raises:
        UserError: If a file can't be read, is not what a listening test
            saved, is damaged, belongs to another test, or none has an answer.
    """
    listeners = [_read(path) for path in files]
    first = listeners[0]
    for one in listeners:
        if one.test != first.test:
            raise UserError(
                f"{one.path}: answers to another test than {first.path} "
                f"({one.test} and {first.test}); give the files of one test"
            )
    best: dict[tuple[str, str], Listener] = {}
    for one in listeners:
        held = best.get((one.kind, one.listener))
        if held is None or len(one.trials) >= len(held.trials):
            best[one.kind, one.listener] = one
    kept = [one for one in best.values() if one.trials]
    if not kept:
        raise UserError(
            f"{first.path}: has no answers; finish at least one trial"
        )
    used = {one.path for one in best.values()}
    mushra = [one for one in kept if one.kind == "mushra"]
    return Ratings(
        test=first.test,
        comparisons=tuple(one for one in kept if one.kind == "ab"),
        scores=tuple(one for one in mushra if not one.is_excluded),
        excluded=tuple(one for one in mushra if one.is_excluded),
        replaced=tuple(path for path in files if path not in used),
    )


def _read(path: Path) -> Listener:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); check it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: is not JSON ({error}); is it whole? Save the answers "
            "again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"{path}: is not what a listening test saved; give the files that "
            "ab_test.html and mushra.html save"
        )
    if content.get("version") != PAGE_VERSION:
        raise UserError(
            f"{path}: is of version {content.get('version')!r} of the pages, "
            f"this is version {PAGE_VERSION}; use the version of pwavenet "
            "that wrote the pages"
        )
    try:
        return _checked(path, content)
    except _Damage as damage:
        raise UserError(
            f"{path}: is damaged: {damage}; save the answers again"
        ) from None


class _Damage(Exception):
    """What is wrong in a file."""


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise _Damage(problem)


def _checked(path: Path, content: dict) -> Listener:
    kind = content.get("kind")
    _require(kind in ("ab", "mushra"), f"its kind is {kind!r}")
    for name in ("test", "listener"):
        value = content.get(name)
        _require(isinstance(value, str) and bool(value), f"{name} is {value!r}")
    for name in ("systems", "sentences"):
        value = content.get(name)
        _require(
            isinstance(value, list)
            and bool(value)
            and all(isinstance(one, str) for one in value),
            f"{name} is not a list of names",
        )
    systems = tuple(content["systems"])
    reference = content.get("reference")
    _require(
        reference in systems or (reference is None and kind == "ab"),
        f"its reference is {reference!r}",
    )
    planned, trials = content.get("planned"), content.get("trials")
    _require(isinstance(planned, int), f"planned is {planned!r}")
    _require(isinstance(trials, list), "trials is not a list")
    asked = set()
    for number, trial in enumerate(trials, 1):
        where = f"trial {number}"
        _require(isinstance(trial, dict), f"{where} is no object")
        _require(
            trial.get("sentence") in content["sentences"],
            f"{where} is about the sentence {trial.get('sentence')!r}",
        )
        check = _check_choice if kind == "ab" else _check_scores
        question = (trial["sentence"], check(where, trial, systems))
        _require(question not in asked, f"{where} repeats another one")
        asked.add(question)
    return Listener(
        path,
        kind,
        content["test"],
        content["listener"],
        systems,
        reference,
        planned,
        tuple(trials),
    )


def _check_choice(
    where: str, trial: dict, systems: tuple[str, ...]
) -> frozenset[str]:
    """Returns the pair that was compared."""
    pair = (trial.get("a"), trial.get("b"))
    _require(
        pair[0] != pair[1] and all(one in systems for one in pair),
        f"{where} compares {pair[0]!r} with {pair[1]!r}",
    )
    _require(
        trial.get("choice") in ("a", "b", "none"),
        f"{where} has the choice {trial.get('choice')!r}",
    )
    return frozenset(pair)


def _check_scores(
    where: str, trial: dict, systems: tuple[str, ...]
) -> frozenset[str]:
    scores = trial.get("scores")
    _require(
        isinstance(scores, dict) and set(scores) == set(systems),
        f"{where} does not rate every system",
    )
    for system, score in scores.items():
        _require(
            isinstance(score, int | float)
            and not isinstance(score, bool)
            and math.isfinite(score)
            and 0 <= score <= 100,
            f"{where} rates {system} with {score!r}",
        )
    return frozenset()
