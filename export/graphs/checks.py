"""Refusals inside a served graph: InvalidArgument, with what to do."""

import tensorflow as tf


def required(x, condition, message: str):
    """x, unless the condition does not hold: then the call ends.

    What is computed from the result waits for the check. Otherwise another
    operation might fail of the same fault first, with words of its own.

    Args:
        x: Any tensor.
        condition: A boolean scalar.
        message: What InvalidArgument says.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)


def finite(x, name: str):
    """x, unless it holds values that are not finite numbers."""
    return required(
        x,
        tf.reduce_all(tf.math.is_finite(x)),
        f"{name} holds values that are not finite numbers",
    )


def for_each_row(x, batch, name: str):
    """One value for each row, given as many or one for all.

    Args:
        x: `(1 or batch, …)`.
        batch: The number of rows.
        name: Of the input.
    """
    rows = tf.shape(x)[0]
    x = required(
        x,
        (rows == 1) | (rows == batch),
        f"{name} must have one value for each row, or one for all",
    )
    return tf.broadcast_to(x, tf.concat([[batch], tf.shape(x)[1:]], axis=0))


def required_lengths(lengths, batch, longest, least: int):
    """Each row's own length; -1 stands for all that there is."""
    lengths = for_each_row(lengths, batch, "lengths")
    longest = tf.cast(longest, tf.int64)
    lengths = tf.where(lengths == -1, longest, lengths)
    return required(
        lengths,
        tf.reduce_all((lengths >= least) & (lengths <= longest)),
        f"lengths must be from {least} to what the row holds, or -1 for all",
    )
