"""Measures how fast this machine makes sound.

The student's parallel pass is timed against the teacher's sampling, one
sample after another, with and without its cache. The figures are samples per
second and how many times faster than real time that is; they go to the
screen and, as JSON, to a file.

Before it:  nothing; untrained models of a preset are as fast as trained ones.

Example:
  pwavenet benchmark --out=speed.json
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import define_path, writable_file


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --out."""
    define_path(
        "out",
        "FILE: JSON file to write the figures to.",
        flag_values,
        writable_file,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Prints the figures and writes them as JSON."""
    import json

    from pwavenet_tf.benchmark import measure_synthesis
    from pwavenet_tf.files import written_aside

    figures = measure_synthesis()
    for name, figure in figures.items():
        print(
            f"{name:<44}{figure['samples_per_second']:>12,.0f} samples/s"
            f"{figure['times_real_time']:>10.3f} × real time"
        )
    with written_aside(Path(flag_values.out)) as aside:
        aside.write_text(json.dumps(figures, indent=1) + "\n", "ascii")
    print(f"The figures are in {flag_values.out}.")
