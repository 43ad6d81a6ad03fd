"""The noise is Philox4x32-10 of seed and place, whoever computes it."""

import hypothesis
import noise_oracle
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms

INT64 = st.integers(-(2**63), 2**63 - 1)

# From the authors' own test vectors: counter, key, random words.
PUBLISHED = """
00000000 00000000 00000000 00000000 00000000 00000000
6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff
408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0
d16cfe09 94fdcceb 5001e420 24126ea1
"""


def test_the_oracle_gives_the_published_random_words():
    words = np.array([int(word, 16) for word in PUBLISHED.split()])
    for case in words.reshape(3, 10):
        found = noise_oracle.philox(case[np.newaxis, :4], case[4:6])
        np.testing.assert_array_equal(found[0], case[6:])


@hypothesis.given(INT64, INT64, INT64, st.integers(0, 21))
def test_the_oracle_is_tensorflows_generator(key, lower, upper, count):
    found = tf.raw_ops.StatelessRandomUniformV2(
        shape=[count],
        key=tf.bitcast(tf.constant([key], tf.int64), tf.uint64),
        counter=tf.bitcast(tf.constant([lower, upper], tf.int64), tf.uint64),
        alg=1,
    )
    np.testing.assert_array_equal(
        found, noise_oracle.uniforms(key, (lower, upper), count)
    )


@hypothesis.given(INT64, st.integers(0, 10**12), st.integers(0, 21))
def test_a_row_depends_on_its_seed_and_positions_only(seed, start, count):
    skipped = start % 4
    one_seed = [
        noise_oracle.uniforms(seed, (start // 4, row), skipped + count)
        for row in range(3)
    ]
    np.testing.assert_array_equal(
        positional_uniforms(tf.constant(seed, tf.int64), 3, start, count),
        np.stack(one_seed)[:, skipped:],
    )
    # A row with its own seed sounds as the first of that seed.
    np.testing.assert_array_equal(
        positional_uniforms(
            tf.constant([seed ^ 1, seed], tf.int64), 2, start, count
        )[1],
        one_seed[0][skipped:],
    )
