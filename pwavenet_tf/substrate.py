"""TensorFlow Probability for whichever backend Keras runs on."""

import keras

if keras.backend.backend() == "jax":
    from tensorflow_probability.substrates import jax as tfp
else:
    import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["tfb", "tfd"]
