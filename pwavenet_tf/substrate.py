"""What differs between the backends that Keras runs on."""

from collections.abc import Callable

import keras

WATCHES_GRADIENTS = keras.backend.backend() == "tensorflow"

if keras.backend.backend() == "jax":
    from tensorflow_probability.substrates import jax as tfp
else:
    import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["WATCHES_GRADIENTS", "freeze", "tfb", "tfd", "watch_gradient"]


def freeze(model: keras.Model) -> None:
    """Keeps training from changing a model.

    A model that was saved frozen is loaded with free layers; and on
    TensorFlow Keras does nothing where an attribute has its value already.
    """
    model.trainable = True
    model.trainable = False


def watch_gradient(record: Callable, *tensors) -> tuple:
    """The same tensors; `record` is given the norm of their joint gradient.

    It happens on the way back, in each step of training. TensorFlow alone
    can do this; elsewhere nothing is recorded.
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
