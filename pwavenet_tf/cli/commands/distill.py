"""Distils the teacher into a student that speaks at once.

The student is a chain of inverse autoregressive flows: it turns noise into
speech in one parallel pass. It never sees the teacher's training target;
it learns by making sound and being told by the teacher how probable that
sound is, by being told how improbable it is for another clip, and by
matching the power of the recordings at every frequency. With --phones it also
learns to sound to a network that hears phones as the recordings do.

A run writes RUN/student.keras. Watch RUN/progress.png, the power loss and the
level of the sound: a student that whispers has a level far below the
recordings'.

An interrupted run goes on when the same command is given again, a finished one
with more --steps; its learning rate then rises again to that of the longer
run. --initial starts from another student's weights: to train a new voice, or
to go on with other settings.

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
    define_path,
    existing_file,
    existing_folder,
    writable_folder,
)
from pwavenet_tf.cli.training_flags import (
    chosen_strategy,
    chosen_tensorboard,
    define_precision,
    define_strategy,
    define_tensorboard,
    define_training,
    with_precision,
    with_training,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    define_path(
        "data",
        "DATA: Folder that `pwavenet prepare` wrote.",
        flag_values,
        existing_folder,
    )
    define_path(
        "teacher",
        "FILE: The teacher.keras to learn from.",
        flag_values,
        existing_file,
    )
    define_path(
        "out",
        "RUN: Folder to write student.keras to.",
        flag_values,
        writable_folder,
    )
    define_path(
        "phones",
        "FILE: A phones.keras that train-phones wrote, for the perceptual "
        "losses; without it there are none.",
        flag_values,
        existing_file,
        required=False,
    )
    define_training(
        flag_values,
        "student",
        "the initial weights, the order of the clips and the noise",
    )
    define_precision(flag_values)
    define_strategy(flag_values)
    define_tensorboard(flag_values)


def run(flag_values: flags.FlagValues) -> None:
    """Distils the student and says what comes next."""
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
    training = with_training(chosen.distillation, flag_values)
    settings = dataclasses.replace(
        chosen, distillation=with_precision(training, flag_values)
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
            chosen_tensorboard(flag_values),
            initial and load_student(Path(initial)),
            flag_values.seed,
        )
    print(f"The student is {out / 'student.keras'}. Next:")
    print(
        f"  pwavenet synthesize --model={out / 'student.keras'} "
        "--input=RECORDING.wav --out=SOUND"
    )
