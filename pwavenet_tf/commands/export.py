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

from pathlib import Path

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


def run(flag_values: flags.FlagValues) -> None:
    """Exports the student and says how close the export is."""
    from pwavenet_tf.export.saved_model import export_saved_model
    from pwavenet_tf.models import load_student

    student = load_student(Path(flag_values.model))
    version = export_saved_model(student, Path(flag_values.out))
    print(f"The SavedModel is in {version}; its sound equals the student's.")
