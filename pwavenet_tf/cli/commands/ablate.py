"""Shows what each of the student's losses contributes.

It distils four students from one teacher: with the KL alone; with the power
loss added; with the perceptual loss added; and with the contrastive loss
added (γ = 0.3 where the preset leaves it out, as nano and small do). All start
from the same weights and see the same clips and the same noise for the same
number of steps, so that they differ in the loss alone.

Expect the first to whisper or to collapse: the KL alone rewards any output
that the teacher finds probable, such as silence. A student whose loss stops
being finite is skipped, and the table states why.

It takes four times as long as distill. The same command resumes an interrupted
run. Then all students, the teacher and Griffin-Lim resynthesize the recordings
of --reference: use some that were not trained on. ablation.csv holds the
table, report.html the table and the audio, metrics.json, bits.csv and sound/
are those of evaluate.

Before it:  pwavenet train-teacher and train-phones
After it:   open report.html

Example:
  pwavenet ablate --data=data --teacher=run/teacher.keras \\
      --phones=run/phones.keras --reference=held_out --out=ablation
"""

from pathlib import Path

from pwavenet_tf.cli import flags

define_flags = flags.table(
    flags.DATA,
    flags.file(
        "teacher", "FILE: The teacher.keras of all students.", needed=True
    ),
    flags.file(
        "phones",
        "FILE: A phones.keras, for the perceptual loss; train-phones makes it.",
        needed=True,
    ),
    flags.reference(needed=True),
    flags.LABELS,
    flags.out(
        "DIR: Folder to write the students, the table and the report to."
    ),
    flags.setting(
        "steps",
        "N: Optimiser steps of each student; as many as the data's preset "
        "says, if left out.",
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Trains the students, compares them and prints where the report is."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.evaluation.ablation import run_ablation
    from pwavenet_tf.evaluation.ablation_table import screen_table
    from pwavenet_tf.models.loading import load_phone_classifier

    reference, out = Path(flag_values.reference), Path(flag_values.out)
    flags.require_outside(out, reference)
    rows = run_ablation(
        Corpus(Path(flag_values.data)),
        Path(flag_values.teacher),
        load_phone_classifier(Path(flag_values.phones)),
        reference,
        out,
        flag_values.steps,
        labels=flag_values.labels and Path(flag_values.labels),
        speaker_pattern=flag_values.speaker_pattern,
    )
    print(screen_table(rows))
    for row in rows:
        if row.problem:
            print(f"{row.name} failed: {row.problem}")
    print(f"The table is {out / 'ablation.csv'},")
    print(f"the report is {out / 'report.html'}.")
