"""What is measured of a student's sound and scales, against oracles."""

import math

import hypothesis
import numpy as np
import pytest
import scipy.signal
from hypothesis import strategies
from shaped_noise import RATE, band, shaped, speech

from pwavenet_tf.training.callbacks.health_diagnosis import diagnose
from pwavenet_tf.training.callbacks.health_measures import (
    BANDS,
    scale_measures,
    sound_measures,
    weighted_segments,
)

LOGISTIC = math.pi / math.sqrt(3.0)
RECORDED = speech(0)
HEALTHY = speech(1)
NOISE = np.random.default_rng(2).normal(size=len(RECORDED))


def found(generated: np.ndarray, recorded: np.ndarray = RECORDED):
    return sound_measures([generated], [recorded], RATE)


@hypothesis.given(
    strategies.lists(
        strategies.lists(strategies.booleans(), min_size=7, max_size=7),
        min_size=1,
        max_size=4,
    )
)
def test_segments_are_the_weighted_samples_in_order_without_gaps(
    weight,
) -> None:
    weight = np.array(weight, "float32")
    places = np.arange(weight.size).reshape(weight.shape)
    runs = weighted_segments(places, weight)
    joined = np.concatenate(runs) if runs else np.zeros(0)
    np.testing.assert_array_equal(joined, places[weight > 0])
    row = weight.shape[1]
    for run in runs:
        assert (np.diff(run) == 1).all() and run[0] // row == run[-1] // row
    starts = np.diff(weight, prepend=0, axis=1) > 0
    assert len(runs) == starts.sum()


def test_a_sine_measures_as_its_formula() -> None:
    amplitude, hertz = 0.1, 500.0
    time = np.arange(RATE) / RATE
    sine = amplitude * np.sin(2 * np.pi * hertz * time) + 0.02
    measured = found(sine, sine)
    decibels = 10 * math.log10(amplitude**2 / 2)
    assert measured["mean"] == pytest.approx(0.02, abs=1e-9)
    assert measured["deviation"] == pytest.approx(amplitude / math.sqrt(2))
    assert measured["level_db"] == pytest.approx(decibels, abs=1e-6)
    assert measured["pauses_db"] == pytest.approx(decibels, abs=1e-6)
    own = measured.pop("band_300_to_1000_db")
    assert own == pytest.approx(decibels, abs=1e-6)
    for name in BANDS:
        other = measured.get(f"band_{name}_db", decibels - 60)
        assert other == pytest.approx(decibels - 60, abs=1e-6), name


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
def test_white_noise_fills_the_bands_by_their_width(rate) -> None:
    noise = 0.1 * NOISE
    measured = sound_measures([noise], [noise], rate)
    for name, (low, high) in BANDS.items():
        width = min(high, rate / 2) - low
        if width <= 0:
            assert f"band_{name}_db" not in measured
            continue
        share = 10 * math.log10(2 * width / rate)
        assert measured[f"band_{name}_db"] == pytest.approx(
            measured["level_db"] + share, abs=0.7
        )


def test_bands_agree_with_scipys_spectrogram() -> None:
    measured = found(HEALTHY)
    frequencies, _, density = scipy.signal.spectrogram(
        HEALTHY - HEALTHY.mean(),
        RATE,
        window="hann",
        nperseg=1_024,
        noverlap=512,
        detrend=False,
    )
    for name, (low, high) in BANDS.items():
        inside = (frequencies >= low) & (frequencies < high)
        power = density[inside].sum(axis=0) * RATE / 1_024
        level = np.maximum(
            10 * np.log10(power), measured["recorded_level_db"] - 60
        )
        assert measured[f"band_{name}_db"] == pytest.approx(
            level.mean(), abs=0.01
        )


@pytest.mark.parametrize("slope", [-9.0, -3.0, 0.0, 3.0])
@pytest.mark.parametrize("loudness", [1e-3, 0.1])
def test_the_tilt_is_the_slope_that_noise_was_given(slope, loudness) -> None:
    noise = loudness * shaped(NOISE, slope)
    assert found(noise, noise)["tilt"] == pytest.approx(slope, abs=0.25)


def test_inaudible_bands_are_not_measured() -> None:
    dark = band(RECORDED, 0, 5_000)
    hissing = dark + 1e-6 * NOISE
    measured = found(hissing, dark)
    assert measured["tilt"] == pytest.approx(
        measured["recorded_tilt"], abs=1e-3
    )
    assert diagnose(measured) == []


def test_silence_and_short_runs_have_finite_measures() -> None:
    short = sound_measures([np.zeros(10)], [RECORDED[:10]], RATE)
    assert np.isfinite(list(short.values())).all()
    silence = found(np.zeros(RATE), np.zeros(RATE))
    assert np.isfinite(list(silence.values())).all()
    assert diagnose(silence) == []


def test_percentiles_of_the_scales_are_numpys() -> None:
    scales = np.random.default_rng(4).normal(-5.0, 1.0, 20_000)
    measured = scale_measures([scales[:50], scales[50:]], [RECORDED], LOGISTIC)
    for share, quantile in ((1, -7.326), (50, -5.0), (99, -2.674)):
        assert measured[f"log_scale_{share}"] == pytest.approx(
            quantile, abs=0.1
        )
    assert measured["at_floor"] == 0.0
