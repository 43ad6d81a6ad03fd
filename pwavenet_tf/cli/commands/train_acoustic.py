"""Trains an acoustic model, which lets a voice speak texts.

The acoustic model is the piece between a text's phones and the vocoder: a
small convolutional network that predicts each phone's duration, pitch and
energy, and from these the mel spectrogram and F0 of every frame.

It learns from data with phones and pitch: prepare them with linguistic and
pitch among --conditioning, from label files or from the texts of the
recordings. The vocoder must have been trained on data of the same recordings
(or with their normalisation, prepare --statistics_of). --initial starts from
the weights of another acoustic model of the same phones: a new voice needs
less data then.

A run writes RUN/acoustic.keras, and RUN/acoustic.json: its errors on the
recordings that were held out, given their own durations and pitch.

Before it:  pwavenet prepare --conditioning=mel,linguistic,pitch
After it:   pwavenet say

Example:
  pwavenet prepare --corpus=recordings --out=data \\
      --conditioning=mel,linguistic,pitch
  pwavenet train-acoustic --data=data --out=run
  pwavenet say "Good morning." --model=run/student.keras --out=hello.wav
"""

from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next

define_flags = flags.table(
    flags.data(
        "DATA: Folder that `pwavenet prepare` wrote, with linguistic and "
        "pitch among --conditioning."
    ),
    flags.out("RUN: Folder to write acoustic.keras to."),
    flags.setting(
        "steps",
        "N: Optimiser steps; 4,000, somewhat over an hour on two cores, if "
        "left out.",
    ),
    flags.file(
        "initial",
        "FILE: An acoustic.keras whose weights are the first ones. Its phones "
        "must be those of the data, and the data prepared with its statistics "
        "(pwavenet prepare --statistics_of=FILE). Random weights, if left out.",
    ),
    flags.setting(
        "seed",
        "N: Determines the initial weights and the order of the utterances.",
        0,
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains the model, prints its errors and the next command."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.loading import load_acoustic_model
    from pwavenet_tf.training.acoustic import train_acoustic

    out, initial = Path(flag_values.out), flag_values.initial
    _, scores = train_acoustic(
        Corpus(Path(flag_values.data)),
        out,
        flag_values.steps,
        seed=flag_values.seed,
        initial=initial and load_acoustic_model(Path(initial)),
    )
    print(
        f"On {scores.recordings} recordings held out the mel spectrogram is "
        f"off by {scores.mel_decibels:.1f} dB, F0 by "
        f"{scores.pitch_semitones:.1f} semitones and durations by "
        f"{scores.duration_milliseconds:.0f} ms."
    )
    print(f"The acoustic model is {out / 'acoustic.keras'}. Next:")
    print_next(
        "say",
        text="Good morning.",
        model=out / "student.keras",
        acoustic_model=out / "acoustic.keras",
        out="hello.wav",
    )
