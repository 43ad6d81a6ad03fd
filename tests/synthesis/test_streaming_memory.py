"""Streams of any length take no more memory than short ones."""

from pathlib import Path

import pytest

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    peak,
    peak_from_here,
    print_figures,
)

MIB = 2**20


@pytest.fixture(autouse=True)
def found_elsewhere(monkeypatch):
    """Another process finds this module."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.slow
def test_ten_minutes_take_as_much_memory_as_one() -> None:
    figures = figures_apart("test_streaming_memory", "python")
    assert figures["later"] - figures["first"] < 4 * MIB


@pytest.mark.slow
def test_a_served_stream_takes_little_for_a_long_part() -> None:
    """Ten seconds at once; all layers' activations would take a gibibyte."""
    figures = figures_apart("test_streaming_memory", "graph")
    assert figures["growth"] < 300 * MIB


def _nano():
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet

    student = ParallelWaveNet.from_preset(preset("nano"))
    student.build()
    return student


def _python() -> None:
    import numpy as np

    from pwavenet_tf.synthesis.student import Synthesizer

    second = np.zeros((80, 80), np.float32)
    synthesizer, samples, first = Synthesizer(_nano()), 0, 0
    for audio in synthesizer.stream(second for _ in range(600)):
        samples += audio.shape[1]
        if not first and samples >= 60 * 16_000:
            first = peak()
    print_figures(first=first, later=peak())


def _graph() -> None:
    import tensorflow as tf

    from pwavenet_tf.export.graphs.signatures import Signatures

    signatures = Signatures(_nano(), {})
    signatures.stream({"mel": tf.zeros((1, 8, 80))})
    before = peak_from_here()
    signatures.stream({"mel": tf.zeros((1, 800, 80))})
    print_figures(growth=peak() - before)


if __name__ == "__main__":
    import sys

    {"python": _python, "graph": _graph}[sys.argv[1]]()
