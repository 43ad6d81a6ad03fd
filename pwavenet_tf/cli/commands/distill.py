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

from pathlib import Path

from pwavenet_tf.cli import flags, training_flags

define_flags = flags.table(
    flags.DATA,
    flags.file(
        "teacher", "FILE: The teacher.keras to learn from.", needed=True
    ),
    flags.out("RUN: Folder to write student.keras to."),
    flags.file(
        "phones",
        "FILE: A phones.keras that train-phones wrote, for the perceptual "
        "losses; without it there are none.",
    ),
    training_flags.training(
        "student", "the initial weights, the order of the clips and the noise"
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Distils the student and prints the next command."""
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models import loading
    from pwavenet_tf.training.distribution import choose_strategy
    from pwavenet_tf.training.runs import distill

    corpus = Corpus(Path(flag_values.data))
    settings = training_flags.with_training(
        preset(corpus.card.preset), flag_values, "distillation"
    )
    phones = flag_values.phones
    with choose_strategy(flag_values.strategy).scope():
        distill(
            corpus,
            loading.load_teacher(Path(flag_values.teacher)),
            settings,
            phone_classifier=phones
            and loading.load_phone_classifier(Path(phones)),
            **training_flags.chosen_run(flag_values, loading.load_student),
        )
    training_flags.print_student(Path(flag_values.out))
