"""Synthesizes a whole corpus as a job of Apache Beam.

Every recording (WAV, FLAC, MP3, Ogg), mel spectrogram (.npy) and .npz file in
the folder and its subfolders, or that a CSV manifest names in its column path,
becomes a sound file of the same name, exactly as pwavenet synthesize makes it.
The job runs where --runner says, on several processes or machines
(pip install 'pwavenet_tf[beam]').

A file that cannot be synthesized does not affect the others: it is reported,
with the reason, on the screen and in failed.csv, and the exit status is 2.
After a failure run the same command again: what is there already stays, unless
its recording, label file, text or speaker has changed. One run at a time works
on a folder.

Before it:  pwavenet distill (or train-teacher)
After it:   play the files

Example:
  pwavenet synthesize-batch --model=run/student.keras --input=recordings \\
      --out=sound
  pwavenet synthesize-batch --model=run/student.keras --input=list.csv \\
      --out=sound --runner_options='--direct_num_workers=4
      --direct_running_mode=multi_processing'
"""

from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.core.errors import UserError

define_flags = flags.table(
    flags.model("FILE: A student.keras or teacher.keras."),
    flags.path(
        "input",
        "DIR: Folder of recordings, .npy and .npz files, or a CSV manifest.",
        flags.existing,
        needed=True,
    ),
    flags.out(
        "DIR: Folder to write the sound files to; empty, or what the same "
        "command has begun to write."
    ),
    flags.SPEAKER,
    flags.SAMPLING,
    flags.runner(
        f"NAME: Runner of Apache Beam: {flags.RUNNERS}", "DirectRunner"
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Synthesizes the inputs, and reports what could not be synthesized."""
    runner = flags.chosen_runner(flag_values)
    from pwavenet_tf.synthesis import beam

    out = Path(flag_values.out)
    (model,) = flags.chosen_models(flag_values)
    job = beam.SynthesisJob(
        model,
        Path(flag_values.input),
        flag_values.seed,
        flag_values.temperature,
        flag_values.speaker,
        flag_values.speaker_pattern,
        flag_values.labels and Path(flag_values.labels),
    )
    result = beam.synthesize_on_beam(job, out, runner)
    failed = len(result.failures)
    print(
        f"The sound is in {out}: {result.utterances - failed} of "
        f"{result.utterances} files"
        + (f", {result.earlier} of an earlier run." if result.earlier else ".")
    )
    for name, reason in result.failures:
        print(f"  {name}: {reason}")
    if failed:
        raise UserError(
            f"{failed} of {result.utterances} files could not be synthesized; "
            f"{out / beam.FAILURES_NAME} lists them"
        )
