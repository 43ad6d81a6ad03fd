"""Runs of training: fit, checkpoints, callbacks, several devices."""
