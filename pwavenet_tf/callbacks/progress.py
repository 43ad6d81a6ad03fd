"""A run on the screen: one bar for all its steps, one line for each report."""

import time
from collections.abc import Mapping

import keras
from tqdm import tqdm

from pwavenet_tf.callbacks.checkpoint import step_of

# Not for the screen: they are in the log.
_LOGGED_ONLY = ("loss", "gradient_", "health_", "sound_", "step")


class ProgressBar(keras.callbacks.Callback):
    """Shows how far a run is, how fast, and what it has reached.

    The bar counts the optimiser's steps, those before an interruption too,
    and tells what `fit` reports as running means (for a teacher `nats`, nats
    per sample), how many samples are learnt from in a second, and the time
    left. At the end of each epoch a line tells these and, in brackets, the
    same of the held-out recordings. Without a terminal there are the lines
    alone.

    Use it in place of Keras's own bar, with `verbose=0`.

    Args:
        steps: Optimiser steps of the whole run.
        samples_per_step: Samples that count in a step: clips times their
            length.
    """

    def __init__(self, steps: int, samples_per_step: int) -> None:
        super().__init__()
        self._steps = steps
        self._samples = samples_per_step
        self._bar = None

    def on_train_begin(self, logs=None) -> None:
        self._bar = tqdm(
            total=self._steps,
            initial=step_of(self.model),
            unit="step",
            disable=None,
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._begun, self._done = time.monotonic(), 0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._done += 1
        speed = self._done / (time.monotonic() - self._begun)
        self._bar.set_postfix_str(
            f"{_told(logs)}, {speed * self._samples:,.0f} samples/s",
            refresh=False,
        )
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None) -> None:
        step = step_of(self.model)
        self._bar.write(
            f"step {step:,} of {self._steps:,}: {_told(logs, held_out=True)}"
        )

    def on_train_end(self, logs=None) -> None:
        self._bar.close()


def _told(logs: Mapping[str, float], held_out: bool = False) -> str:
    words = []
    for name, value in logs.items():
        if name.startswith(("val_", *_LOGGED_ONLY)):
            continue
        word = f"{name} {value:.3f}"
        if held_out and f"val_{name}" in logs:
            word += f" ({logs[f'val_{name}']:.3f})"
        words.append(word)
    return ", ".join(words)
