"""Asking a server again within a deadline, when what failed may pass."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pwavenet_tf.errors import UserError

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
