"""The client's protocol: requests, answers, attempts and deadlines."""

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError

Answer = TypeVar("Answer")

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0

# Not the global generator, whose seeded numbers must not change.
_random = random.SystemRandom()


class MayPass(Exception):
    """A request failed for a transient reason; what helps if it persists."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


class Deadline:
    """The time by which a call must be over, however many requests it takes."""

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
    it: a server that hangs once does not use up the deadline. `ask` sends the
    request once, given the seconds that it may take; sending it twice is safe,
    because a request has no side effects. `place` names the server.
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
    """No server listens there, yet."""
    return MayPass(
        f"no server answers ({reason})", f"is it running, and {question}?"
    )


def too_late() -> MayPass:
    """An attempt timed out."""
    return MayPass(
        "no answer came in time",
        "give more seconds by deadline=, an attempt may take half of them; or "
        "see what keeps the server busy",
    )


def broken_off(reason: str) -> MayPass:
    """The connection was lost, or the server is not available."""
    reason = f"the server is not available ({one_line(reason)})"
    return MayPass(reason, "see in its log why")


def one_line(text: str) -> str:
    """Text of a server, shortened for a message of one line."""
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


class ModelInfo(NamedTuple):
    """A served model, as its card describes it."""

    servable: Servable
    card: dict
    contract: AudioContract
    conditioning: Conditioning

    @property
    def analyses(self) -> dict[str, tuple[str, int, int]]:
        """The features that the server computes from audio, by name.

        Of each the signature, the channels, and the frames on either side that
        a frame depends on.
        """
        contract, conditioning = self.contract, self.conditioning
        channels = conditioning.encoding_channels
        context_frames = contract.frames(conditioning.encoder_context)
        return {
            "mel": ("mel_spectrogram", contract.mels, contract.margin_frames),
            "encoding": ("encode", channels, context_frames),
        }


class Output(NamedTuple):
    """A tensor that the answer must have; in its shape None is any size."""

    dtype: np.dtype
    shape: tuple[int | None, ...]


class Request(NamedTuple):
    """One request to a model; inputs and outputs by name."""

    servable: Servable
    signature: str
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, Output]


class NotServed(UserError):
    """The server has no such model, or no longer."""


def not_asked(place: str, what: str) -> UserError:
    """An answer that does not fit the request."""
    return UserError(
        f"{place}: the answer is not what was asked for: {what}; is a model "
        "of `pwavenet export` served there, and nothing in between that "
        "changes answers?"
    )


def refused(place: str, text: str) -> UserError:
    """The server refused the request, with a reason.

    Of a check inside the graph only the message is passed on.
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


def require_outputs(
    answer: Mapping[str, np.ndarray], outputs: Mapping[str, Output], place: str
) -> dict[str, np.ndarray]:
    """Refuses an answer that lacks outputs or has invalid ones."""
    for name, (dtype, shape) in outputs.items():
        if name not in answer:
            raise not_asked(
                place, f"there is no {name}, only {', '.join(answer) or 'none'}"
            )
        actual = answer[name]
        fits = len(actual.shape) == len(shape) and all(
            size in (None, other)
            for size, other in zip(shape, actual.shape, strict=True)
        )
        if actual.dtype != dtype or not fits:
            sizes = ", ".join("any" if n is None else str(n) for n in shape)
            raise not_asked(
                place,
                f"{name} is {actual.dtype} {actual.shape} where {dtype} "
                f"({sizes}) was due",
            )
        if dtype.kind == "f" and not np.isfinite(actual).all():
            raise not_asked(place, f"{name} holds values that are not finite")
    return {name: answer[name] for name in outputs}
