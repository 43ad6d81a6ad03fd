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
    speech = [tiny_models.mel(1, 60, seed) for seed in (1, 2)]
    rows = list(tflite.measure_variants(student, "tiny", speech))
    found = {row.setting: row.median for row in rows}

    def figures(name: str) -> list[float]:
        return [found[f"tiny, {variant}, {name}"] for variant in VARIANTS]

    sizes = dict(zip(VARIANTS, figures("size"), strict=True))
    assert sizes["float32"] > sizes["float16"] > sizes["int8-dynamic"]
    ratios = figures("SNR")
    assert ratios == sorted(ratios, reverse=True)
    assert min(figures("block, 1 thread") + figures("memory")) > 0
