"""Measures how fast this machine makes sound.

The student's parallel pass is timed against the teacher's sampling, one
sample after another, with and without its cache. The figures are samples per
second and how many times faster than real time that is; they go to the
screen and, as JSON, to a file.

Before it:  nothing; untrained models of a preset are as fast as trained ones.

Example:
  pwavenet benchmark --out=speed.json
"""

from absl import flags

from pwavenet_tf.commands.path_flags import define_path, writable_file


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --out."""
    define_path(
        "out",
        "FILE: JSON file to write the figures to.",
        flag_values,
        writable_file,
    )
