"""Exports a student that runs without this package.

The SavedModel has named inputs (mel, seed, temperature) and one output
(audio), and takes spectrograms of any length and any number at once. It is
loaded and compared with the student before it is put in place. TensorFlow
Serving finds it in DIR/1.

Before it:  pwavenet distill
After it:   serve it

Example:
  pwavenet export --model=run/student.keras --out=served
"""

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing_file,
    writable_folder,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model and --out."""
    define_path("model", "FILE: A student.keras.", flag_values, existing_file)
    define_path(
        "out",
        "DIR: Folder to write 1/saved_model.pb to.",
        flag_values,
        writable_folder,
    )
