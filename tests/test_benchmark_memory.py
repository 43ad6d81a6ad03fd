"""Claims about memory, each measured in a process of its own."""

import numpy as np

from pwavenet_tf.benchmark import inner_draws, peak_memory


def test_peak_memory_counts_what_is_held_and_given_back() -> None:
    before = peak_memory.peak_from_here()
    held = np.ones(2**24, "float64")
    assert peak_memory.peak() - before >= 0.9 * held.nbytes


def test_memory_does_not_grow_with_the_inner_draws() -> None:
    """64 draws take hardly more than the four that are made at a time.

    Kept whole, 64 draws at two clips of 10,000 samples would take 5 MiB for
    each intermediate result and component.
    """
    few, many = (
        peak_memory.bytes_apart(inner_draws.__name__, str(draws))
        for draws in (4, 64)
    )
    assert many < 1.6 * few
