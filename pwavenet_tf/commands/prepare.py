"""Turns a folder of recordings into data to train on.

Every WAV, FLAC, MP3 and OGG file in the folder and its subfolders is mixed
to one channel, brought to the preset's sample rate and analysed into a mel
spectrogram. A file that cannot be used (silent, too short, damaged) is left
out and named with the reason; it never stops the others. One recording in
ten is held out to measure progress on.

An hour of one clear voice is a good start; ten minutes are enough to try.
The recordings themselves are never changed.

Before it:  nothing; this comes first.
After it:   pwavenet train-teacher

Example:
  pwavenet prepare --corpus=recordings --out=data
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    writable_folder,
)
from pwavenet_tf.config import preset, preset_names


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --corpus, --out and --preset."""
    define_path("corpus", "DIR: Folder of recordings.", flag_values, existing)
    define_path(
        "out",
        "DATA: Folder to write the data to; it must not hold anything yet.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_enum(
        "preset",
        "nano",
        preset_names(),
        "NAME: Settings to follow: nano (16 kHz, trains on two cores) or "
        "paper (24 kHz, the published sizes).",
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Prepares the corpus and says what became of it."""
    from pwavenet_tf.corpus.prepare import prepare

    out = Path(flag_values.out)
    card = prepare(Path(flag_values.corpus), out, preset(flag_values.preset))
    for split in ("training", "validation"):
        print(
            f"{split + ':':<12}{len(card.recordings(split)):>6} recordings"
            f"{card.seconds(split) / 60:>9.1f} minutes"
        )
    print(f"{'left out:':<12}{len(card.refused):>6} files")
    for refusal in card.refused:
        print(f"  {refusal.file}: {refusal.reason}")
    print(f"The data is in {out}. Next:")
    print(
        f"  pwavenet train-teacher --data={out} --out=RUN "
        f"--preset={flag_values.preset}"
    )
