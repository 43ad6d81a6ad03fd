"""Random numbers that belong to a place in the audio, not to a call.

Synthesis in chunks must draw what one pass would have drawn, so the numbers
come from a counter-based generator (Philox) whose counter is the position.
"""

import tensorflow as tf

_PHILOX = 1
_NUMBERS_PER_COUNT = 4


def positional_uniforms(seed, rows, start, count):
    """Uniforms in [0, 1) for positions `start … start + count - 1`.

    Args:
        seed: Integer or integer tensor; any int64.
        rows: Number of independent rows; row r is the same whatever the
            number of rows.
        start: First position.
        count: Number of positions.

    Returns:
        `(rows, count)`, float32, the same in any division into calls.
    """
    key = tf.bitcast(tf.cast(seed, tf.int64), tf.uint64)[tf.newaxis]
    first = tf.cast(start // _NUMBERS_PER_COUNT, tf.int64)
    skipped = tf.cast(start % _NUMBERS_PER_COUNT, tf.int32)

    def row_uniforms(row):
        counter = tf.bitcast(tf.stack([first, row]), tf.uint64)
        numbers = tf.raw_ops.StatelessRandomUniformV2(
            shape=[count + _NUMBERS_PER_COUNT - 1],
            key=key,
            counter=counter,
            alg=_PHILOX,
        )
        return tf.slice(numbers, [skipped], [count])

    return tf.map_fn(
        row_uniforms,
        tf.range(tf.cast(rows, tf.int64)),
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )
