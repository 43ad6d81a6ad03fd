"""`pwavenet benchmark` from the command line, on the quickest measurement."""

import json

import pytest

from pwavenet_tf import cli
from pwavenet_tf.cli.benchmark import peak
from pwavenet_tf.cli.benchmark.report import Report, comparison
from pwavenet_tf.cli.benchmark.rows import Row


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with more flags; returns status and JSON file."""
    monkeypatch.setattr(peak, "_QUICK_SIZE", 64)
    monkeypatch.setattr(peak, "_OPERATIONS", 1e6)

    def run(*flags: str) -> tuple:
        file = tmp_path / "speed.json"
        given = ["--quick", "--only=peak", f"--out={file}", *flags]
        return cli.main(["benchmark", *given]), file

    return run


def test_figures_are_printed_written_drawn_and_compared(
    run, tmp_path, capsys
) -> None:
    status, file = run()
    assert status == 0
    printed = capsys.readouterr().out
    stored = json.loads(file.read_text())
    assert stored["machine"]["cores"] >= 1
    assert stored["versions"]["tensorflow"] in printed
    float32, *_ = rows = stored["rows"]
    assert [row["what"] for row in rows] == ["peak"] * 3
    assert float32["setting"] == "float32, 64×64×64"
    assert float32["gflops"] == pytest.approx(
        float32["operations"] / float32["median"] / 1e9
    )
    assert float32["share"] > 0 and len(float32["values"]) == 2
    for row in rows:
        assert row["setting"] in printed and (row["values"] or row["note"])

    chart = tmp_path / "speed.svg"
    assert run(f"--compare={file}", f"--chart={chart}")[0] == 0
    printed = capsys.readouterr().out
    assert "peak: float32, 64×64×64" in printed and "ratio" in printed
    assert "differ" not in printed
    assert "peak: float32" in chart.read_text("utf-8")


def test_a_bad_file_to_compare_with_is_found_before_measuring(
    run, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(peak, "measure", lambda quick: pytest.fail("measured"))
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    assert run(f"--compare={bad}")[0] == 2
    line = capsys.readouterr().err
    assert "bad.json: holds no figures" in line and line.count("\n") == 1


def test_an_empty_chart_is_refused_before_measuring(tmp_path, capsys) -> None:
    flags = ["--only=draws", f"--chart={tmp_path}/a.svg", "--quick"]
    assert cli.main(["benchmark", *flags, f"--out={tmp_path}/a.json"]) == 2
    assert "would be empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_comparison_leaves_out_what_was_not_measured_again() -> None:
    rows = [Row("one", (2.0,), what="peak"), Row("two", (1.0,), what="draws")]
    lines = comparison(Report({}, {}, rows[:1]), Report({}, {}, rows))
    assert any("one" in line for line in lines)
    assert not any("two" in line for line in lines)


def test_a_share_is_of_the_peak_on_either_side(monkeypatch) -> None:
    """Also behind a row that counts no operations."""
    seconds = iter((1.0, 1.0, 2.0))
    monkeypatch.setattr(
        peak,
        "_timed",
        lambda *_: {"values": (next(seconds),), "operations": 4e9},
    )
    rows = Row("size", (1.0,), "bytes"), Row("time", (1.0,), operations=1e9)
    _, timed = peak.with_peak("any", rows, True)
    assert timed.peak == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--chart=speed.pdf", "is neither PNG nor SVG"),
        ("--only=peaks", "did you mean --only=peak?"),
        ("--compare=absent.json", "does not exist"),
    ],
)
def test_a_mistake_is_one_line(run, flag, message, capsys) -> None:
    assert run(flag)[0] == 2
    line = capsys.readouterr().err
    assert message in line and line.count("\n") == 1
