"""How something is to be said: whose noise, and how much of it."""

import operator
from collections.abc import Sequence

import numpy as np

from pwavenet_tf.errors import UserError

Seed = int | Sequence[int]

# Far above any use; beyond it float32 overflows within the flows.
HIGHEST_TEMPERATURE = 100.0


def require_temperature(temperature: float, name: str = "temperature") -> float:
    """A temperature, unless it is negative, huge or no number.

    Args:
        temperature: What was given.
        name: What it is called where it was given.

    Raises:
        UserError: If it is.
    """
    try:
        found = float(temperature)
    except (TypeError, ValueError):
        found = float("nan")
    if not 0.0 <= found <= HIGHEST_TEMPERATURE:
        raise UserError(
            f"{name} is {temperature}, but it must be a number from 0 to "
            f"{HIGHEST_TEMPERATURE:g}; 1 samples from the model itself"
        )
    return found


def require_seed(seed: Seed) -> np.ndarray:
    """A seed, or one for each row, as int64 of rank 0 or 1.

    Raises:
        UserError: If it is no whole number of 64 bits, nor several.
    """
    try:
        if np.ndim(seed) == 0:
            return np.array(operator.index(seed), np.int64)
        return np.array([operator.index(one) for one in seed], np.int64)
    except (TypeError, OverflowError) as error:
        raise UserError(
            f"seed is {seed!r}, but it must be a whole number of 64 bits, or "
            "one for each row"
        ) from error
