"""Progress: the bar, the log of reports, and their chart."""

import contextlib
import csv
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.progress import Bar, duration
from pwavenet_tf.training.callbacks.checkpoint import step_of

# Not for the screen: they are in the log.
_LOGGED_ONLY = ("loss", "gradient_", "health_", "sound_", "step")

FILE_NAME = "progress.png"

# Drawing takes a third of a second.
_SECONDS_BETWEEN = 10.0
_WIDTH, _HEIGHT = 4.6, 3.2


class ProgressBar(keras.callbacks.Callback):
    """Shows how far a run is, how fast, and what it has reached.

    The bar counts the optimiser's steps, those before an interruption too, and
    shows the running means that `fit` reports (for a teacher `nats`, nats per
    sample), how many samples are trained on in a second, and the time left. At
    the end of each epoch a line gives these and, in brackets, the same of the
    held-out recordings. Without a terminal the bar is a line every half minute.

    Use it in place of Keras's own bar, with `verbose=0`.

    Args:
        steps: Optimiser steps of the whole run.
        samples_per_step: Samples in a step's loss: clips times their length.
    """

    def __init__(self, steps: int, samples_per_step: int) -> None:
        super().__init__()
        self._steps = steps
        self._samples = samples_per_step

    def on_train_begin(self, logs=None) -> None:
        self._bar = Bar(
            desc="training",
            total=self._steps,
            initial=step_of(self.model),
            unit="step",
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._begun, self._done = time.monotonic(), 0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._done += 1
        speed = self._done / (time.monotonic() - self._begun)
        self._bar.set_postfix_str(
            f"{_formatted(logs)}, {speed * self._samples:,.0f} samples/s",
            refresh=False,
        )
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None) -> None:
        step = step_of(self.model)
        self._bar.write(
            f"step {step:,} of {self._steps:,}: "
            f"{_formatted(logs, held_out=True)}"
        )
        # A log shows it at once.
        sys.stdout.flush()

    def on_train_end(self, logs=None) -> None:
        self._bar.close()


def _formatted(logs: Mapping[str, float], held_out: bool = False) -> str:
    words = []
    for name, value in logs.items():
        if name.startswith(("val_", *_LOGGED_ONLY)):
            continue
        word = f"{name} {value:.3f}"
        if held_out and f"val_{name}" in logs:
            word += f" ({logs[f'val_{name}']:.3f})"
        words.append(word)
    return ", ".join(words)


class ReportLog(keras.callbacks.CSVLogger):
    """Writes the logs of each epoch, with the step and the time.

    As `keras.callbacks.CSVLogger`, with two columns more: `step`, the
    optimiser's, and `seconds`, how long the run has been training, without its
    interruptions. A file that is continued keeps its columns, whatever the
    logs hold now.

    Args:
        path: The file.
        append: Continue the file, if there is one.
    """

    def __init__(self, path: Path, append: bool) -> None:
        super().__init__(str(path), append=append)
        self._path = Path(path)

    def on_train_begin(self, logs=None) -> None:
        columns, self._before = [], 0.0
        if self.append and self._path.exists():
            columns, self._before = _continued(self._path)
        super().on_train_begin(logs)
        self.keys = columns or None
        self._begun = time.monotonic()

    def on_epoch_end(self, epoch, logs=None) -> None:
        seconds = self._before + time.monotonic() - self._begun
        own = {"step": step_of(self.model), "seconds": round(seconds, 1)}
        super().on_epoch_end(epoch, (logs or {}) | own)


def _continued(path: Path) -> tuple[list[str], float]:
    """The columns of a log but for the epoch, and its last time."""
    content = path.read_bytes()
    # A line that a kill has cut off.
    if content and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\r\n")
    rows = read_log(path)
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        columns = next(csv.reader(file), [])
    times = [row["seconds"] for row in rows if "seconds" in row]
    return columns[1:], max(times, default=0.0)


def read_log(path: Path) -> list[dict[str, float]]:
    """The numbers of each line, by column; without a file there are none.

    What is no number is left out, and so are lines without a step, such as one
    that was cut off.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [_numbers(row) for row in csv.DictReader(file)]
    return [row for row in rows if "step" in row]


def _numbers(row: dict) -> dict[str, float]:
    found = {}
    for name, value in row.items():
        with contextlib.suppress(TypeError, ValueError):
            found[name] = float(value)
    return found


class Panel(NamedTuple):
    """Some columns of a log, by their labels, over its steps.

    The unit is that of the vertical axis; a target value is drawn as a line.
    """

    title: str
    unit: str
    lines: dict[str, str]
    target: float | None = None


def _held_out(title: str, unit: str, name: str) -> Panel:
    return Panel(title, unit, {"training": name, "held out": f"val_{name}"})


_SOUND = (
    Panel(
        "log-spectral distance, held out",
        "dB",
        {"to the recordings": "sound_log_spectral_distance"},
    ),
    Panel(
        "level over the recordings', held out",
        "dB",
        {
            "all": "sound_level_db",
            "below 300 Hz": "sound_band_below_300_db",
            "0.3–1 kHz": "sound_band_300_to_1000_db",
            "1–3 kHz": "sound_band_1000_to_3000_db",
            "3–6 kHz": "sound_band_3000_to_6000_db",
            "above 6 kHz": "sound_band_above_6000_db",
        },
        target=0.0,
    ),
)

# By the model's name, in the order in which they are trained.
PANELS = {
    "teacher": (
        _held_out("negative log-likelihood", "nats per sample", "nats"),
        *_SOUND,
    ),
    "phones": (
        _held_out("cross-entropy", "nats per frame", "cross_entropy"),
        _held_out("accuracy", "of all frames", "accuracy"),
    ),
    "acoustic": (
        _held_out(
            "mel spectrogram", "of its standard deviation, absolute", "mel"
        ),
        _held_out("F0", "of its standard deviation, absolute", "pitch"),
        _held_out("ln duration", "squared", "duration"),
        _held_out("voicing", "nats per frame", "voicing"),
    ),
    "student": (
        _held_out("KL", "nats per sample", "kl"),
        _held_out("power loss", "", "power"),
        *_SOUND,
    ),
}
# Of a student that is trained without a teacher.
_SPECTRAL = (
    _held_out("spectral convergence", "", "convergence"),
    _held_out("ln magnitude", "nats, absolute", "log_magnitude"),
    *_SOUND,
)


def _panels(name: str, rows: list[dict[str, float]]) -> tuple[Panel, ...]:
    spectral = name == "student" and "convergence" in rows[-1]
    return _SPECTRAL if spectral else PANELS[name]


def draw_progress(folder: Path) -> Path | None:
    """Draws the logs of the runs in a folder into `progress.png`.

    One row of panels for each of `teacher.csv`, `phones.csv`, `acoustic.csv`
    and `student.csv`: loss on training and held-out clips, and the held-out
    measures of `HeldOutSound`, over steps and training time. Returns the
    picture; None, and none is drawn, where no log has a report.

    Raises:
        UserError: If it can't be written.
    """
    logs = {
        name: rows
        for name in PANELS
        if (rows := read_log(Path(folder) / f"{name}.csv"))
    }
    if not logs:
        return None
    target = Path(folder) / FILE_NAME
    figure = _figure(logs)
    with atomic_write(target) as temporary:
        figure.savefig(temporary, format="png")
    return target


def _figure(logs: dict[str, list[dict[str, float]]]):
    # No pyplot: its global state would keep every figure alive.
    from matplotlib.figure import Figure

    panels = {name: _panels(name, rows) for name, rows in logs.items()}
    columns = max(map(len, panels.values()))
    figure = Figure(
        figsize=(_WIDTH * columns, _HEIGHT * len(logs)),
        dpi=100,
        layout="constrained",
    )
    grid = figure.subplots(len(logs), columns, squeeze=False)
    for row, (name, rows) in zip(grid, logs.items(), strict=True):
        for axes, panel in zip(row, panels[name], strict=False):
            _draw(axes, name, panel, rows)
        for axes in row[len(panels[name]) :]:
            axes.set_axis_off()
    return figure


def _draw(axes, name: str, panel: Panel, rows: list[dict]) -> None:
    for label, column in panel.lines.items():
        points = [
            (row["step"], row[column])
            for row in rows
            if math.isfinite(row.get(column, math.nan))
        ]
        if points:
            axes.plot(*zip(*points, strict=True), ".-", label=label)
    if not axes.lines:
        axes.text(
            *(0.5, 0.5, "not measured"), ha="center", transform=axes.transAxes
        )
    elif len(panel.lines) > 1:
        axes.legend(fontsize="x-small")
    if panel.target is not None:
        axes.axhline(panel.target, color="black", linewidth=0.6)
    axes.set_title(f"{name}: {panel.title}", fontsize="medium")
    axes.set_ylabel(panel.unit)
    axes.grid(alpha=0.3)
    _label_steps(axes, rows)


def _label_steps(axes, rows: list[dict]) -> None:
    """Steps, and below them the time that training has taken."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    steps = [row["step"] for row in rows]
    times = [row.get("seconds", math.nan) for row in rows]

    def label(step: float, _: int) -> str:
        seconds = np.interp(step, [0, *steps], [0, *times])
        outside = not 0 <= step <= steps[-1] or math.isnan(seconds)
        return f"{step:,.0f}\n{'' if outside else duration(seconds)}"

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(label))
    axes.set_xlabel("step, training time", fontsize="small")


class ProgressChart(keras.callbacks.Callback):
    """Draws `progress.png` at each report; see `draw_progress`.

    The first report of a run, and the last, are drawn at once; in between, at
    most one in ten seconds is. A chart that can't be written is reported once
    and does not end the run.

    Place it after `ReportLog`, whose file it draws.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._reported = False

    def on_train_begin(self, logs=None) -> None:
        self._drawn_at, self._is_due = -math.inf, False

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._is_due = True
        if time.monotonic() - self._drawn_at >= _SECONDS_BETWEEN:
            self._draw()

    def on_train_end(self, logs=None) -> None:
        if self._is_due:
            self._draw()

    def _draw(self) -> None:
        try:
            draw_progress(self._folder)
        except UserError as problem:
            if not self._reported:
                print(f"no chart of the progress: {problem}", flush=True)
            self._reported = True
        self._drawn_at, self._is_due = time.monotonic(), False
