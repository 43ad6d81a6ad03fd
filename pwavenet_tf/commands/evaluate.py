"""Compares models with recordings: figures and a page of sound.

Every recording is spoken anew by each model from its mel spectrogram. Of
each the level, the spectrum and the speed are measured, and beside them
stands Griffin-Lim, which needs no training: a voice must beat it to be worth
its training.

It writes metrics.json for programs and report.html for people: players,
waveforms and spectrograms side by side, in one file that can be sent to
anyone. Use recordings that were not trained on.

Before it:  pwavenet distill (or train-teacher)
After it:   open report.html

Example:
  pwavenet evaluate --model=run/teacher.keras --model=run/student.keras \\
      --reference=unheard --out=report
"""

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    writable_folder,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model, --reference and --out."""
    define_path(
        "model",
        "FILE: A teacher.keras or student.keras; repeat the flag to see "
        "several side by side.",
        flag_values,
        existing_file,
        repeated=True,
    )
    define_path(
        "reference",
        "DIR: Folder of recordings to compare with.",
        flag_values,
        existing,
    )
    define_path(
        "out",
        "DIR: Folder to write metrics.json and report.html to.",
        flag_values,
        writable_folder,
    )
