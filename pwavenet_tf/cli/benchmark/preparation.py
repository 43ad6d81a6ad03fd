"""What it costs to prepare a corpus, by its hours.

Run as a module with a number of minutes, it prepares so much audio and prints
the time and the peak memory that this takes.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    peak_growth,
    print_figures,
)
from pwavenet_tf.cli.benchmark.rows import Row
from pwavenet_tf.core.imports import import_tensorflow
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.prepare import prepare

_MINUTES = (15, 30, 60)
_FILE_SECONDS = 10
# Of most corpora: so the preparation has to resample.
_RATE = 22_050
# Behind the one that memory is measured in.
_RUNS = 2


def measure(quick: bool) -> Iterator[Row]:
    """`prepare` with nano's mel spectrogram, a fresh process for each size.

    Audio at 22,050 Hz in files of ten seconds, by how many minutes there are.
    """
    for minutes in (1,) if quick else _MINUTES:
        found = figures_apart(__name__, str(minutes))
        values = tuple(found["seconds"])
        yield Row(f"{minutes} minutes", values, sound=60 * minutes)
        yield Row(f"{minutes} minutes, memory", (found["bytes"],), "bytes")


def write_recordings(folder: Path, minutes: float) -> None:
    """Writes files of noise in syllables, no two alike."""
    random = np.random.default_rng(0)
    samples = _RATE * _FILE_SECONDS
    loudness = np.sin(np.pi * np.arange(samples) / (_RATE / 4)) ** 2
    for number in range(round(60 * minutes / _FILE_SECONDS)):
        noise = random.standard_normal(samples)
        write_audio(folder / f"{number}.wav", 0.05 * loudness * noise, _RATE)


def _prepared(minutes: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = folder / "recordings"
        recordings.mkdir()
        write_recordings(recordings, minutes)
        import_tensorflow()

        def run() -> None:
            with (
                contextlib.redirect_stdout(sys.stderr),
                tempfile.TemporaryDirectory(dir=folder) as out,
            ):
                prepare(recordings, Path(out), nano)

        nano, times = preset("nano"), []
        grown = peak_growth(run)
        for _ in range(_RUNS):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        return {"seconds": times, "bytes": grown}


if __name__ == "__main__":
    print_figures(**_prepared(int(sys.argv[1])))
