"""Uniforms by their position in the audio, in a TensorFlow graph.

Synthesis in chunks must have the random numbers of one pass, so they come from
a counter-based generator (Philox) whose counter is the position.
`core.uniforms` has the same in NumPy.
"""

import tensorflow as tf

_PHILOX = 1
_NUMBERS_PER_COUNT = 4


def positional_uniforms(seed, rows, start, count):
    """Uniforms in [0, 1) for positions `start … start + count - 1`.

    `(rows, count)`, float32, the same however it is divided into calls. The
    seed is any int64: one integer for all rows, which differ by their index,
    whatever their number; or `(rows,)`, and each row is row 0 of its own seed,
    whatever its index. The start is that of all rows, or `(rows,)`.
    """
    seed = tf.cast(seed, tf.int64)
    rows = tf.cast(rows, tf.int64)
    start = tf.broadcast_to(tf.cast(start, tf.int64), [rows])
    indices = tf.range(rows) if seed.shape.rank == 0 else tf.zeros_like(start)
    keys = tf.broadcast_to(seed, [rows])

    def row_uniforms(row):
        key, index, first = row
        counter = tf.stack([first // _NUMBERS_PER_COUNT, index])
        numbers = tf.raw_ops.StatelessRandomUniformV2(
            shape=[count + _NUMBERS_PER_COUNT - 1],
            key=tf.bitcast(key, tf.uint64)[tf.newaxis],
            counter=tf.bitcast(counter, tf.uint64),
            alg=_PHILOX,
        )
        skipped = tf.cast(first % _NUMBERS_PER_COUNT, tf.int32)
        return tf.slice(numbers, [skipped], [count])

    return tf.map_fn(
        row_uniforms,
        (keys, indices, start),
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )
