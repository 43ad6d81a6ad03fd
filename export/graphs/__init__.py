"""A student as graphs of tensors: what exports are made of."""
