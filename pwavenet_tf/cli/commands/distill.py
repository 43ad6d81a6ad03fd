"""Distils the teacher into a parallel student.

The student is a chain of inverse autoregressive flows: it turns noise into
speech, all samples in one parallel pass. It never sees the teacher's training
target; it learns by generating audio that the teacher must find probable, and
improbable given another clip's conditioning, and by matching the power of the
recordings at every frequency. With --phones it also learns to match the
recordings in the activations of a phone classifier.

A run writes RUN/student.keras. Watch RUN/progress.png, the power loss and the
level of the output: a student that whispers has a level far below the
recordings'.

The same command resumes an interrupted run; more --steps continue a finished
one, whose learning rate then rises again to that of the longer run. --initial
starts from another student's weights: to train a new voice, or to continue
with other settings.

Before it:  pwavenet train-teacher (and train-phones)
After it:   pwavenet synthesize, evaluate, export

Example:
  pwavenet distill --data=data --teacher=run/teacher.keras --out=run
  pwavenet distill --data=data --teacher=run/teacher.keras --out=run \\
      --phones=run/phones.keras
  pwavenet distill --data=data3 --teacher=run3/teacher.keras --out=run3 \\
      --initial=run/student.keras
"""

import dataclasses
from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import (
    define_data,
    define_file,
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
    define_file(
        "teacher", "FILE: The teacher.keras to learn from.", flag_values
    )
    define_out("RUN: Folder to write student.keras to.", flag_values)
    define_file(
        "phones",
        "FILE: A phones.keras that train-phones wrote, for the perceptual "
        "losses; without it there are none.",
        flag_values,
        required=False,
    )
    define_training(
        flag_values,
        "student",
        "the initial weights, the order of the clips and the noise",
    )


def run(flag_values: flags.FlagValues) -> None:
    """Distils the student and prints the next command."""
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.loading import (
        load_phone_classifier,
        load_student,
        load_teacher,
    )
    from pwavenet_tf.training.runs import distill

    corpus = Corpus(Path(flag_values.data))
    chosen = preset(corpus.card.preset)
    settings = dataclasses.replace(
        chosen, distillation=with_training(chosen.distillation, flag_values)
    )
    initial = flag_values.initial
    out = Path(flag_values.out)
    phones = flag_values.phones
    with chosen_strategy(flag_values).scope():
        distill(
            corpus,
            load_teacher(Path(flag_values.teacher)),
            settings,
            out,
            flag_values.steps,
            phones and load_phone_classifier(Path(phones)),
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
