"""What a served model is asked and must answer, whatever carries it."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pwavenet_tf.errors import UserError


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
