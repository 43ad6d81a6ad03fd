"""A benchmark's rows: what follows from them, and how they are shown."""

import dataclasses
import json

import pytest

from pwavenet_tf.cli.benchmark.machine import processor_of
from pwavenet_tf.cli.benchmark.report import (
    Report,
    comparison,
    draw_shares,
    read_report,
    table,
)
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.screen import text_table

NETWORK = Row(
    "nano, 10 s",
    (0.25, 0.5, 1.0),
    sound=10.0,
    operations=50e9,
    what="student",
    peak=200.0,
)
SIZE = Row("nano, size", (3.0 * 2**20,), "bytes", what="student")
ABSENT = Row("nano, ONNX", (), note="not measured: no onnx", what="student")
MACHINE = {"processor": "One", "cores": 2}
REPORT = Report(MACHINE, {"numpy": "2.0"}, [NETWORK, SIZE, ABSENT])
CPUINFO = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni
"""


def test_what_follows_from_the_runs() -> None:
    assert NETWORK.median == 0.5
    assert NETWORK.real_time == 20.0
    assert NETWORK.gflops == 100.0
    assert NETWORK.share == 0.5
    assert SIZE.real_time is SIZE.gflops is SIZE.share is None
    assert ABSENT.median is None


def test_runs_take_turns_behind_one_that_prepares() -> None:
    called: list[int] = []
    runs = [lambda one=one: called.append(one) for one in (1, 2)]
    first, second = timings(*runs, quick=True)
    assert len(first) == len(second) == 2
    assert called == [1, 2, 1, 2, 1, 2]
    assert len(timings(*runs, quick=False)[0]) >= 3


def test_a_table_has_the_columns_that_its_rows_fill() -> None:
    header, network, size, absent = table(REPORT.rows)
    columns = ["median", "least", "most", "×", "real", "time", "GFLOP/s"]
    assert header.split() == ["student", *columns, "of", "peak"]
    figures = ["0.500", "s", "0.250", "s", "1", "s", "20", "100", "50", "%"]
    assert network.split() == ["nano,", "10", "s", *figures]
    assert size.split() == ["nano,", "size", "3.0", "MiB"]
    assert absent == "nano, ONNX: not measured: no onnx"
    assert table([SIZE])[0].split() == ["student", "median"]
    assert table([ABSENT]) == ["nano, ONNX: not measured: no onnx"]


def test_a_report_is_read_as_it_was_written(tmp_path) -> None:
    file = tmp_path / "speed.json"
    REPORT.write(file)
    assert read_report(file) == REPORT
    assert json.loads(file.read_text())["rows"][0]["share"] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "\x00", "[" * 100_000, '{"rows": 3}'),
        '{"rows": [{"values": 1}], "machine": {}, "versions": {}}',
        '{"rows": [], "machine": 3, "versions": {}}',
    ],
)
def test_any_other_file_is_refused_in_one_line(text, tmp_path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(UserError, match="bad.json: holds no figures"):
        read_report(file)


def test_rows_are_compared_by_measurement_and_setting() -> None:
    faster = dataclasses.replace(NETWORK, values=(0.25,))
    new = dataclasses.replace(NETWORK, setting="nano, 60 s")
    here = Report(MACHINE, {"numpy": "2.0"}, [faster, new, ABSENT])
    lines = comparison(here, REPORT)
    header, network, added, absent, gone = map(str.split, lines)
    assert header[:3] == ["then", "now", "ratio"]
    of_both = ["0.500", "s", "0.250", "s", "0.500", "50", "%", "100", "%"]
    assert network == ["student:", "nano,", "10", "s", *of_both]
    assert added == ["student:", "nano,", "60", "s", "0.500", "s", "50", "%"]
    assert absent == ["student:", "nano,", "ONNX"]
    assert gone == ["student:", "nano,", "size", "3.0", "MiB"]


def test_other_hardware_and_versions_are_told_first() -> None:
    other = {"processor": "Two", "cores": 2, "memory": "1 GiB"}
    lines = comparison(Report(other, {"numpy": "2.1"}, []), REPORT)
    assert lines[:5] == [
        "hardware differs:",
        "  processor: One then, Two now",
        "  memory: ? then, 1 GiB now",
        "versions differ:",
        "  numpy: 2.0 then, 2.1 now",
    ]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_chart_has_a_bar_for_each_share(suffix, tmp_path) -> None:
    files = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for file in files:
        draw_shares(file, REPORT.rows)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    if suffix == "svg":
        assert b"nano, 10 s" in first and b"nano, size" not in first
    else:
        assert first.startswith(b"\x89PNG")


def test_nothing_to_draw_is_an_error(tmp_path) -> None:
    with pytest.raises(UserError, match="nothing to draw"):
        draw_shares(tmp_path / "a.png", [SIZE, ABSENT])
    assert not list(tmp_path.iterdir())


def test_the_processor_and_its_instructions() -> None:
    found = processor_of(CPUINFO)
    assert found == ("AMD EPYC", ["AVX2", "AVX-512F", "VNNI"])
    assert processor_of("") == ("", [])


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_table_is_as_wide_as_its_widest_cells(indent) -> None:
    rows = [("", "left", "right"), ("a long name", 1, 22), ("end",)]
    assert text_table(rows, indent) == [
        indent + "             left  right",
        indent + "a long name     1     22",
        indent + "end",
    ]
    assert text_table([]) == []
