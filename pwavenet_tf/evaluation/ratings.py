"""The answers of blind listening tests, read from their files and checked."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
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
    """What one listener answered in one test, `ab` or `mushra`, as in the file.

    The reference is the recordings' name, None without any; a whole test has
    `planned` trials. A trial has a `sentence`, and either `a`, `b` and
    `choice` (`a`, `b` or `none`) or `scores`, 0 to 100 by system.
    """

    path: Path
    kind: str
    test: str
    listener: str
    reference: str | None
    planned: int
    trials: list[dict]

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

    `comparisons` are of the A/B test, `scores` of the MUSHRA test, and so are
    those whom BS.1534 excludes; another file of the same listener repeats the
    answers of `replaced`.
    """

    test: str
    comparisons: tuple[Listener, ...]
    scores: tuple[Listener, ...]
    excluded: tuple[Listener, ...]
    replaced: tuple[Path, ...]


def rating_files(places: Iterable[str]) -> list[Path]:
    """The files that `--ratings` names.

    Each place is a file, a folder of `.json` files, or a pattern such as
    `answers/*.json`.

    Raises:
        UserError: If one of them leads to no file.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_dir():
            files = sorted(path.glob("*.json"))
        else:
            files = [path] if path.is_file() else _matching(path)
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

    The files, at least one, are of either kind, all of one test. If two hold
    answers of one listener to one kind of test, the one with more answers
    counts (of equals, the later one).

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
    fault = next(_faults(content), None)
    if fault:
        raise UserError(f"{path}: is damaged: {fault}; save the answers again")
    read = {field.name for field in dataclasses.fields(Listener)} - {"path"}
    return Listener(path, **{name: content.get(name) for name in read})


def _faults(content: dict) -> Iterator[str]:
    """What is wrong with answers; each line relies on those before it."""
    kind = content.get("kind")
    if kind not in ("ab", "mushra"):
        yield f"its kind is {kind!r}"
    for name in ("test", "listener"):
        value = content.get(name)
        if not (isinstance(value, str) and value):
            yield f"{name} is {value!r}"
    for name in ("systems", "sentences"):
        value = content.get(name)
        if not (
            isinstance(value, list)
            and value
            and all(isinstance(one, str) for one in value)
        ):
            yield f"{name} is not a list of names"
    systems, reference = content["systems"], content.get("reference")
    if reference not in systems and (reference is not None or kind != "ab"):
        yield f"its reference is {reference!r}"
    planned, trials = content.get("planned"), content.get("trials")
    if not isinstance(planned, int):
        yield f"planned is {planned!r}"
    if not isinstance(trials, list):
        yield "trials is not a list"
    asked = set()
    for number, trial in enumerate(trials, 1):
        where = f"trial {number}"
        if not isinstance(trial, dict):
            yield f"{where} is no object"
        if trial.get("sentence") not in content["sentences"]:
            yield f"{where} is about the sentence {trial.get('sentence')!r}"
        if kind == "ab":
            yield from _faults_of_choice(where, trial, systems)
        else:
            yield from _faults_of_scores(where, trial, systems)
        pair = frozenset((trial["a"], trial["b"])) if kind == "ab" else None
        if (trial["sentence"], pair) in asked:
            yield f"{where} repeats another one"
        asked.add((trial["sentence"], pair))


def _faults_of_choice(
    where: str, trial: dict, systems: list[str]
) -> Iterator[str]:
    a, b, choice = map(trial.get, ("a", "b", "choice"))
    if a == b or a not in systems or b not in systems:
        yield f"{where} compares {a!r} with {b!r}"
    if choice not in ("a", "b", "none"):
        yield f"{where} has the choice {choice!r}"


def _faults_of_scores(
    where: str, trial: dict, systems: list[str]
) -> Iterator[str]:
    scores = trial.get("scores")
    if not (isinstance(scores, dict) and set(scores) == set(systems)):
        yield f"{where} does not rate every system"
    for system, score in scores.items():
        # Not NaN either, with which no comparison holds.
        if type(score) not in (int, float) or not 0 <= score <= 100:
            yield f"{where} rates {system} with {score!r}"
