"""The benchmark of a student's routes: all have the same output."""

import pytest
from benchmark_rows import flat

from pwavenet_tf.cli.benchmark import student as routes
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet


@pytest.mark.slow
def test_every_route_is_measured_on_the_same_sound(monkeypatch) -> None:
    for package in ("ai_edge_litert", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package)
    monkeypatch.setattr(routes, "_LENGTHS", (1, 11))
    student = ParallelWaveNet.from_preset(preset("nano"))
    student.build()
    rows = flat(routes.measure_routes(student, "nano", quick=False))
    assert not any(row.note for row in rows)
    found = {row.setting: row.median for row in rows}
    for kind in ("Keras", "SavedModel", "TFLite", "ONNX"):
        assert found[f"nano, {kind}, size"] > 4 * student.count_params()
    for route in routes._ROUTES:
        setting = f"nano, {route}"
        if route != "Keras":
            assert found[f"{setting}, difference"] < 1e-4
            assert found[f"{setting}, SNR"] > 80
        assert found[f"{setting}, memory"] > 0
        assert 0 < found[f"{setting}, 1 s"] < found[f"{setting}, 11 s"]
