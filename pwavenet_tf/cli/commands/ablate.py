"""Shows what each loss of the student is worth, side by side.

It distils four students from one teacher: with the KL alone; with the power
loss besides; with the perceptual loss besides; and with the contrastive loss,
which makes it the whole loss of distill. All start from the same weights and
see the same clips and the same noise for the same number of steps, so that
nothing but the loss makes the difference.

Expect the first to whisper or to collapse: the KL alone is content with a
sound that the teacher finds probable, such as silence. A student whose loss
stops being finite is passed over, and the table tells why.

It takes four times as long as distill. An interrupted run goes on where it
was when the same command is given again. Then all students, the teacher and
Griffin-Lim speak the recordings of --reference: use some that were not
trained on. ablation.csv holds the table, report.html the table and the sound,
metrics.json, bits.csv and sound/ are those of evaluate.

Before it:  pwavenet train-teacher and train-phones
After it:   open report.html

Example:
  pwavenet ablate --data=data --teacher=run/teacher.keras \\
      --phones=run/phones.keras --reference=unheard --out=ablation
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import (
    define_labels,
    define_path,
    define_speaker_pattern,
    existing,
    existing_file,
    existing_folder,
    require_apart,
    writable_folder,
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
        "FILE: The teacher.keras that all learn from.",
        flag_values,
        existing_file,
    )
    define_path(
        "phones",
        "FILE: A phones.keras, for the perceptual loss; train-phones makes it.",
        flag_values,
        existing_file,
    )
    define_path(
        "reference",
        "DIR: Folder of recordings to compare with.",
        flag_values,
        existing,
    )
    define_labels(flag_values)
    define_speaker_pattern(flag_values)
    define_path(
        "out",
        "DIR: Folder to write the students, the table and the report to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_integer(
        "steps",
        None,
        "N: Optimiser steps of each student; as many as the data's preset "
        "says, if left out.",
        lower_bound=1,
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Trains the students, compares them and says where it is written."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.evaluation.ablation import run_ablation
    from pwavenet_tf.evaluation.ablation_table import screen_table
    from pwavenet_tf.models.loading import load_phone_classifier

    reference, out = Path(flag_values.reference), Path(flag_values.out)
    require_apart(out, reference)
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
            print(f"{row.name} came to no end: {row.problem}")
    print(f"The table is {out / 'ablation.csv'},")
    print(f"the report is {out / 'report.html'}.")
