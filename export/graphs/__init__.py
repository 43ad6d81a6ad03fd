"""A student as TensorFlow graphs, from which exports are made."""
