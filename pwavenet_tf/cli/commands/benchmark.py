"""Measures how fast this machine generates speech.

In one run, on untrained models, which are as fast as trained ones:

  teachers         sampling with every preset's teacher: the whole network for
                   every sample (naive) against the cached loop
  batches          the cached loop with 1 to 64 streams at once
  length           time per sample early and late in a minute of audio
  student          the parallel pass
  log-probability  the mixture's value and gradient against TensorFlow
                   Probability's: difference, time and peak memory
  inner draws      distillation's estimate by 1 to 64 draws a sample: variance,
                   time and peak memory
  preparation      `prepare` on 15, 30 and 60 minutes of audio: time and memory
  pipeline         clips delivered against clips trained on
  precision        a teacher's training step in float32, bfloat16 and float16
  routes           the student by Keras, SavedModel, stream, TFLite and ONNX:
                   difference, size, cold start, latency, memory for 10 minutes
  throughput       the SavedModel on batches of 1 to 16
  tflite           every variant of the .tflite: size, quality, speed, memory

It takes about half an hour. The figures go to the screen and, as JSON, to a
file. Compare them within one run only: a machine's speed varies with its load.

Before it:  nothing.

Example:
  pwavenet benchmark --out=speed.json
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import define_out, writable_file


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --out."""
    define_out(
        "FILE: JSON file to write the figures to.",
        flag_values,
        check=writable_file,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Prints the figures and writes them as JSON."""
    from pwavenet_tf.cli.benchmark import (
        inner_draws,
        likelihood,
        mixed_precision,
        pipeline,
        preparation,
        routes,
        synthesis,
        tflite,
    )
    from pwavenet_tf.core.files import write_json

    figures = {}
    for name, title, measure in (
        ("teachers", "teachers, samples/s", synthesis.measure_teachers),
        ("batches", "streams at once", synthesis.measure_batches),
        ("length", "a minute of sampling", synthesis.measure_length),
        ("student", "student, samples/s", synthesis.measure_student),
        ("log_probability", "log-probability", likelihood.measure_log_prob),
        ("inner_draws", "inner draws", inner_draws.measure_inner_draws),
        ("preparation", "minutes prepared", preparation.measure_preparation),
        ("pipeline", "clips, samples/s", pipeline.measure_pipeline),
        (
            *("precision", "a training step"),
            mixed_precision.measure_mixed_precision,
        ),
        ("routes", "routes", routes.measure_routes),
        ("throughput", "batch, × real time", routes.measure_throughput),
        ("tflite", "tflite", tflite.measure_presets),
    ):
        figures[name] = measure()
        print("\n".join(["", *shown(title, figures[name])]))
    write_json(Path(flag_values.out), figures)
    print(f"\nThe figures are in {flag_values.out}.")


def shown(title: str, figures: dict) -> list[str]:
    """Figures as a table for a terminal, or several.

    Args:
        title: What they are of.
        figures: Numbers by name; or those by case, which become columns; or
            those by kind, which become tables.
    """
    from pwavenet_tf.core.screen import text_table

    numbers = {
        name: one for name, one in figures.items() if not isinstance(one, dict)
    }
    cases = {"": numbers} if numbers else {}
    cases |= {case: of for case, of in figures.items() if case not in numbers}
    if any(isinstance(x, dict) for of in cases.values() for x in of.values()):
        tables = (shown(f"{title}, {kind}", of) for kind, of in cases.items())
        return [line for table in tables for line in table]
    names = dict.fromkeys(name for of in cases.values() for name in of)
    return text_table(
        [
            (title, *cases),
            *(
                (
                    str(name).replace("_", " "),
                    *(_shown(str(name), of.get(name)) for of in cases.values()),
                )
                for name in names
            ),
        ]
    )


def _shown(name: str, value: float | None) -> str:
    from pwavenet_tf.core.html import format_number

    if value is None:
        return ""
    if name.endswith("bytes"):
        return f"{value / 2**20:.1f} MiB"
    return format_number(value) + " s" * name.endswith("seconds")
