"""The command `pwavenet`."""

from pwavenet_tf.cli.app import main

__all__ = ["main"]
