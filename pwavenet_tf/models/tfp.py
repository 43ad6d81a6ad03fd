"""What differs between the backends that Keras runs on."""

from collections.abc import Callable

import keras

WATCHES_GRADIENTS = keras.backend.backend() == "tensorflow"

_PROBABILITY = {"tfb": "bijectors", "tfd": "distributions"}


def __getattr__(name: str):
    """`tfb` and `tfd`, TensorFlow Probability for the backend that runs.

    It is loaded when it is first asked for: training does without it, and its
    last release does not load with JAX 0.7 or newer.
    """
    if name not in _PROBABILITY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if keras.backend.backend() == "jax":
        from tensorflow_probability.substrates import jax as tfp
    else:
        import tensorflow_probability as tfp
    value = globals()[name] = getattr(tfp, _PROBABILITY[name])
    return value


def freeze(model: keras.Model) -> None:
    """Keeps training from changing a model.

    A model that was saved frozen is loaded with trainable layers; and on
    TensorFlow Keras does nothing where an attribute has its value already.
    """
    model.trainable = True
    model.trainable = False


def watch_gradient(record: Callable, *tensors) -> tuple:
    """The same tensors; `record` is given the norm of their joint gradient.

    That happens in the backward pass of each training step. Only TensorFlow
    can do this; on other backends nothing is recorded.
    """
    if not WATCHES_GRADIENTS:
        return tensors
    import tensorflow as tf

    @tf.custom_gradient
    def identity(*tensors):
        def gradient(*upstream):
            record(tf.linalg.global_norm(upstream))
            return upstream

        return tuple(map(tf.identity, tensors)), gradient

    return identity(*tensors)
