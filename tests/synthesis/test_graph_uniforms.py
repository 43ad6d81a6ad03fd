"""Noise by position: the same numbers however the calls are divided."""

import hypothesis
import numpy as np
import pytest
import scipy.stats
from hypothesis import strategies as st

from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms

LENGTH = 96


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return positional_uniforms(5, 3, 0, LENGTH).numpy()


@hypothesis.given(cuts=st.sets(st.integers(1, LENGTH - 1), max_size=4))
@hypothesis.settings(max_examples=40)
def test_any_division_into_calls_equals_one_call(whole, cuts) -> None:
    places = [0, *sorted(cuts), LENGTH]
    pieces = [
        positional_uniforms(5, 3, start, end - start).numpy()
        for start, end in zip(places[:-1], places[1:], strict=True)
    ]
    together = np.concatenate(pieces, axis=1)
    assert (together == whole).all()


def test_a_row_does_not_depend_on_the_number_of_rows(whole) -> None:
    np.testing.assert_array_equal(
        positional_uniforms(5, 1, 0, LENGTH), whole[:1]
    )
    np.testing.assert_array_equal(
        positional_uniforms(5, 7, 0, LENGTH)[:3], whole
    )


def test_numbers_are_uniform_and_uncorrelated() -> None:
    uniforms = positional_uniforms(0, 2, 0, 40_000).numpy()
    assert (uniforms >= 0.0).all() and (uniforms < 1.0).all()
    for row in uniforms:
        assert scipy.stats.kstest(row, "uniform").pvalue > 1e-3
        assert scipy.stats.pearsonr(row[:-1], row[1:]).pvalue > 1e-3
    assert scipy.stats.pearsonr(*uniforms).pvalue > 1e-3


def test_seeds_and_rows_differ() -> None:
    seeds = (0, 1, -1, 2**31, 2**40, -(2**63), 2**63 - 1)
    rows = [positional_uniforms(seed, 2, 0, 8).numpy() for seed in seeds]
    together = np.concatenate(rows)
    assert len(np.unique(together, axis=0)) == 2 * len(seeds)


def test_positions_beyond_32_bits_hold_fresh_numbers() -> None:
    far = positional_uniforms(0, 1, 2**34, 8).numpy()
    assert (far != positional_uniforms(0, 1, 0, 8).numpy()).any()
