"""Claims about the report's pictures, curves and printed numbers."""

import io
import math
import re

import numpy as np
import pytest
from drawn import paths, texts
from PIL import Image

from pwavenet_tf.core.html import format_number
from pwavenet_tf.evaluation.report.charts import (
    Curve,
    draw_calibration,
    draw_curve,
)
from pwavenet_tf.evaluation.report.figures import draw_encodings, draw_systems
from pwavenet_tf.evaluation.report.tables import best_systems, format_setting

RATE = 16_000


def tone(hertz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.mark.parametrize(
    "name, values, best",
    [
        ("log_spectral_distance", {"recording": 0, "a": 2, "b": 3}, {"a"}),
        ("samples_per_second", {"a": 2.0, "b": 3.0}, {"b"}),
        ("standard_deviation", {"recording": 2, "a": 1.5, "b": 2.2}, {"b"}),
        ("standard_deviation", {"a": 1.5, "b": 2.2}, set()),
        ("log_spectral_distance", {"a": 2.0, "b": 2.0, "c": 4.0}, {"a", "b"}),
        ("log_spectral_distance", {"a": 2.0, "b": None}, set()),
        ("log_spectral_distance", {"a": math.nan, "b": 1, "c": 2}, {"b"}),
        ("unheard_of", {"a": 1.0, "b": 2.0}, set()),
    ],
)
def test_best_voice_is_the_one_the_metric_favours(name, values, best):
    assert best_systems(name, values) == best


@pytest.mark.parametrize(
    "value, printed",
    [
        (10.134, "10.1"),
        (9.999, "10.0"),
        (0.07012, "0.0701"),
        (-6.503, "−6.50"),
        (24_317.4, "24,300"),
        (16_000, "16,000"),
        (0.0, "0"),
        (-3.77e-7, "−3.8×10⁻⁷"),
        (1.5e12, "1.5×10¹²"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_are_printed_for_readers(value, printed):
    assert format_number(value) == printed


@pytest.mark.parametrize(
    "value, printed",
    [
        (True, "yes"),
        (None, "–"),
        ((), "–"),
        (24_000, "24,000"),
        (2e-3, "0.002"),
        ((10, 20), "10, 20"),
        (((1, 2), (1, 2, 4)), "1, 2; 1, 2, 4"),
        (list(range(80)), "0, 1, 2, 3, …, 79 (80 values)"),
        ("nano", "nano"),
    ],
)
def test_settings_are_printed_for_readers(value, printed):
    assert format_setting(value) == printed


def test_pictures_of_a_sentence_share_their_time_axis():
    pictures = draw_systems(
        {"long": tone(999, 1), "half": tone(999, 0.5)}, RATE
    )
    # Where the shorter system has ended, its spectrogram is black and its
    # waveform is a thin line.
    for system, dark in (("long", False), ("half", True)):
        late = _pixels(pictures[system].spectrogram)[:, 400:, :3]
        assert (late.max() < 16) == dark
        covered = (_pixels(pictures[system].waveform)[:, 400:, 3] > 9).mean()
        assert (covered < 0.05) == dark


def test_pictures_of_a_sentence_share_their_levels():
    pictures = draw_systems(
        {"loud": tone(999, 1), "low": tone(999, 1, 5e-6)}, RATE
    )
    loud, low = (
        _pixels(each.spectrogram)[..., :3] for each in pictures.values()
    )
    assert loud.max() > 200
    assert low.max() < 16


def test_spectrogram_shows_a_sine_at_its_frequency():
    picture = draw_systems({"one": tone(2_000, 1)}, RATE)["one"].spectrogram
    bright = _pixels(picture)[..., :3].sum(axis=(1, 2)).argmax()
    # A quarter of the way up; rows are counted from the top.
    height = len(_pixels(picture))
    assert bright / height == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("samples", [1, 3, 700])
def test_silent_and_short_audio_is_drawn_dark(samples):
    picture = draw_systems({"one": np.zeros(samples, np.float32)}, RATE)["one"]
    assert _pixels(picture.spectrogram)[..., :3].max() < 16
    assert _pixels(picture.waveform)[..., 3].max() > 100


def _pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGBA"))


def test_a_curve_of_20_000_points_keeps_its_spike_and_stays_small():
    points = [(step, 5.0 + math.sin(step)) for step in range(20_000)]
    points[12_345] = (12_345, 50.0)
    chart = draw_curve(Curve("one", "dB", points))
    assert len(chart) < 50_000
    (line,) = paths(chart, "accent")
    across, down = line.T
    assert across.min() >= 0 and across.max() <= 420
    assert down.min() >= 0 and down.max() <= 190
    assert across[down.argmin()] == pytest.approx(
        np.interp(12_345, [0, 19_999], [across[0], across[-1]]), abs=0.6
    )
    assert np.sort(down)[2] > down.min() + 190 / 2


def test_values_that_are_not_finite_are_left_out():
    finite = [(0, 1.0), (3, 2.5), (4, 2.0)]
    others = [(2, math.inf), (1, math.nan), *reversed(finite)]
    assert draw_curve(Curve("", "", others)) == draw_curve(
        Curve("", "", finite)
    )
    assert draw_curve(Curve("", "", [])) is None
    assert draw_curve(Curve("", "", [(3, math.inf)])) is None


def test_curve_is_logarithmic_only_over_wide_positive_ranges():
    def logarithmic(*values):
        curve = Curve("", "", list(enumerate(values)))
        _, middle, _ = paths(draw_curve(curve), "accent")[0][:, 1]
        top, bottom = paths(draw_curve(curve), "accent")[0][[2, 0], 1]
        assert curve.logarithmic == (middle < (top + bottom) / 2 + 1)
        return curve.logarithmic

    assert logarithmic(1.0, 11.0, 101.0)
    assert not logarithmic(1.0, 11.0, 99.0)
    assert not logarithmic(-1.0, 1.0, 1e6)
    wide = draw_curve(Curve("", "", [(0, 0.003), (1, 1.0)]))
    assert {"0.01", "0.1", "1"} <= set(texts(wide))


def test_a_curve_of_one_point_is_a_dot():
    chart = draw_curve(Curve("Loss", "", [(3, 1.5)]))
    (dot,) = re.findall(r'<use [^>]*x="(\S+)" y="(\S+)"[^>]*accent', chart)
    assert 100 < float(dot[0]) < 400 and 50 < float(dot[1]) < 150
    assert texts(chart).count("3") == 1 and "1.500" in texts(chart)
    assert 'role="img"' in chart
    assert 'aria-label="Loss: 1.50 at step 3, ' in chart


def test_a_chart_has_the_colours_and_the_font_of_its_page():
    chart = draw_calibration({"one": {0.5: 0.25, 0.9: 0.75}})
    assert chart == draw_calibration({"one": {0.5: 0.25, 0.9: 0.75}})
    assert not re.search(
        r"#[\da-f]{6}|font-family|<style|clip|url\(|<g id", chart
    )
    used = set(re.findall(r"var\(--(\w+)\)", chart))
    assert used == {"accent", "soft", "line"}


def test_names_are_written_as_they_are():
    names = ["a$b$c", "_one", "<b>&amp;", 'style="font: 1.25'] * 2
    chart = draw_calibration(
        {
            f"{name}{number}": {0.5: 0.5, 0.9: 0.9}
            for number, name in enumerate(names)
        }
    )
    for number, name in enumerate(names):
        assert f"{name}{number}" in texts(chart)


def test_a_calibrated_teacher_lies_on_the_diagonal():
    own, wide = ({x: x**power for x in (0.1, 0.5, 0.9)} for power in (1, 0.5))
    chart = draw_calibration({"own": own, "wide": wide})
    diagonal = next(one for one in paths(chart, "soft") if len(one) == 2)
    (calibrated,), (unsure,) = (
        paths(chart, "accent")[:1],
        paths(chart, "warm")[:1],
    )
    expected = diagonal[0] + np.outer(list(own), diagonal[1] - diagonal[0])
    np.testing.assert_allclose(calibrated, expected, atol=0.11)
    assert (unsure[:, 1] < calibrated[:, 1]).all()


def test_an_encoding_is_red_above_its_channels_mean_until_the_recording_ends():
    """Channel 0, at the bottom, is high in the first of two recordings."""
    first, second = np.zeros((2, 10, 2), np.float32)
    first[:, 0], second[:, 0] = 1.0, -1.0
    first[:, 1] = [0.0, 5.0] * 5
    pictures = draw_encodings([first, second], 100, [2_000, 1_000])
    drawn = [
        np.asarray(Image.open(io.BytesIO(one)).convert("RGBA")).astype(int)
        for one in pictures
    ]
    red, blue = drawn[0][-5, 10], drawn[1][-5, 10]
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50
    # It ends in the middle of the first picture.
    width = drawn[0].shape[1]
    assert drawn[0][-5, width // 2 - 3, 3] == 255
    assert drawn[0][-5, width // 2 + 3, 3] == 0
    assert drawn[1][-5, -1, 3] == 255
