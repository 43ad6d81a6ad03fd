"""Runs the whole pipeline once, on synthesized recordings.

It prepares a small corpus, trains a teacher, distils a student, synthesizes
sentences that neither was trained on, exports the student and writes a report.
All of it takes about eight minutes on two cores. So short a training shows how
everything works, not how good it can get.

Without --corpus it trains on sentences that eSpeak NG synthesizes; with it, on
your recordings. With --notes it trains an autoencoder (nsynth-small), on notes
that it computes if there is no --corpus. What it does is what the other
commands do, in order, so each step can be repeated by hand.

Before it:  nothing.
After it:   pwavenet prepare, on recordings of your own

Example:
  pwavenet demo --out=runs/demo
  pwavenet demo --out=runs/notes --notes
"""

from pathlib import Path

from pwavenet_tf.cli import flags

define_flags = flags.table(
    flags.out("DIR: Folder to write everything to."),
    flags.path(
        "corpus",
        "DIR: Folder of your own recordings to learn from.",
        flags.existing_folder,
    ),
    flags.switch(
        "notes",
        "<true|false>: Whether to train an autoencoder of notes, in place of "
        "a vocoder.",
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Runs every step and prints where the results are."""
    from pwavenet_tf.cli.demo import run_demo

    recordings = flag_values.corpus and Path(flag_values.corpus)
    run_demo(Path(flag_values.out), recordings, flag_values.notes)
