"""Mixed precision: networks compute in 16 bits, all else in 32."""

import keras


def policy(precision: str) -> str:
    """Keras's name of the dtype policy: weights are float32 in each."""
    return precision if precision == "float32" else f"mixed_{precision}"


def in_precision(model: keras.Model, precision: str) -> keras.Model:
    """A copy of a model that computes in another precision.

    Log-scales, likelihoods and losses stay float32.

    Args:
        model: Built.
        precision: One of `PRECISIONS`.

    Returns:
        The copy, not compiled; `model` itself if it computes so already.
    """
    if model.dtype_policy.name == policy(precision):
        return model
    config = model.get_config() | {"dtype": policy(precision)}
    copy = type(model).from_config(config)
    copy.build()
    copy.set_weights(model.get_weights())
    return copy
