"""Turns a folder of recordings into data to train on.

Every WAV, FLAC, MP3 and OGG file in the folder and its subfolders is mixed
to one channel, brought to the preset's sample rate and analysed into a mel
spectrogram. A file that cannot be used (silent, too short, damaged) is left
out and named with the reason; it never stops the others. One recording in
ten is held out to measure progress on.

What a model can be told later is decided here:
  mel         the mel spectrogram; it is always there
  linguistic  the phone, its neighbours, position and duration. Phones come
              from label files (HTK, Festival, or CSV: start, end, phone), one
              for each recording, in RECORDINGS/labels or --labels; without
              one, a recording is aligned with its text in metadata.csv (name|
              text), which needs eSpeak NG (pip install pwavenet_tf[demo])
  pitch       F0 and voicing
  speaker     who speaks: the folder that the recording lies in, or what
              --speaker_pattern finds in its path

An hour of one clear voice is a good start; ten minutes are enough to try.
The recordings themselves are never changed.

Before it:  nothing; this comes first.
After it:   pwavenet train-teacher

Example:
  pwavenet prepare --corpus=recordings --out=data
  pwavenet prepare --corpus=digits --out=data --conditioning=mel,speaker \\
      --speaker_pattern='_(.+)_'
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.conditioning_flags import (
    chosen_inputs,
    define_conditioning,
    define_labels,
    define_speaker_pattern,
)
from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    writable_folder,
)
from pwavenet_tf.errors import UserError
from pwavenet_tf.presets import preset, preset_names

# Flags that mean nothing without an input.
_NEEDED = {"labels": "linguistic", "speaker_pattern": "speaker"}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
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
        "NAME: Settings to follow: nano (16 kHz, trains on two cores), v1 "
        "(the WaveNet of 2016) or paper (24 kHz, the published sizes).",
        flag_values=flag_values,
    )
    define_conditioning(
        "LIST: What models are to be told, separated by commas: mel, "
        "linguistic, pitch, speaker. The preset's own, if left out.",
        flag_values,
    )
    define_labels(flag_values)
    define_speaker_pattern(flag_values)


def run(flag_values: flags.FlagValues) -> None:
    """Prepares the corpus and says what became of it."""
    from pwavenet_tf.corpus.prepare import prepare

    out = Path(flag_values.out)
    settings = preset(flag_values.preset)
    usual = settings.conditioning.inputs
    inputs = chosen_inputs(flag_values, settings)
    for flag, needed in _NEEDED.items():
        if flag_values[flag].value and needed not in inputs:
            raise UserError(
                f"--{flag} is of use only with {needed} among --conditioning"
            )
    card = prepare(
        Path(flag_values.corpus),
        out,
        settings,
        inputs,
        flag_values.labels and Path(flag_values.labels),
        flag_values.speaker_pattern,
    )
    for split in ("training", "validation"):
        print(
            f"{split + ':':<12}{len(card.recordings(split)):>6} recordings"
            f"{card.seconds(split) / 60:>9.1f} minutes"
        )
    for name, found in (("phones:", card.phones), ("speakers:", card.speakers)):
        if found:
            print(f"{name:<12}{len(found):>6} ({' '.join(found)})")
    print(f"{'left out:':<12}{len(card.refused):>6} files")
    for refusal in card.refused:
        print(f"  {refusal.file}: {refusal.reason}")
    print(f"The data is in {out}. Next:")
    told = ",".join(inputs) or "none"
    print(
        f"  pwavenet train-teacher --data={out} --out=RUN "
        f"--preset={flag_values.preset}"
        + (f" --conditioning={told}" if inputs != usual else "")
    )
