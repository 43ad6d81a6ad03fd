"""The uniforms without TensorFlow are TensorFlow's, bit by bit."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from pwavenet_tf.core.uniforms import philox, uniforms_at
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms

SEEDS = st.integers(-(2**63), 2**63 - 1)


@hypothesis.given(
    seed=SEEDS | st.lists(SEEDS, min_size=2, max_size=2),
    start=st.integers(0, 2**40),
    count=st.integers(1, 50),
)
@hypothesis.settings(max_examples=50)
def test_they_are_those_of_tensorflow(seed, start, count) -> None:
    expected = positional_uniforms(np.array(seed), 2, start, count)
    found = uniforms_at(seed, 2, start, count)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_philox_gives_the_words_of_its_authors() -> None:
    """The known answers of their own tests (Random123, kat_vectors)."""
    ones = np.full((1, 1), 2**64 - 1, np.uint64)
    zeros = np.zeros((1, 1), np.uint64)
    known = {
        0: (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        1: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    }
    for value, words in zip((zeros, ones), known.values(), strict=True):
        found = philox(value, value, value)
        np.testing.assert_array_equal(found[0, 0], np.uint32(words))
