"""Claims about memory, each measured in a process of its own."""

import numpy as np
import pytest

from pwavenet_tf.cli.benchmark import draws, peak_memory, preparation


def test_peak_memory_counts_what_is_held_and_given_back() -> None:
    before = peak_memory.peak_from_here()
    held = np.ones(2**24, "float64")
    assert peak_memory.peak() - before >= 0.9 * held.nbytes


@pytest.mark.slow
def test_memory_does_not_grow_with_the_inner_draws() -> None:
    """64 draws take hardly more than the four that are made at a time.

    Kept whole, 64 draws of 80,000 samples would take 20 MiB for each of several
    results, in addition to the 10 MiB of the parameters.
    """
    few, many = (
        peak_memory.figures_apart(draws.__name__, str(count))["bytes"]
        for count in (4, 64)
    )
    assert many < 2 * few


@pytest.mark.slow
def test_memory_does_not_grow_with_the_hours_prepared() -> None:
    """Kept, the 15 minutes more would take 27 MiB of levels alone."""
    short, long = (
        peak_memory.figures_apart(preparation.__name__, minutes)["bytes"]
        for minutes in ("2", "17")
    )
    assert long - short < 20 * 2**20
