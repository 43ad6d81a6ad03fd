"""A long computation in a graph, piece by piece."""

from collections.abc import Callable

import tensorflow as tf

# Frames of audio that are computed at a time: memory depends on it, the sound
# does not.
CHUNK_FRAMES = 160


def concatenated(
    compute: Callable,
    frames: tf.Tensor,
    chunk_frames: int,
    state,
    shape: tuple[int | None, ...],
    per_frame: int = 1,
):
    """Computes chunks of frames one after the other and joins them.

    Args:
        compute: Makes of the number of the first frame, how many frames, and
            the state, what they become, `(batch, count * per_frame, ...)`,
            and the state behind them.
        frames: How many there are.
        chunk_frames: How many are computed at a time.
        state: Before the first one.
        shape: Of the result, as far as it is known.
        per_frame: How much becomes of a frame.

    Returns:
        `(batch, frames * per_frame, ...)`, and the state behind the last.
    """
    length, rest = chunk_frames * per_frame, len(shape) - 2

    def advance(start, index, state, pieces):
        count = tf.minimum(chunk_frames, frames - start)
        piece, following = compute(start, count, state)
        # Batch second, for pieces are joined along their first axis; all of
        # one length, for readers that are none of TensorFlow's.
        piece = tf.experimental.numpy.swapaxes(piece, 0, 1)
        missing = [[0, length - count * per_frame], *[[0, 0]] * (1 + rest)]
        tf.nest.map_structure(
            lambda new, old: new.set_shape(old.shape), following, state
        )
        pieces = pieces.write(index, tf.pad(piece, missing))
        return start + count, index + 1, following, pieces

    pieces = tf.TensorArray(
        tf.float32,
        size=-(-frames // chunk_frames),
        element_shape=(length, shape[0], *shape[2:]),
    )
    *_, state, pieces = tf.while_loop(
        lambda start, *_: start < frames,
        advance,
        (tf.constant(0), tf.constant(0), state, pieces),
        parallel_iterations=1,
    )
    joined = pieces.concat()[: frames * per_frame]
    joined = tf.experimental.numpy.swapaxes(joined, 0, 1)
    return tf.ensure_shape(joined, shape), state
