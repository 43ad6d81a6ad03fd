"""A run: trains for some minutes, and writes all it has every minute."""

import csv
import math
import time
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus
from pwavenet_tf.training.fit import clip_shape, frames_around
from pwavenet_tf.training.jax.jobs import Job
from pwavenet_tf.training.jax.schedule import Budget, Schedule, momenta
from pwavenet_tf.training.jax.state import (
    Progress,
    fingerprint,
    load_state,
    save_state,
)
from pwavenet_tf.training.jax.steps import Steps

_REPORT_SECONDS = 60.0
# A validation takes about so much of the time between two.
_VALIDATION_SHARE = 0.05
# A step without its backward pass.
_TEST_OF_STEP = 1 / 3

# What the screen shows of all metrics, by the kind of model.
_SHOWN = {"teacher": ("nats",), "student": ("kl", "power", "level")}


def state_file(out: Path, name: str) -> Path:
    """The file from which a run of this name resumes."""
    return Path(out) / f"{name}.state.npz"


def train(
    job: Job,
    corpus: NumpyCorpus,
    out: Path,
    minutes: float | None = None,
    steps: int | None = None,
    resume: Path | None = None,
    seed: int = 0,
) -> Path:
    """Trains, writes `out/teacher.keras` or `out/student.keras`, its path.

    Every minute and at the end three files are written: the model with its
    averaged weights, the state to resume from, and a line of the log, with the
    held-out metrics of the averaged weights.

    The learning rate follows the share of the run that is done; see
    `pwavenet_tf.training.jax.schedule`. A run that was interrupted resumes at
    its share. One that had ended trains for as long again, and its learning
    rate rises and falls again. Without a state to resume from, it is that in
    `out`, if there is one.

    The minutes are those of training, without the compilation; the steps are
    rounded up to whole calls, and are those of the settings if both are left
    out. The seed is that of the order of the clips.
    """
    settings = job.settings
    if minutes is None and steps is None:
        steps = settings.steps
    print(f"The {job.name} has {job.model.count_params():,} weights.")
    around = frames_around(job.fitted)
    shape = clip_shape(corpus, settings, job.left_context, around)
    job.fitted.compile(
        keras.optimizers.Adam(
            settings.learning_rate, global_clipnorm=settings.clip_norm
        ),
        jit_compile=True,
    )
    loop = Steps(
        job.fitted,
        corpus.training_clips(**shape, seed=seed),
        corpus.validation_clips(**shape),
    )
    path = resume or state_file(out, job.name)
    progress = Progress(fingerprint(job.network))
    if resume or path.exists():
        arrays, progress = load_state(path, loop.arrays(), progress.model)
        loop.load(arrays)
        if progress.share >= 1.0:
            progress.share, progress.run_steps = 0.0, 0
        print(
            f"Resuming from {path}: step {progress.steps:,}, "
            f"{progress.share:.0%} of a run."
        )
    _Run(job, loop, progress, Budget(minutes, steps, progress.share), out).go()
    return _model_file(out, job.name)


class _Run:
    """The loop between two moments: when it begins and when its time is up."""

    def __init__(
        self, job: Job, loop: Steps, progress: Progress, budget: Budget, out
    ) -> None:
        self._job, self._loop, self._out = job, loop, Path(out)
        self._progress, self._budget = progress, budget
        self._schedule = Schedule(job.settings.learning_rate)
        if budget.steps:
            self._schedule = Schedule.of_steps(
                job.settings.learning_rate, budget.steps
            )
        self._minutes_before = progress.minutes
        self._steps_before = progress.steps
        self._call_seconds = 0.0

    def go(self) -> None:
        """Trains until the time is up or the steps are done."""
        print("Compiling the step ...", flush=True)
        print(f"Compiled in {self._loop.compile():.0f} s.", flush=True)
        self._begun = time.monotonic()
        where = self._loop.places(self._progress.clips)
        reported, compiled = self._begun, False
        while not self._over():
            where = self._call(where)
            if not compiled:
                # What it takes is not the training's time.
                self._begun += self._compile_validation()
                reported, compiled = self._begun, True
            now = time.monotonic()
            if now - reported >= _REPORT_SECONDS or self._over():
                self._report()
                reported = now

    def _over(self) -> bool:
        done = self._progress.steps - self._steps_before
        # The nearest end of a call to the end of the time.
        seconds = time.monotonic() - self._begun + self._call_seconds / 2
        return self._budget.share(seconds, done) >= 1.0

    def _call(self, where):
        """Trains on clips; returns where the next ones are."""
        loop, progress = self._loop, self._progress
        begun, count = time.monotonic(), loop.steps_per_call
        done = progress.steps - self._steps_before
        share = self._budget.share(begun - self._begun, done)
        each = self._budget.part(self._step_seconds(), 1)
        # So that a run in two parts has the same, to the last bit.
        shares = np.round(share + each * np.arange(count), 9)
        rates = self._schedule.rates(shares)
        self._rate = float(rates[0])
        loop.train(where, rates, momenta(progress.run_steps, count))
        progress.steps += count
        progress.run_steps += count
        progress.clips += count * self._job.settings.batch_size
        # While the device works.
        following = loop.places(progress.clips)
        loop.wait()
        now = time.monotonic()
        self._call_seconds = now - begun
        progress.minutes = self._minutes_before + (now - self._begun) / 60
        progress.share = self._budget.share(now - self._begun, done + count)
        return following

    def _compile_validation(self) -> float:
        seconds = _VALIDATION_SHARE * _REPORT_SECONDS
        each = self._step_seconds() * _TEST_OF_STEP
        batches = max(1, math.floor(seconds / each))
        taken = self._loop.compile_validation(batches)
        print(f"The validation was compiled in {taken:.0f} s.", flush=True)
        return taken

    def _report(self) -> None:
        job, progress = self._job, self._progress
        found = self._loop.metrics()
        held_out = self._loop.validation_metrics()
        if not all(map(math.isfinite, found.values())):
            raise UserError(
                f"the loss is no longer a finite number at step "
                f"{progress.steps}; the files of the last minute in "
                f"{self._out} are kept: lower --learning_rate"
            )
        if self._over():
            progress.share = 1.0
        self._loop.store_averages()
        job.model.set_weights(job.network.get_weights())
        with atomic_write(_model_file(self._out, job.name)) as temporary:
            job.model.save(temporary)
        path = state_file(self._out, job.name)
        save_state(path, self._loop.arrays(), progress)
        row = {
            "minutes": round(progress.minutes, 3),
            "step": progress.steps,
            "share": round(progress.share, 4),
            "learning_rate": self._rate,
        }
        row |= found | {f"val_{key}": one for key, one in held_out.items()}
        _log(self._out / f"{job.name}.csv", row)
        shown = ", ".join(
            f"{key} {found[key]:.3f} ({held_out[key]:.3f})"
            for key in _SHOWN[job.name]
        )
        print(
            f"minute {progress.minutes:.1f}, {progress.share:.0%}: step "
            f"{progress.steps:,}, {1e3 * self._step_seconds():.2f} ms each, "
            f"{shown}",
            flush=True,
        )

    def _step_seconds(self) -> float:
        return self._call_seconds / self._loop.steps_per_call


def _model_file(out: Path, name: str) -> Path:
    return Path(out) / f"{name}.keras"


def _log(path: Path, row: dict) -> None:
    """Adds a line to a CSV file, and the header to a new one."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
