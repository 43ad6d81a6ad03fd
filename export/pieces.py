"""A long computation in a graph, piece by piece."""

from collections.abc import Callable

import tensorflow as tf


def concatenated(
    compute: Callable,
    frames: tf.Tensor,
    chunk_frames: int,
    state,
    shape: tuple[int | None, ...],
) -> tf.Tensor:
    """Computes chunks of frames one after the other and joins them.

    Args:
        compute: Makes of the number of the first frame, how many frames, and
            the state, what they become, `(batch, any, ...)`, and the state
            behind them.
        frames: How many there are.
        chunk_frames: How many are computed at a time.
        state: Before the first one.
        shape: Of the result, as far as it is known.

    Returns:
        `(batch, sum, ...)`.
    """

    def advance(start, index, state, pieces):
        count = tf.minimum(chunk_frames, frames - start)
        piece, following = compute(start, count, state)
        # Batch second, for pieces are joined along their first axis.
        piece = tf.experimental.numpy.swapaxes(piece, 0, 1)
        tf.nest.map_structure(
            lambda new, old: new.set_shape(old.shape), following, state
        )
        return start + count, index + 1, following, pieces.write(index, piece)

    pieces = tf.TensorArray(
        tf.float32, size=0, dynamic_size=True, infer_shape=False
    )
    *_, pieces = tf.while_loop(
        lambda start, *_: start < frames,
        advance,
        (tf.constant(0), tf.constant(0), state, pieces),
        parallel_iterations=1,
    )
    joined = tf.experimental.numpy.swapaxes(pieces.concat(), 0, 1)
    return tf.ensure_shape(joined, shape)
