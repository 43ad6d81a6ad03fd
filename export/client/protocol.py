"""The client's protocol: requests, answers, attempts and deadlines."""

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from pwavenet_tf.core.errors import UserError

Answer = TypeVar("Answer")

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0

# Not the program's own generator: its seeded numbers must stay what they are.
_random = random.SystemRandom()


class MayPass(Exception):
    """A request failed in a way that may have passed when it is sent again.

    Args:
        what: What happened.
        advice: What the user can do if it does not pass.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


class Deadline:
    """The time by which a call must be over, however many requests it takes.

    Args:
        seconds: From now on.

    Raises:
        UserError: If that is no time at all.
    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < float("inf"):
            raise UserError(
                f"deadline is {seconds}, but it must be a number of seconds "
                "above 0"
            )
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; below 0 when it has passed."""
        return self._end - time.monotonic()


def answered(
    ask: Callable[[float], Answer],
    deadline: Deadline,
    attempts: int,
    place: str,
) -> Answer:
    """Sends a request until it is answered, with growing, random pauses.

    An attempt may take half of the time that is left and the last one all of
    it: a server that hangs once does not use up the deadline.

    Args:
        ask: Sends the request once, given the seconds that it may take. It
            may be sent twice, for a request does nothing but compute.
        deadline: Of the whole call.
        attempts: How often to try, 1 or more.
        place: Who is asked, for messages.

    Raises:
        UserError: If no attempt is answered.
    """
    began = time.monotonic()
    for attempt in range(1, attempts + 1):
        left = deadline.left()
        if left <= 0:
            raise UserError(
                f"{place}: the deadline of {deadline.seconds:g} s has passed; "
                "give more seconds by deadline=, or a shorter input"
            )
        try:
            return ask(left if attempt == attempts else left / 2)
        except MayPass as error:
            failure = error
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
        pause *= _random.uniform(0.25, 0.5)
        if attempt == attempts or deadline.left() <= pause:
            break
        time.sleep(pause)
    raise UserError(
        f"{place}: {failure} after {attempt} "
        f"attempt{'s' if attempt > 1 else ''} in "
        f"{time.monotonic() - began:.1f} s; {failure.advice}"
    ) from failure


def no_answer(reason: str, question: str) -> MayPass:
    """Nobody listens there, yet."""
    return MayPass(
        f"no server answers ({reason})", f"is it running, and {question}?"
    )


def too_late() -> MayPass:
    """An attempt's time is over."""
    return MayPass(
        "no answer came in time",
        "give more seconds by deadline=, an attempt may take half of them; or "
        "see what keeps the server busy",
    )


def broken_off(reason: str) -> MayPass:
    """The connection was lost, or the server says that it cannot now."""
    return MayPass(
        f"the server is not available ({one_line(reason)})",
        "see in its log why",
    )


def one_line(text: str) -> str:
    """What somebody else wrote, short enough for a message of one line."""
    line = " ".join(
        "".join(c if c.isprintable() else " " for c in text).split()
    )
    return line if len(line) <= 300 else line[:297] + "..."


class Servable(NamedTuple):
    """A model on a server; without version and label its newest version."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version} of {self.name!r}"
        if self.label is not None:
            return f"{self.label!r} of {self.name!r}"
        return repr(self.name)


class Output(NamedTuple):
    """A tensor that must be answered.

    Attributes:
        dtype: Its type.
        shape: Its shape; None stands for any size.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


class Request(NamedTuple):
    """One question to a model.

    Attributes:
        servable: The model.
        signature: Which of its signatures.
        inputs: Tensors by name.
        outputs: What must be answered, by name.
    """

    servable: Servable
    signature: str
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, Output]


class NotServed(UserError):
    """The server has no such model, or no longer."""


def not_asked(place: str, what: str) -> UserError:
    """An answer that does not fit the question."""
    return UserError(
        f"{place}: the answer is not what was asked for: {what}; is a model "
        "of `pwavenet export` served there, and nothing in between that "
        "changes answers?"
    )


def refused(place: str, text: str) -> UserError:
    """The server found the question wrong, and says why.

    Of a check inside the graph only its own words are passed on.
    """
    if asserted := re.search(r"assertion failed: \[(.*?)\]", text):
        text = asserted[1]
    return UserError(f"{place}: the server refused the request: {text}")


def not_served(place: str, servable: Servable, text: str) -> NotServed:
    """The server has no such model."""
    return NotServed(
        f"{place}: does not serve {servable} ({text}); compare the name and "
        "versions with its models.config"
    )


def required(
    answer: Mapping[str, np.ndarray], outputs: Mapping[str, Output], place: str
) -> dict[str, np.ndarray]:
    """Refuses an answer that is not all that was asked for, and sound.

    Raises:
        UserError: If a tensor is missing, or of another type or shape, or
            holds values that are not finite.
    """
    for name, (dtype, shape) in outputs.items():
        if name not in answer:
            raise not_asked(
                place, f"there is no {name}, only {', '.join(answer) or 'none'}"
            )
        found = answer[name]
        fits = len(found.shape) == len(shape) and all(
            size in (None, other)
            for size, other in zip(shape, found.shape, strict=True)
        )
        if found.dtype != dtype or not fits:
            sizes = ", ".join("any" if n is None else str(n) for n in shape)
            raise not_asked(
                place,
                f"{name} is {found.dtype} {found.shape} where {dtype} "
                f"({sizes}) was due",
            )
        if dtype.kind == "f" and not np.isfinite(found).all():
            raise not_asked(place, f"{name} holds values that are not finite")
    return {name: answer[name] for name in outputs}
