"""What it costs to prepare a corpus, by its hours.

Run as a module with a number of minutes, it prepares so much audio and prints
the time and the peak memory that this takes.
"""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    peak,
    peak_from_here,
    print_figures,
)
from pwavenet_tf.core.imports import import_tensorflow
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.corpus.prepare import prepare

_MINUTES = (15, 30, 60)
_FILE_SECONDS = 10
# Of most corpora: so the preparation has to resample.
_RATE = 22_050


def measure_preparation() -> dict[int, dict[str, float]]:
    """`prepare` with nano's mel spectrogram, a fresh process for each size.

    Returns:
        For each number of minutes of audio at 22,050 Hz in files of ten
        seconds: `seconds`; `times_real_time`, how many times as fast as real
        time that is; `bytes`, by how much the peak memory grew.
    """
    return {
        minutes: figures_apart(__name__, str(minutes))
        for minutes in Bar(_MINUTES, desc="preparation")
    }


def write_recordings(folder: Path, minutes: float) -> None:
    """Writes files of noise in syllables, no two alike."""
    random = np.random.default_rng(0)
    samples = _RATE * _FILE_SECONDS
    loudness = np.sin(np.pi * np.arange(samples) / (_RATE / 4)) ** 2
    for number in range(round(60 * minutes / _FILE_SECONDS)):
        noise = random.standard_normal(samples)
        write_audio(folder / f"{number}.wav", 0.05 * loudness * noise, _RATE)


def _prepared(minutes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        recordings.mkdir()
        write_recordings(recordings, minutes)
        import_tensorflow()
        before, started = peak_from_here(), time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            prepare(recordings, Path(folder) / "data", preset("nano"))
        seconds = time.perf_counter() - started
        return {
            "seconds": seconds,
            "times_real_time": 60 * minutes / seconds,
            "bytes": peak() - before,
        }


if __name__ == "__main__":
    print_figures(**_prepared(int(sys.argv[1])))
