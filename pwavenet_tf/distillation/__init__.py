"""Probability density distillation: the four losses and their model."""
