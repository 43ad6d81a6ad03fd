"""Training by JAX where there is no TensorFlow: many steps in one call."""
