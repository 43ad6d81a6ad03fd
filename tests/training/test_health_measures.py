"""What is measured of a student's sound and scales, against oracles."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from shaped_noise import RATE, band, speech

from pwavenet_tf.audio.sound_measures import sound_measures
from pwavenet_tf.training.callbacks.health_diagnosis import diagnose
from pwavenet_tf.training.callbacks.health_measures import (
    scale_measures,
    weighted_segments,
)

LOGISTIC = math.pi / math.sqrt(3.0)
RECORDED = speech(0)
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
