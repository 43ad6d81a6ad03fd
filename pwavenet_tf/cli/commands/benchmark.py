"""Measures speed and memory, against what the machine can do.

On untrained models, which are as fast as trained ones. All of this takes more
than an hour; --only picks from

  peak         products of matrices in float32, bfloat16 and int8
  sampling     teachers: the whole network for every sample (naive), the
               cached loop, and the least that its weights take (bound); 1 to
               64 streams, early and late in a minute
  student      Keras, XLA, SavedModel, stream, TFLite and ONNX: 1, 10 and 60
               seconds of sound, cold start, memory, size, difference
  call         from a mel spectrogram on disk to a WAV file, against the
               network alone; as a command, against importing TensorFlow
  growth       time by seconds of sound, by batch and, in training, by layers;
               memory of 10 seconds to 10 minutes in chunks
  tflite       every variant of the .tflite: size, quality, speed, memory
  training     a teacher's training step in each precision, its likelihood, the
               clips delivered to it; a step of distillation, its inner samples
  likelihood   the mixture's value and gradient against TensorFlow
               Probability's: difference, time and memory
  draws        distillation's estimate by 1 to 64 draws a sample: variance,
               time and memory
  preparation  `prepare` on 15, 30 and 60 minutes of audio: time and memory

Figures are medians of runs behind one that prepares, with the least and the
most. "of peak" is the share of what float32 products of 2,048 × 2,048
matrices reach just before and after, on the operations that the network's
layers need: a machine's speed varies with its load, this share less.

--compare prints the medians of an earlier run beside those of this one.

Before it:  nothing.

Examples:
  pwavenet benchmark --out=speed.json --chart=speed.svg
  pwavenet benchmark --out=new.json --only=student --compare=speed.json
"""

import importlib
from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.core.errors import UserError

# What counts operations.
_OF_PEAK = "peak", "sampling", "student", "call", "growth", "tflite", "training"
MEASUREMENTS = *_OF_PEAK, "likelihood", "draws", "preparation"


def _has_shares(values: dict) -> bool:
    if (
        values["chart"]
        and values["only"]
        and not {*_OF_PEAK} & {*values["only"]}
    ):
        raise UserError(
            f"--chart={values['chart']} would be empty: no figure of "
            f"{', '.join(values['only'])} is a share of the peak; leave out "
            "--chart, or measure more with --only"
        )
    return True


def _picture(name: str, path: str) -> None:
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise UserError(
            f"--{name}={path} is neither PNG nor SVG; give a name that ends in "
            ".png or .svg"
        )
    flags.writable_file(name, path)


define_flags = flags.table(
    flags.out(
        "FILE: JSON file to write the figures to.", check=flags.writable_file
    ),
    flags.choice(
        "only",
        "One of the measurements above; may be given several times.",
        MEASUREMENTS,
        repeated=True,
    ),
    flags.switch(
        "quick",
        "<true|false>: Whether to take small sizes of nano alone, and two runs "
        "each.",
    ),
    flags.path(
        "chart",
        "FILE: PNG or SVG file for a chart of the shares of the peak.",
        _picture,
    ),
    flags.file("compare", "FILE: What an earlier run wrote to its --out."),
    flags.together(["chart", "only"], _has_shares),
)


def run(flag_values: flags.FlagValues) -> None:
    """Prints the figures, writes them as JSON, draws and compares them."""
    from pwavenet_tf.cli.benchmark import report
    from pwavenet_tf.cli.benchmark.machine import machine, versions
    from pwavenet_tf.cli.benchmark.peak import with_peak
    from pwavenet_tf.core.progress import Bar

    # A bad file is found before an hour of measuring.
    earlier = flag_values.compare
    earlier = earlier and report.read_report(Path(earlier))
    found = report.Report(machine(), versions(), [])
    for facts in (found.machine, found.versions):
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for name in MEASUREMENTS:
        if flag_values.only and name not in flag_values.only:
            continue
        module = importlib.import_module(f"pwavenet_tf.cli.benchmark.{name}")
        rows = module.measure(flag_values.quick)
        rows = Bar(with_peak(name, rows, flag_values.quick), name, unit="row")
        measured = list(rows)
        print("\n".join(["", *report.table(measured)]), flush=True)
        found.rows.extend(measured)
        found.write(Path(flag_values.out))
    if earlier:
        print("\n".join(["", *report.comparison(found, earlier)]))
    print(f"\nThe figures are in {flag_values.out}.")
    if flag_values.chart:
        report.draw_shares(Path(flag_values.chart), found.rows)
        print(f"The chart is in {flag_values.chart}.")
