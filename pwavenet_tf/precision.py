"""Mixed precision: networks compute in 16 bits, all else in 32."""

from collections.abc import Callable

import keras
from keras import ops


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


def unscaled(record: Callable, model: keras.Model) -> Callable:
    """Records gradients' norms as they are where the loss is not scaled.

    Args:
        record: Takes a norm and its weight.
        model: Whose gradients they are.

    Returns:
        Takes a norm. One that is not finite is left out if the loss is
        scaled: Keras then leaves out the step and lowers the scale.
    """
    # Before it is compiled it has none.
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return record

    def record_unscaled(norm):
        finite = ops.isfinite(norm)
        norm = ops.where(finite, norm, 0.0) / optimizer.dynamic_scale
        record(norm, ops.cast(finite, "float32"))

    return record_unscaled
