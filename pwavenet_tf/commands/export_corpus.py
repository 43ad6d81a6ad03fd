"""Writes prepared data as NumPy files, for training with JAX.

A machine without TensorFlow trains on them: copy the folder there, train a
teacher or a student with KERAS_BACKEND=jax, and copy the .keras file back.
docs/jax.md has the whole script.

Before it:  pwavenet prepare
After it:   the training there, then pwavenet synthesize or evaluate here

Example:
  pwavenet export-corpus --data=data --out=arrays
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing_folder,
    writable_folder,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --data and --out."""
    define_path(
        "data",
        "DATA: Folder that `pwavenet prepare` wrote.",
        flag_values,
        existing_folder,
    )
    define_path(
        "out",
        "DIR: Folder to write corpus.json and the arrays to; it must not "
        "hold anything yet.",
        flag_values,
        writable_folder,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Exports the corpus and says what reads it."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.corpus.numpy_export import export_numpy

    out = Path(flag_values.out)
    export_numpy(Corpus(Path(flag_values.data)), out)
    print(f"The arrays are in {out}. In Python:")
    print("  from pwavenet_tf.corpus.numpy_clips import NumpyCorpus")
    print(f"  corpus = NumpyCorpus({str(out)!r})")
