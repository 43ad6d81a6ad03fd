"""The log of a run: one line of a CSV file for each report."""

import csv
import time
from pathlib import Path

import keras

from pwavenet_tf.callbacks.checkpoint import step_of


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
    """The numbers of each line, by column; what is none is left out.

    Lines without a step, such as one that was cut off, are left out too.

    Args:
        path: The log; without one there are no lines.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [_numbers(row) for row in csv.DictReader(file)]
    return [row for row in rows if "step" in row]


def _numbers(row: dict) -> dict[str, float]:
    found = {}
    for name, value in row.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue
    return found
