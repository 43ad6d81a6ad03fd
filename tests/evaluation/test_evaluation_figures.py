"""Claims about the report's pictures, curves and printed numbers."""

import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from pwavenet_tf.core.html import format_number
from pwavenet_tf.evaluation.report.charts import HEIGHT, WIDTH, draw_curve
from pwavenet_tf.evaluation.report.figures import draw_systems
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
    assert best_systems(name, values, "recording") == best


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


def test_curve_keeps_its_spike_and_stays_within_its_frame():
    points = [(step, 5.0 + math.sin(step)) for step in range(50_000)]
    points[31_234] = (31_234, 50.0)
    points[40_000] = (40_000, math.nan)
    drawing = draw_curve(points)
    places = np.array(re.findall(r"[\d.]+ [\d.]+", drawing.path))
    across, down = np.array([place.split() for place in places], float).T
    assert len(places) < 1_000
    assert (np.diff(across) >= 0).all()
    assert across.min() >= 0 and across.max() <= WIDTH
    assert down.min() >= 0 and down.max() <= HEIGHT
    assert across[down.argmin()] == pytest.approx(
        np.interp(31_234, [0, 49_999], [across[0], across[-1]]), abs=0.1
    )
    assert np.sort(down)[1] > down.min() + HEIGHT / 2


def test_curve_is_logarithmic_only_over_wide_positive_ranges():
    assert draw_curve([(0, 1.0), (1, 101.0)]).logarithmic
    assert not draw_curve([(0, 1.0), (1, 99.0)]).logarithmic
    assert not draw_curve([(0, -1.0), (1, 1e6)]).logarithmic
    wide = draw_curve([(0, 0.003), (1, 1.0)])
    assert [tick.label for tick in wide.values] == [
        "0.00100",
        "0.0100",
        "0.100",
        "1",
    ]


def test_curve_of_few_points_is_drawn():
    assert draw_curve([]) is None
    assert draw_curve([(3, math.inf)]) is None
    assert draw_curve([(3, 1.5)]).steps[0].label == "3"
    assert draw_curve([(3, 0.0), (4, 0.0)]).path.count("L") == 1
