"""Compares models with recordings: figures and a page of sound.

Every recording is spoken anew by each model from what the model is told of
it. Beside the models stand two baselines without training: Griffin-Lim, from
the same mel spectrogram, which a model must beat to be worth its training, and
WORLD, a parametric vocoder that analyses the recording itself. Measured are
PESQ (wide band), STOI and extended STOI, mel-cepstral distortion, F0 and
voicing errors, log-spectral and multi-resolution STFT distance, level, octave
bands, noise in pauses, and the models' speed; docs/evaluation.md defines each.
Means over the recordings come with 95 % intervals, and every model's difference
from every other system, paired by recording, with its own: judge on 20
recordings or more. PESQ and WORLD need a C compiler once, for
pip install 'pwavenet_tf[metrics]'; without them all else is measured.

Each model also scores the recordings: the bits that it needs per sample,
exact and by file, and whether it is as sure as it should be (half of the
samples belong inside its 50 % intervals). And it is told wrong things,
another recording's mel spectrogram, phones or pitch or another speaker: what
that costs in bits is how much it listens. --nosound does this alone, which is
quick where speaking would take a large teacher hours. A student's flows must
be inverted one sample after the other for it; a nano student's take half a
second for a second of sound. Between a student and a teacher of the same run
stands their KL, in nats per sample.

It writes metrics.json, recordings.csv (a row for each recording and system)
and bits.csv for programs and report.html for people:
players, waveforms and spectrograms side by side, in one file that can be sent
to anyone. What each voice speaks is also written to sound/. Use recordings
that were not trained on.

Before it:  pwavenet distill (or train-teacher)
After it:   open report.html

Example:
  pwavenet evaluate --model=run/teacher.keras --model=run/student.keras \\
      --reference=unheard --out=report
  pwavenet evaluate --model=run/teacher.keras --reference=unheard \\
      --speaker_pattern='_(.+)_' --nosound --out=scores
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.conditioning_flags import (
    define_labels,
    define_speaker_pattern,
)
from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    require_apart,
    writable_folder,
)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
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
    define_labels(flag_values)
    define_speaker_pattern(flag_values)
    define_path(
        "out",
        "DIR: Folder to write metrics.json, recordings.csv, bits.csv, "
        "report.html and sound/ to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_boolean(
        "sound",
        True,
        "<true|false>: Whether the models speak; with --nosound, they score "
        "and nothing more is done.",
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Writes the figures and the page."""
    from pwavenet_tf.corpus.audio import find_audio
    from pwavenet_tf.corpus.texts import read_texts
    from pwavenet_tf.evaluation.compare import evaluate
    from pwavenet_tf.evaluation.per_recording import screen_table
    from pwavenet_tf.evaluation.scoring import screen_table as score_table
    from pwavenet_tf.models import load_model

    models = {Path(path): load_model(path) for path in flag_values.model}
    reference, out = Path(flag_values.reference), Path(flag_values.out)
    require_apart(out, reference)
    recordings = find_audio(reference)
    folder = reference if reference.is_dir() else reference.parent
    found = evaluate(
        models,
        recordings,
        out,
        read_texts(folder),
        folder=folder,
        labels=flag_values.labels and Path(flag_values.labels),
        speaker_pattern=flag_values.speaker_pattern,
        sound=flag_values.sound,
    )
    if flag_values.sound:
        print(screen_table(found.values))
    print(score_table(found.scorings))
    print(f"The figures are in {out / 'metrics.json'} and recordings.csv,")
    print(f"the report is {out / 'report.html'}.")
