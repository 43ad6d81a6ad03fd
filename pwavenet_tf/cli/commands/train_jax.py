"""Trains a teacher or a student with JAX, without TensorFlow.

Made for a GPU that is available for some minutes: the run ends by itself after
--minutes, and every minute it writes all it has, the model with its averaged
weights (teacher.keras or student.keras), the state to resume from
(teacher.state.npz) and the log (teacher.csv). The recipe is the preset's; its
learning rate falls to zero as the time ends. The compilation, some seconds to
two minutes, is not included in the time.

The same command resumes an interrupted run; after its end it trains for as
long again. With --initial it begins with the weights of a .keras file, or
resumes from the .state.npz of another folder.

On screen, each minute: the metrics of training and, in brackets, those of the
averaged weights on recordings that were held out.

Before it:  pwavenet export-corpus where TensorFlow is
After it:   pwavenet synthesize, evaluate, distill there

Example:
  pwavenet train-jax --data=arrays --what=teacher --out=run --minutes=8
  pwavenet train-jax --data=arrays --what=student --out=run --minutes=8 \\
      --teacher=run/teacher.keras
"""

import importlib.util
import os
from pathlib import Path

from pwavenet_tf.cli import flags, training_flags
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset

NEEDS_TENSORFLOW = False


define_flags = flags.table(
    flags.data("ARRAYS: Folder that `pwavenet export-corpus` wrote."),
    flags.out("RUN: Folder to write teacher.keras or student.keras to."),
    flags.choice("what", "What is trained.", ["teacher", "student"], "teacher"),
    flags.file(
        "teacher",
        "FILE: The teacher.keras that a student learns from; RUN/teacher.keras "
        "if left out.",
    ),
    flags.preset_name(
        "Settings to follow; the ones that the data were prepared with, "
        "if left out.",
        usual=None,
    ),
    flags.number(
        "minutes",
        "N: Minutes of training; until --steps are done, if left out.",
        (0.01, 100_000.0),
    ),
    flags.setting(
        "steps",
        "N: Optimiser steps; without --minutes as many as the preset says, if "
        "left out. With both, what comes first ends the run.",
    ),
    flags.file(
        "initial",
        "FILE: Weights to begin with: a .keras file; or the .state.npz of a "
        "run that is resumed in RUN.",
    ),
    *(
        flags.setting(name, f"{meaning}; as the preset says, if left out.")
        for name, meaning in (
            ("batch_size", "N: Clips a step"),
            ("clip_length", "N: Samples of each clip that count in the loss"),
            ("learning_rate", "RATE: Adam's, at its peak"),
        )
    ),
    flags.setting(
        "seed", "N: Seed of the first weights and of the order of the clips.", 0
    ),
    training_flags.PRECISION,
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains, and prints where the model is."""
    _require_jax()
    import keras

    from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus
    from pwavenet_tf.models.loading import load_teacher
    from pwavenet_tf.training.jax.jobs import student_job, teacher_job
    from pwavenet_tf.training.jax.run import state_file, train

    out, what = Path(flag_values.out), flag_values.what
    initial = flag_values.initial and Path(flag_values.initial)
    if initial and state_file(out, what).exists():
        raise UserError(
            f"{state_file(out, what)}: a run is there already; leave out "
            "--initial to resume it, or choose another --out"
        )
    resume = None
    if initial and initial.suffix == ".npz":
        initial, resume = None, initial
    keras.utils.set_random_seed(flag_values.seed)
    corpus = NumpyCorpus(Path(flag_values.data))
    chosen = training_flags.with_training(
        preset(flag_values.preset or corpus.card.preset),
        flag_values,
        "teacher_training",
        "distillation",
    )
    if what == "teacher":
        job = teacher_job(corpus, chosen, initial)
    else:
        path = Path(flag_values.teacher or out / "teacher.keras")
        job = student_job(corpus, chosen, load_teacher(path), initial)
    length = flag_values.minutes, flag_values.steps
    model = train(job, corpus, out, *length, resume, flag_values.seed)
    print(f"The {what} is {model}.")


def _require_jax() -> None:
    """Makes Keras run on JAX."""
    if importlib.util.find_spec("jax") is None:
        raise UserError(
            "JAX is not installed in this Python; docs/jax.md describes how, "
            "or train with pwavenet train-teacher and pwavenet distill"
        )
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    if (backend := keras.backend.backend()) != "jax":
        raise UserError(f"Keras runs on {backend} here; set KERAS_BACKEND=jax")
