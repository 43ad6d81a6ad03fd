"""`pwavenet train-jax` with the preset of `tiny_run` in place of `nano`.

    python jax_command.py FLAGS [--interrupt_after=STEPS]

It also makes sure that nothing loads TensorFlow or TensorFlow Probability.
"""

import sys

import tiny_run

import pwavenet_tf.presets
from pwavenet_tf import cli


def main() -> int:
    tiny = tiny_run.tiny_preset()
    pwavenet_tf.core.presets.preset = lambda name: tiny
    # Neither is there to be imported.
    for name in ("tensorflow", "tensorflow_probability"):
        sys.modules[name] = None
    arguments = []
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name == "--interrupt_after":
            _interrupt_after(int(value))
        else:
            arguments.append(argument)
    return cli.main(["train-jax", *arguments])


def _interrupt_after(steps: int) -> None:
    """Reports after every call, and is interrupted after some steps."""
    from pwavenet_tf.training.jax import run

    run._REPORT_SECONDS = 1e-9
    report = run._Run._report

    def reported(self, seconds):
        report(self, seconds)
        if self._progress.steps == steps:
            raise KeyboardInterrupt

    run._Run._report = reported


if __name__ == "__main__":
    sys.exit(main())
