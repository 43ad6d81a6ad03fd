"""Trains a student by spectra alone, without a teacher.

The student is the network that `distill` trains against a teacher. Here it
learns from the recordings alone, by the distance of their spectra from its
own at three resolutions: a first voice, and a start for distillation. Give the
student to `distill` as --initial.

The preset small conditions it on F0 as well, and begins with a source-filter
flow, which makes harmonics and noise with the mel spectrogram's own envelope.

Unless flags say otherwise, a run has 8,000 steps of one clip of a second at a
learning rate of 2e-3. It writes RUN/student.keras and RUN/progress.png, the
loss and the measures of held-out speech. The same command resumes an
interrupted run; more --steps continue a finished one.

Before it:  pwavenet prepare
After it:   pwavenet synthesize, evaluate, export, distill

Example:
  pwavenet prepare --corpus=my_voice --out=data --preset=small
  pwavenet train-student --data=data --out=run
  pwavenet train-student --data=data --out=run --steps=16000
"""

import dataclasses
from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import (
    chosen_inputs,
    define_conditioning,
    define_data,
    define_out,
)
from pwavenet_tf.cli.training_flags import (
    chosen_strategy,
    define_training,
    with_training,
)
from pwavenet_tf.cli.usage import next_command


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    define_data(flag_values)
    define_out("RUN: Folder to write student.keras to.", flag_values)
    define_conditioning(
        "LIST: Conditioning inputs, separated by commas: mel, linguistic, "
        "pitch, sinusoids, encoding, speaker; or none. The preset's own, if "
        "left out.",
        flag_values,
    )
    define_training(
        flag_values,
        "student",
        "the initial weights, the order of the clips and the noise",
    )


def run(flag_values: flags.FlagValues) -> None:
    """Trains the student and prints the next command."""
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.loading import load_student
    from pwavenet_tf.training.runs import spectral_training, train_student

    corpus = Corpus(Path(flag_values.data))
    chosen = preset(corpus.card.preset)
    conditioning = dataclasses.replace(
        chosen.conditioning, inputs=chosen_inputs(flag_values, chosen)
    )
    initial = flag_values.initial
    out = Path(flag_values.out)
    with chosen_strategy(flag_values).scope():
        train_student(
            corpus,
            dataclasses.replace(chosen, conditioning=conditioning),
            out,
            flag_values.steps,
            with_training(spectral_training(corpus.contract), flag_values),
            flag_values.tensorboard and Path(flag_values.tensorboard),
            initial and load_student(Path(initial)),
            flag_values.seed,
        )
    model = out / "student.keras"
    print(f"The student is {model}. Next:")
    print(
        next_command(
            "synthesize", model=model, input="RECORDING.wav", out="SOUND"
        )
    )
