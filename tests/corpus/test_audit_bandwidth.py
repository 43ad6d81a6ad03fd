"""Bandwidth: what was cut off is found, and what is dull is not."""

import numpy as np
import pytest
import soundfile
import soxr
from audit_signals import noisy, written
from scipy.signal import butter, sosfilt

from pwavenet_tf.corpus.audit.measures import (
    AverageSpectrum,
    bandwidth,
    measure,
)


def found_bandwidth(audio, rate):
    spectrum = AverageSpectrum(rate)
    levels = np.rint(np.asarray(audio) * 32_768) / 32_768
    spectrum.add(levels.astype(np.float32))
    return bandwidth(*spectrum.decibels())


@pytest.mark.parametrize("quality", ["MQ", "HQ", "VHQ"])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (8_000, 16_000),
        (8_000, 22_050),
        (8_000, 48_000),
        (11_025, 22_050),
        (16_000, 24_000),
        (16_000, 44_100),
        (22_050, 44_100),
    ],
)
def test_a_lower_rate_before_is_found_out(low, high, quality):
    native = noisy(40, rate=low, seconds=3.0)
    upsampled = soxr.resample(native, low, high, quality=quality)
    assert 0.85 * low / 2 < found_bandwidth(upsampled, high) <= 1.03 * low / 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("snr_db", [15, 60])
def test_a_native_recording_has_the_whole_band(rate, snr_db):
    assert found_bandwidth(noisy(snr_db, rate=rate), rate) == rate / 2


@pytest.mark.parametrize("cut", [500, 1_000, 2_000, 4_000])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_dull_voice_is_not_taken_for_a_cut(cut, order):
    """Falling by 6, 12 and 24 dB in an octave."""
    dull = sosfilt(
        butter(order, cut, fs=22_050, output="sos"), noisy(40, rate=22_050)
    )
    assert found_bandwidth(dull, 22_050) == 11_025


def test_a_line_above_the_cut_hides_nothing():
    upsampled = soxr.resample(noisy(40, rate=8_000), 8_000, 24_000)
    time = np.arange(len(upsampled)) / 24_000
    with_line = upsampled + 0.003 * np.sin(2 * np.pi * 10_000 * time)
    assert found_bandwidth(with_line, 24_000) < 4_100


def test_the_low_pass_of_mp3_is_found(tmp_path):
    audio = noisy(25, rate=44_100)
    path = tmp_path / "a.mp3"
    written(path, audio, 44_100, "MPEG_LAYER_III", compression_level=0.95)
    assert measure(path).bandwidth_hz < 0.9 * 22_050
    decoded, _ = soundfile.read(path)
    again = written(tmp_path / "again.wav", decoded, 44_100)
    assert measure(again).bandwidth_hz < 0.9 * 22_050


def test_real_speech_has_its_band_and_loses_it(shared_data):
    for path in sorted((shared_data / "ljspeech-mini/wavs").iterdir())[:6]:
        audio, rate = soundfile.read(path, dtype="float32")
        assert found_bandwidth(audio, rate) == rate / 2
        low = soxr.resample(audio, rate, 8_000)
        for high in (16_000, 22_050):
            again = soxr.resample(low, 8_000, high)
            assert 3_600 < found_bandwidth(again, high) < 4_100
