"""Compares models with recordings: metrics and a report.

Each model resynthesizes every recording from its conditioning. Two baselines
without training are compared with the models: Griffin-Lim, from the same mel
spectrogram, which a model must beat to be worth its training, and WORLD, a
parametric vocoder that analyses the recording itself. Measured are PESQ (wide
band), STOI and extended STOI, mel-cepstral distortion, F0 and voicing errors,
log-spectral and multi-resolution STFT distance, level, octave bands, noise in
pauses, and the models' speed; docs/evaluation.md defines each. Means over the
recordings come with 95 % intervals, and every model's difference from every
other system, paired by recording, with its own: use 20 recordings or more.
PESQ needs a C compiler once, for pip install 'pwavenet_tf[metrics]'; without
it everything else is measured.

Each model also scores the recordings: the bits that it needs per sample, exact
and by file, and whether it is as sure as it should be (half of the samples
belong inside its 50 % intervals). It is also given mismatched conditioning,
another recording's mel spectrogram, phones or pitch or another speaker: what
that costs in bits is its conditioning sensitivity. --nosound does this alone,
which is quick where synthesis would take a large teacher hours. A student's
flows must be inverted one sample after the other for it; a nano student's take
half a second for a second of sound. For a student and a teacher of the same
run the KL between them is given, in nats per sample.

It writes metrics.json, recordings.csv (a row for each recording and system)
and bits.csv for programs and report.html for people: players, waveforms and
spectrograms side by side, in one file that can be sent to anyone. The audio of
each system is also written to sound/. Use recordings that were not trained on.

Next to the report are two blind listening tests, to be opened in a browser or
sent to listeners: ab_test.html (which of two sounds better?) and mushra.html
(all rated from 0 to 100 against the recording, with a hidden reference and a
low anchor among them, as in ITU-R BS.1534). Each listener saves a JSON file.
--ratings computes the paper's table from them, with confidence intervals: mean
scores, and preferences as win-lose-neutral %. It is also written to
ratings.json. Listeners who don't recognise the hidden recording are excluded,
as BS.1534 recommends.

Before it:  pwavenet distill (or train-teacher)
After it:   open report.html; ask listeners; evaluate --ratings

Example:
  pwavenet evaluate --model=run/teacher.keras --model=run/student.keras \\
      --reference=held_out --out=report
  pwavenet evaluate --model=run/teacher.keras --reference=held_out \\
      --speaker_pattern='_(.+)_' --nosound --out=scores
  pwavenet evaluate --ratings=answers --out=report
"""

from pathlib import Path

from pwavenet_tf.cli import flags, usage
from pwavenet_tf.core.errors import UserError


def _check_task(values: dict) -> bool:
    """Refuses flags that are neither for models nor for ratings alone."""
    forms = {"model": "FILE", "reference": "DIR", "out": "DIR"}
    if values["ratings"]:
        if surplus := [k for k in ("model", "voice", "reference") if values[k]]:
            raise UserError(
                f"--ratings and --{surplus[0]} are two different tasks; leave "
                "one of them out"
            )
        forms = {"out": "DIR"}
    given = values | {"model": values["model"] or values["voice"]}
    if missing := {k: form for k, form in forms.items() if not given[k]}:
        raise UserError(usage.missing(missing))
    return True


define_flags = flags.table(
    flags.model(
        "FILE: A teacher.keras or student.keras; repeat the flag to see "
        "several side by side.",
        repeated=True,
        needed=False,
    ),
    flags.reference(),
    flags.text(
        "ratings",
        "FILES: What listeners saved in the listening tests: a file, a folder "
        "of them or a pattern ('answers/*.json'); may be repeated. Instead of "
        "--model and --reference.",
        repeated=True,
    ),
    flags.LABELS,
    flags.out(
        "DIR: Folder to write metrics.json, recordings.csv, bits.csv, "
        "report.html, the listening tests and sound/ to; with --ratings, "
        "ratings.json.",
        needed=False,
    ),
    flags.switch(
        "sound",
        "<true|false>: Whether the models synthesize; with --nosound, they "
        "only score the recordings.",
        True,
    ),
    flags.together(
        ["model", "voice", "reference", "ratings", "out"], _check_task
    ),
)


def needs_tensorflow(flag_values: flags.FlagValues) -> bool:
    """Whether TensorFlow is loaded first: not for a table of ratings."""
    return not flag_values.ratings


def run(flag_values: flags.FlagValues) -> None:
    """Writes the metrics and the report, or the table of ratings."""
    if flag_values.ratings:
        _run_ratings(flag_values.ratings, Path(flag_values.out))
        return
    from pwavenet_tf.audio.files import find_audio
    from pwavenet_tf.corpus.transcripts import Transcripts
    from pwavenet_tf.evaluation.evaluate import evaluate
    from pwavenet_tf.evaluation.per_recording import screen_table
    from pwavenet_tf.evaluation.scores import screen_table as score_table
    from pwavenet_tf.models.loading import load_model

    paths = flags.chosen_models(flag_values)
    models = {path: load_model(path) for path in paths}
    reference, out = Path(flag_values.reference), Path(flag_values.out)
    flags.require_outside(out, reference)
    recordings = find_audio(reference)
    folder = reference if reference.is_dir() else reference.parent
    texts = Transcripts(folder).texts(recordings)
    found = evaluate(
        models,
        recordings,
        out,
        texts,
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
    if flag_values.sound:
        print("Next to it are blind tests: ab_test.html and mushra.html.")


def _run_ratings(places: list[str], out: Path) -> None:
    from pwavenet_tf.evaluation.rating_scores import screen_table, write_ratings
    from pwavenet_tf.evaluation.ratings import rating_files, read_ratings

    ratings = read_ratings(rating_files(places))
    write_ratings(out / "ratings.json", ratings)
    print(screen_table(ratings))
    print(f"The figures are in {out / 'ratings.json'}.")
