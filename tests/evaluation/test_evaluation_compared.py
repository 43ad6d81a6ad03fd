"""Claims about intervals, differences and missing measures in the report."""

import math
import sys

import pytest
from tiny_report import Page, written

from pwavenet_tf.evaluation.intervals import Series
from pwavenet_tf.evaluation.per_recording import (
    differences,
    intervals,
    screen_table,
)
from pwavenet_tf.evaluation.perceptual_measures import INSTALL
from pwavenet_tf.evaluation.quality import measure_all
from pwavenet_tf.evaluation.report.tables import quality_section

VALUES = {
    system: {
        name: Series.of([value, value + 0.5, math.nan])
        for name in ("pesq_wide_band", "octave_1000", "voicing_error")
    }
    for system, value in (("recording", 4.0), ("a", 2.25), ("Griffin-Lim", 1.5))
}


def page(tmp_path) -> Page:
    metrics = {
        system: {name: series.mean for name, series in of.items()}
        for system, of in VALUES.items()
    }
    section = quality_section(intervals(VALUES), differences(VALUES, ["a"], {}))
    return Page(written(tmp_path / "r.html", metrics=metrics, quality=section))


def test_the_page_shows_means_intervals_octaves_and_differences(
    tmp_path, monkeypatch
):
    pytest.importorskip("pesq", reason="PESQ is not installed")
    text = " ".join(page(tmp_path).text.split())
    assert "PESQ, wide band MOS-LQO · higher is better" in text
    assert "2.502.25 to 2.75" in text
    assert "1,000 Hz" in text
    assert "a less" in text
    assert "0.7500.750 to 0.750" in text


def test_without_the_extra_the_page_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    assert page(tmp_path).text.count(INSTALL) == 1


def test_the_screen_shows_every_system_or_how_to_get_the_measure(monkeypatch):
    from test_evaluation_quality import RATE, gliding_speech

    speech = gliding_speech(0.5)
    measured = measure_all(speech, speech, RATE)
    values = {
        name: {key: Series.of([one, one]) for key, one in measured.items()}
        for name in ("recording", "a")
    }
    monkeypatch.setitem(sys.modules, "pesq", None)
    lines = screen_table(values).splitlines()
    assert lines[0] == f"PESQ, wide band, MOS-LQO: {INSTALL}"
    assert lines[1] == "STOI"
    system, mean, *bounds = lines[2].split()
    assert system == "a" and float(mean) == pytest.approx(1, abs=0.01)
    assert bounds == [f"({mean}", "to", f"{mean})"]
