"""What is measured of generated sound, against oracles."""

import math

import numpy as np
import pytest
import scipy.signal
from shaped_noise import RATE, shaped, speech

from pwavenet_tf.audio.sound_measures import BANDS, sound_measures

RECORDED = speech(0)
HEALTHY = speech(1)
NOISE = np.random.default_rng(2).normal(size=len(RECORDED))


def found(generated: np.ndarray, recorded: np.ndarray = RECORDED):
    return sound_measures([generated], [recorded], RATE)


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
