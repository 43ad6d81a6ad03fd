"""The benchmark's figures on the screen and in its file."""

import json

import pytest

from pwavenet_tf import cli
from pwavenet_tf.cli import benchmark
from pwavenet_tf.cli.commands.benchmark import shown
from pwavenet_tf.core.screen import text_table

FIGURES = {
    "synthesis.measure_teachers": {"nano": {"parameters": 397_000}},
    "synthesis.measure_batches": {1: {"all": 20.0, "each": 20.0}},
    "synthesis.measure_length": {"first_microseconds": 47.0},
    "synthesis.measure_student": {"graph": 390_000.0, "xla": 460_000.0},
    "likelihood.measure_log_prob": {
        "difference_nats": 1e-5,
        "graph": {"ours_seconds": 0.25, "ours_bytes": 3 * 2**20},
        "xla": {"ours_seconds": 0.125},
    },
    "inner_draws.measure_inner_draws": {1: {"seconds": 2.0}},
    "preparation.measure_preparation": {15: {"seconds": 3.0}},
    "pipeline.measure_pipeline": {"ratio": 27.0},
    "mixed_precision.measure_mixed_precision": {"float32": {"seconds": 4.0}},
    "routes.measure_routes": {"ONNX": {"snr_db": 124.0}},
    "routes.measure_throughput": {1: 23.0, 2: 25.0},
    "tflite.measure_presets": {
        "nano": {"float32": {"bytes": 2**20}},
        "paper": {"float32": {"bytes": 2**21}},
    },
}


def test_every_measurement_is_on_the_screen_and_in_the_file(
    tmp_path, capsys, monkeypatch
) -> None:
    for name, figures in FIGURES.items():
        measure = f"{benchmark.__name__}.{name}"
        monkeypatch.setattr(measure, lambda figures=figures: figures)
    file = tmp_path / "speed.json"
    assert cli.main(["benchmark", f"--out={file}"]) == 0
    written = list(json.loads(file.read_text()).values())
    assert written == json.loads(json.dumps(list(FIGURES.values())))
    printed = capsys.readouterr().out
    assert printed.count("\n\n") == len(FIGURES)
    for figure in ("397,000", "27", "4 s", "124", "tflite, paper"):
        assert figure in printed


def test_cases_are_columns_and_units_are_those_of_the_names() -> None:
    lines = shown("it", FIGURES["likelihood.measure_log_prob"])
    assert [line.split() for line in lines] == [
        ["it", "graph", "xla"],
        ["difference", "nats", "1.0×10⁻⁵"],
        ["ours", "seconds", "0.250", "s", "0.125", "s"],
        ["ours", "bytes", "3.0", "MiB"],
    ]
    assert lines[0].index("graph") + 5 == lines[2].index("0.250 s") + 7


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_table_is_as_wide_as_its_widest_cells(indent) -> None:
    rows = [("", "left", "right"), ("a long name", 1, 22), ("end",)]
    assert text_table(rows, indent) == [
        indent + "             left  right",
        indent + "a long name     1     22",
        indent + "end",
    ]
    assert text_table([]) == []
