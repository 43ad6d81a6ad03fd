"""Trains a student by spectra alone, without a teacher.

The student is the network that `distill` trains against a teacher. Here it
learns from the recordings alone, by the distance of their spectra from its
own at three resolutions: a first voice, and a start for distillation. Give the
student to `distill` as --initial.

The preset small conditions it on F0 as well, and begins with a source-filter
flow, which makes harmonics and noise with the mel spectrogram's own envelope.
With --source_alone that flow is trained alone, and the networks of the others
stay as they are: that takes a sixth of the time and gives most of the quality.

Unless flags say otherwise, a run has 8,000 steps of one clip of a second, or
with --source_alone four of half a second, at a learning rate of 2e-3. It
writes RUN/student.keras and RUN/progress.png, the loss and the measures of
held-out speech. The same command resumes an interrupted run; more --steps
continue a finished one.

Before it:  pwavenet prepare
After it:   pwavenet synthesize, evaluate, export, distill

Example:
  pwavenet prepare --corpus=my_voice --out=data --preset=small
  pwavenet train-student --data=data --out=source --source_alone
  pwavenet train-student --data=data --out=run --steps=2000 \\
      --initial=source/student.keras --learning_rate=0.001
  pwavenet train-student --data=data --out=run2 --steps=16000
"""

import dataclasses
from pathlib import Path

from pwavenet_tf.cli import flags, training_flags

define_flags = flags.table(
    flags.DATA,
    flags.out("RUN: Folder to write student.keras to."),
    flags.CONDITIONING,
    flags.switch(
        "source_alone",
        "<true|false>: Whether the source-filter flow is trained alone.",
    ),
    training_flags.training(
        "student", "the initial weights, the order of the clips and the noise"
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains the student and prints the next command."""
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.loading import load_student
    from pwavenet_tf.training.distribution import choose_strategy
    from pwavenet_tf.training.runs import spectral_training, train_student

    corpus = Corpus(Path(flag_values.data))
    chosen = preset(corpus.card.preset)
    conditioning = dataclasses.replace(
        chosen.conditioning, inputs=flags.chosen_inputs(flag_values, chosen)
    )
    source_alone = flag_values.source_alone
    with choose_strategy(flag_values.strategy).scope():
        train_student(
            corpus,
            dataclasses.replace(chosen, conditioning=conditioning),
            settings=training_flags.changed_settings(
                spectral_training(corpus.contract, source_alone), flag_values
            ),
            source_alone=source_alone,
            **training_flags.chosen_run(flag_values, load_student),
        )
    training_flags.print_student(Path(flag_values.out))
