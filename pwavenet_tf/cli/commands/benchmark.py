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
    import json

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
    from pwavenet_tf.core.files import atomic_write

    figures = {}
    for name, measure, show in (
        ("teachers", synthesis.measure_teachers, _show_teachers),
        ("batches", synthesis.measure_batches, _show_batches),
        ("length", synthesis.measure_length, _show_length),
        ("student", synthesis.measure_student, _show_student),
        ("log_probability", likelihood.measure_log_prob, _show_likelihood),
        ("inner_draws", inner_draws.measure_inner_draws, _show_inner_draws),
        ("preparation", preparation.measure_preparation, _show_preparation),
        ("pipeline", pipeline.measure_pipeline, _show_pipeline),
        (
            "precision",
            mixed_precision.measure_mixed_precision,
            _show_mixed_precision,
        ),
        ("routes", routes.measure_routes, _show_routes),
        ("throughput", routes.measure_throughput, _show_throughput),
        ("tflite", tflite.measure_presets, _show_tflite),
    ):
        figures[name] = measure()
        show(figures[name])
    with atomic_write(Path(flag_values.out)) as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n", "ascii")
    print(f"\nThe figures are in {flag_values.out}.")


def _show_teachers(figures: dict) -> None:
    print(
        f"\n{'teacher':<10}{'parameters':>12}{'naive/s':>10}{'cached/s':>10}"
        f"{'cached/naive':>14}{'× real time':>13}"
    )
    for preset, one in figures.items():
        print(
            f"{preset:<10}{one['parameters']:>12,}{one['naive']:>10,.1f}"
            f"{one['cached']:>10,.0f}{one['cached_times_naive']:>14,.0f}"
            f"{one['times_real_time']:>13.3f}"
        )


def _show_batches(figures: dict) -> None:
    print(f"\n{'streams':<10}{'samples/s':>12}{'each':>12}")
    for streams, speed in figures.items():
        print(f"{streams:<10}{speed:>12,.0f}{speed / streams:>12,.0f}")


def _show_length(figures: dict) -> None:
    print(
        f"\na sample costs {figures['first_microseconds']:.1f} µs in the "
        f"first ten seconds, {figures['last_microseconds']:.1f} µs in the "
        "last ten of a minute; peak memory grew by "
        f"{figures['peak_memory_growth_mib']:.1f} MiB between them"
    )


def _show_student(figures: dict) -> None:
    print()
    for how, speed in figures.items():
        print(f"student, {how:<8}{speed:>12,.0f} samples/s")


def _show_likelihood(figures: dict) -> None:
    print(
        "\nlog-probability of a mixture: "
        f"{figures['difference_nats']:.1e} nats from TensorFlow Probability "
        f"in float64 (its own float32: {figures['tfp_difference_nats']:.1e})"
    )
    for compiler in ("graph", "xla"):
        one = figures[compiler]
        print(
            f"{compiler:<8}{one['time_ratio']:.1f} times as fast as "
            f"TensorFlow Probability, {one['memory_ratio']:.1f} times less "
            f"memory ({one['ours_seconds'] * 1e3:.0f} against "
            f"{one['tfp_seconds'] * 1e3:.0f} ms, "
            f"{one['ours_bytes'] / 2**20:.0f} against "
            f"{one['tfp_bytes'] / 2**20:.0f} MiB)"
        )


def _show_inner_draws(figures: dict) -> None:
    print(f"\n{'inner draws':<14}{'variance':>10}{'ms':>8}{'MiB':>8}")
    for draws, one in figures.items():
        print(
            f"{draws:<14}{'1 / ' + format(one['variance_ratio'], '.1f'):>10}"
            f"{one['seconds'] * 1e3:>8.0f}{one['bytes'] / 2**20:>8.1f}"
        )


def _show_preparation(figures: dict) -> None:
    print(f"\n{'prepare':<12}{'seconds':>10}{'× real time':>13}{'MiB':>8}")
    for minutes, one in figures.items():
        print(
            f"{f'{minutes} minutes':<12}{one['seconds']:>10.1f}"
            f"{one['times_real_time']:>13.0f}{one['bytes'] / 2**20:>8.0f}"
        )


def _show_pipeline(figures: dict) -> None:
    print(
        f"\nthe input pipeline delivers {figures['delivered']:,.0f} samples/s, "
        f"the teacher's training step takes {figures['consumed']:,.0f}: "
        f"{figures['ratio']:.0f} times as many"
    )


def _show_mixed_precision(figures: dict) -> None:
    print()
    for precision, seconds in figures.items():
        print(
            f"a training step in {precision:<10}{seconds * 1e3:>8.0f} ms, "
            f"{seconds / figures['float32']:.2f} of float32's"
        )


def _show_routes(figures: dict) -> None:
    print(
        f"\n{'route':<22}{'difference':>11}{'SNR dB':>8}{'export s':>10}"
        f"{'MB':>6}{'cold s':>8}{'1 s':>9}{'10 s':>9}{'10 min':>10}"
    )
    for route, one in figures.items():
        print(
            f"{route:<22}{one['difference']:>11.1e}{one['snr_db']:>8.0f}"
            f"{one['export_seconds']:>10.1f}{one['bytes'] / 1e6:>6.1f}"
            f"{one['cold_start_seconds']:>8.1f}"
            f"{one['second_seconds'] * 1e3:>6.0f} ms"
            f"{one['ten_seconds_seconds'] * 1e3:>6.0f} ms"
            f"{one['long_bytes'] / 2**20:>6.0f} MiB"
        )


def _show_throughput(figures: dict) -> None:
    print(f"\n{'batch':<10}{'× real time':>12}")
    for batch, speed in figures.items():
        print(f"{batch:<10}{speed:>12.1f}")


def _show_tflite(figures: dict) -> None:
    print(
        f"\n{'tflite':<22}{'MB':>6}{'SNR dB':>8}{'LSD dB':>8}"
        f"{'1 thread':>10}{'2 threads':>11}{'memory':>10}"
    )
    for preset, variants in figures.items():
        for variant, one in variants.items():
            print(
                f"{preset + ', ' + variant:<22}{one['bytes'] / 1e6:>6.2f}"
                f"{one['snr_db']:>8.1f}"
                f"{one['log_spectral_distance_db']:>8.2f}"
                f"{one['real_time_1']:>10.3f}{one['real_time_2']:>11.3f}"
                f"{one['peak_bytes'] / 2**20:>6.0f} MiB"
            )
