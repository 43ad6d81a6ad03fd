"""Goes the whole way once, on recordings that it makes itself.

It prepares a small corpus, trains a teacher, distils a student, lets it
speak sentences that it never heard, exports it and writes a report. All of
it takes about eight minutes on two cores. So short a training shows how
everything works, not how good it can get.

Without --corpus it speaks sentences of its own through eSpeak NG to train
on; with it, it learns from your recordings. What it does is what the other
commands do, in order, so each step can be repeated by hand.

Before it:  nothing.
After it:   pwavenet prepare, on recordings of your own

Example:
  pwavenet demo --out=runs/demo
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import define_path, existing, writable_folder


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --out and --corpus."""
    define_path(
        "out",
        "DIR: Folder to write everything to.",
        flag_values,
        writable_folder,
    )
    define_path(
        "corpus",
        "DIR: Folder of your own recordings to learn from.",
        flag_values,
        existing,
        required=False,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Runs every step and says where everything is."""
    from pwavenet_tf.cli.demo import run_demo

    corpus = flag_values.corpus
    run_demo(Path(flag_values.out), Path(corpus) if corpus else None)
