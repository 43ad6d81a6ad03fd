"""The benchmark of .tflite files: what it measures is so."""

import pytest
import tiny_models

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from pwavenet_tf.cli.benchmark import tflite  # noqa: E402
from pwavenet_tf.export.tflite import VARIANTS  # noqa: E402


@pytest.mark.slow
def test_it_has_figures_of_every_variant(monkeypatch) -> None:
    monkeypatch.setattr(tflite, "_SYNTHESIZED_SECONDS", 1)
    monkeypatch.setattr(tflite, "_BLOCKS", 3)
    student = tiny_models.student(residual_channels=32, gate_channels=32)
    figures = tflite.measure(
        student, [tiny_models.mel(1, 60, seed) for seed in (1, 2)]
    )
    assert tuple(figures) == VARIANTS
    sizes = {variant: one["bytes"] for variant, one in figures.items()}
    assert sizes["float32"] > sizes["float16"] > sizes["int8-dynamic"]
    ratios = [figures[variant]["snr_db"] for variant in VARIANTS]
    assert ratios == sorted(ratios, reverse=True)
    for one in figures.values():
        assert one["real_time_1"] > 0
        assert one["real_time_2"] > 0
        assert one["peak_bytes"] > 0
