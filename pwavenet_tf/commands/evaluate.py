"""Compares models with recordings: figures and a page of sound.

Every recording is spoken anew by each model from its mel spectrogram. Of
each the level, the spectrum and the speed are measured, and beside them
stands Griffin-Lim, which needs no training: a voice must beat it to be worth
its training.

It writes metrics.json for programs and report.html for people: players,
waveforms and spectrograms side by side, in one file that can be sent to
anyone. What each voice speaks is also written to sound/. Use recordings that
were not trained on.

Before it:  pwavenet distill (or train-teacher)
After it:   open report.html

Example:
  pwavenet evaluate --model=run/teacher.keras --model=run/student.keras \\
      --reference=unheard --out=report
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    writable_folder,
)
from pwavenet_tf.errors import UserError


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model, --reference and --out."""
    define_path(
        "model",
        "FILE: A teacher.keras or student.keras; repeat the flag to see "
        "several side by side.",
        flag_values,
        existing_file,
        repeated=True,
    )
    define_path(
        "reference",
        "DIR: Folder of recordings to compare with.",
        flag_values,
        existing,
    )
    define_path(
        "out",
        "DIR: Folder to write metrics.json, report.html and sound/ to.",
        flag_values,
        writable_folder,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Writes the figures and the page."""
    from pwavenet_tf.corpus.audio import find_audio
    from pwavenet_tf.corpus.texts import read_texts
    from pwavenet_tf.evaluation.compare import evaluate
    from pwavenet_tf.models import load_model

    models = {Path(path): load_model(path) for path in flag_values.model}
    reference, out = Path(flag_values.reference), Path(flag_values.out)
    if out.resolve().is_relative_to(reference.resolve()):
        raise UserError(
            f"--out={out} lies within --reference={reference}, where its "
            "sound would be taken for recordings; give another folder"
        )
    recordings = find_audio(reference)
    evaluate(models, recordings, out, read_texts(reference))
    print(f"The figures are in {out / 'metrics.json'},")
    print(f"the report is {out / 'report.html'}.")
