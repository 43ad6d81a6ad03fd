"""The benchmark of routes: all have the same output."""

import pytest

from pwavenet_tf.cli.benchmark import routes
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet


@pytest.mark.slow
def test_every_route_is_measured_on_the_same_sound(monkeypatch) -> None:
    for package in ("ai_edge_litert", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package)
    monkeypatch.setattr(routes, "_LONG_SECONDS", 11)
    student = ParallelWaveNet.from_preset(preset("nano"))
    student.build()
    figures = routes.measure_routes(student)
    assert len(figures) == 6
    for one in figures.values():
        assert one["difference"] < 1e-4 and one["snr_db"] > 80
        assert one["bytes"] > 4 * student.count_params()
        assert one["long_bytes"] > 0
        assert 0 < one["second_seconds"] < one["ten_seconds_seconds"]
