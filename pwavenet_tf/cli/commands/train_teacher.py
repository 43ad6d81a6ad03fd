"""Trains the teacher, a WaveNet: high quality, slow synthesis.

The teacher learns how probable every next sample is, given all samples before
it and the conditioning, usually the mel spectrogram. It generates one sample
after another, which is why a student is distilled from it afterwards. What it
learns bounds what the student can learn, so most of the time is well spent
here.

The conditioning, its upsampling from frames to samples, and the distribution
of the next sample are the preset's, unless flags change them. The data must
hold the conditioning: prepare them with the same --conditioning.

With --preset=samplernn or samplernn-small the teacher is a SampleRNN, whose
state is carried through whole recordings, segment by segment (--clip_length).
samplernn trains on data prepared for nano too, samplernn-small, which also
reads sinusoids, on data prepared for small.

With --preset=nsynth or nsynth-small, or --conditioning=encoding, an encoder is
trained with the teacher, and its encoding of the audio is the conditioning: an
autoencoder, for notes as well as for speech.

A run writes RUN/teacher.keras. Its progress is the loss in nats per sample on
recordings that were held out; lower is better. RUN/progress.png shows it, and
in long runs how close the teacher's samples are to the recordings.

The same command resumes an interrupted run. More --steps continue a finished
one: its learning rate, which had decayed to zero, rises again to that of the
longer cosine at that step, and decays once more. --initial starts another run
from its weights: the usual way to a new voice.

Before it:  pwavenet prepare
After it:   pwavenet distill

Example:
  pwavenet train-teacher --data=data --out=run
  pwavenet train-teacher --data=data --out=run --steps=8000
  pwavenet train-teacher --data=data --out=run2 --conditioning=linguistic,pitch
  pwavenet prepare --corpus=another_voice --out=data3 \\
      --statistics_of=run/teacher.keras
  pwavenet train-teacher --data=data3 --out=run3 \\
      --initial=run/teacher.keras --learning_rate=0.0005
"""

import dataclasses
from pathlib import Path

from pwavenet_tf.cli import flags, training_flags
from pwavenet_tf.cli.usage import print_next
from pwavenet_tf.core.config import HEADS
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import Preset

define_flags = flags.table(
    flags.DATA,
    flags.out("RUN: Folder to write teacher.keras to."),
    flags.preset_name(
        "NAME: Settings to follow; the ones that the data was prepared with."
    ),
    flags.CONDITIONING,
    flags.choice(
        "upsampling",
        "HOW: From frames to samples: by learned transposed convolutions, or "
        "by repeating every frame, which is faster and a little worse.",
        ["learned", "repetition"],
        "learned",
    ),
    flags.choice(
        "head",
        "NAME: Distribution of the next sample: mixture_of_logistics or "
        "gaussian over 16-bit PCM values, or mu_law, 256 values, from which no "
        "student can be distilled. The preset's own, if left out.",
        HEADS,
    ),
    training_flags.training(
        "teacher", "the initial weights and the order of the clips"
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains the teacher and prints the next command."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.distributions import ContinuousHead
    from pwavenet_tf.models.loading import load_teacher
    from pwavenet_tf.training.distribution import choose_strategy
    from pwavenet_tf.training.runs import train_teacher

    data, out = Path(flag_values.data), Path(flag_values.out)
    settings, model = _settings(flag_values), out / "teacher.keras"
    with choose_strategy(flag_values.strategy).scope():
        teacher = train_teacher(
            Corpus(data),
            settings,
            **training_flags.chosen_run(flag_values, load_teacher),
        )
    print(f"The teacher is {model}. Next:")
    distillable = issubclass(teacher.head_class, ContinuousHead)
    if settings.student and distillable:
        print_next("distill", data=data, teacher=model, out=out)
    else:
        print_next("evaluate", model=model, reference="HELD_OUT", out="REPORT")


def _settings(flag_values: flags.FlagValues) -> Preset:
    """The preset with what the flags change."""
    chosen = preset(flag_values.preset)
    learned = flag_values.upsampling == "learned"
    conditioning = dataclasses.replace(
        chosen.conditioning,
        inputs=flags.chosen_inputs(flag_values, chosen),
        upsampling=chosen.conditioning.upsampling if learned else (),
    )
    head = flag_values.head or chosen.teacher.head
    teacher = dataclasses.replace(chosen.teacher, head=head)
    return training_flags.with_training(
        dataclasses.replace(chosen, conditioning=conditioning, teacher=teacher),
        flag_values,
        "teacher_training",
    )
