"""Keras callbacks: checkpoints, progress, reports and the health monitor."""
