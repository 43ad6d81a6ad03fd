"""The runs of a folder as one picture, to see whether they still improve."""

import dataclasses
import math
import time
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.callbacks.report_log import read_log
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside

FILE_NAME = "progress.png"

# Drawing takes a third of a second.
_SECONDS_BETWEEN = 10.0
_WIDTH, _HEIGHT = 4.6, 3.2


@dataclasses.dataclass(frozen=True)
class Panel:
    """Some columns of a log over its steps.

    Attributes:
        title: What is shown.
        unit: Of the vertical axis.
        lines: Column by label.
        target: A value that is drawn as a line to reach; None for none.
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
    "student": (
        _held_out("KL", "nats per sample", "kl"),
        _held_out("power loss", "", "power"),
        *_SOUND,
    ),
}


def draw_progress(folder: Path) -> Path | None:
    """Draws the logs of the runs in a folder into `progress.png`.

    One row of panels for each of `teacher.csv`, `phones.csv` and
    `student.csv`: loss on training and held-out clips, and the held-out
    measures of `HeldOutSound`, over steps and training time.

    Args:
        folder: Of the runs.

    Returns:
        The picture; None, and none is drawn, where no log has a report.

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
    with written_aside(target) as aside:
        figure.savefig(aside, format="png")
    return target


def _figure(logs: dict[str, list[dict[str, float]]]):
    # No pyplot: its global state would keep every figure alive.
    from matplotlib.figure import Figure

    columns = max(len(PANELS[name]) for name in logs)
    figure = Figure(
        figsize=(_WIDTH * columns, _HEIGHT * len(logs)),
        dpi=100,
        layout="constrained",
    )
    grid = figure.subplots(len(logs), columns, squeeze=False)
    for row, (name, rows) in zip(grid, logs.items(), strict=True):
        for axes, panel in zip(row, PANELS[name], strict=False):
            _draw(axes, name, panel, rows)
        for axes in row[len(PANELS[name]) :]:
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
            *(0.5, 0.5, "not measured"),
            ha="center",
            transform=axes.transAxes,
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
        return f"{step:,.0f}\n{'' if outside else _duration(seconds)}"

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(label))
    axes.set_xlabel("step, training time", fontsize="small")


def _duration(seconds: float) -> str:
    """In the largest unit of which there is one: `40 s`, `25 min`, `3.2 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3_600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


class ProgressChart(keras.callbacks.Callback):
    """Draws `progress.png` anew at each report; see `draw_progress`.

    The first report of a run, and the last, are drawn at once; in between, at
    most one in ten seconds is. A picture that can't be written is
    told of once and ends no run.

    Place it behind `ReportLog`, whose file it draws.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._told = False

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
            if not self._told:
                print(f"no chart of the progress: {problem}", flush=True)
            self._told = True
        self._drawn_at, self._is_due = time.monotonic(), False
