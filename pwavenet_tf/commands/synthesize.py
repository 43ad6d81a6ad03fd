"""Makes speech from mel spectrograms or from recordings.

The input is a mel spectrogram (.npy, shape (frames, mels)), a recording,
which is analysed first and then spoken anew, or a folder of either. A sound
file of the same name is written for each. A student takes a fraction of the
time that a teacher takes; recordings of any length fit into memory.

The same seed and temperature give the same sound. A temperature below 1
makes it calmer and cleaner, above 1 livelier and noisier.

Before it:  pwavenet distill (or train-teacher)
After it:   listen

Example:
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=sound
"""

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    writable_folder,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model, --input, --out, --seed and --temperature."""
    define_path(
        "model",
        "FILE: A student.keras or teacher.keras.",
        flag_values,
        existing_file,
    )
    define_path(
        "input",
        "PATH: A recording, a mel spectrogram (.npy), or a folder of them.",
        flag_values,
        existing,
    )
    define_path(
        "out",
        "DIR: Folder to write the sound files to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "N: Where the random noise starts.",
        lower_bound=0,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "temperature",
        1.0,
        "T: Scale of the noise.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
