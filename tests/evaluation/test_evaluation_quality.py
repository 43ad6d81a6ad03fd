"""Claims about the measures of quality, against closed forms and SciPy."""

import dataclasses
import math
import sys

import numpy as np
import pytest
import scipy.signal

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation import perceptual_measures
from pwavenet_tf.evaluation import quality as spectral_distances
from pwavenet_tf.evaluation.perceptual_measures import (
    INSTALL,
    library,
    pesq_wide_band,
    stoi,
)
from pwavenet_tf.evaluation.quality import (
    OCTAVES,
    PITCH_MEASURES,
    framing,
    level_differences,
    measure_all,
    mel_cepstral_distortion,
    missing_measures,
    multi_resolution_stft_distance,
    pitch_errors,
)

RATE = 16_000
PERFECT = {
    "pesq_wide_band": 4.644,
    "stoi": 1.0,
    "extended_stoi": 1.0,
}
COMPARED = (
    "pesq_wide_band",
    "stoi",
    "extended_stoi",
    "mel_cepstral_distortion",
    "f0_error",
    "voicing_error",
    "log_spectral_distance",
    "multi_resolution_stft",
    "level_difference",
    "pause_noise",
    "octave_difference",
)


def gliding_speech(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Syllables of gliding harmonics, with pauses, hiss and a quiet room."""
    random = np.random.default_rng(5)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 * np.exp(0.3 * np.sin(2 * np.pi * 1.3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voiced = sum(np.sin(k * phase) / k**1.2 for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * time) * 3, 0, 1)
    hiss = np.clip(np.sin(2 * np.pi * 2.5 * time + 2.4) - 0.7, 0, 1)
    noise = random.standard_normal((2, len(time)))
    audio = 0.1 * syllables * voiced + 0.05 * hiss * noise[0]
    return (audio + 3e-5 * noise[1]).astype(np.float32)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return gliding_speech()


@pytest.fixture(scope="module")
def noisy(speech) -> list[dict[str, float]]:
    """Measured with white noise at -30, -46 and -62 dB of full scale."""
    noise = np.random.default_rng(6).standard_normal(len(speech))
    return [
        measure_all(speech, speech + 10 ** (level / 20) * noise, RATE)
        for level in (-30, -46, -62)
    ]


def known(measured: dict[str, float]) -> list[str]:
    return [name for name in COMPARED if name not in missing_measures()]


def test_equal_audio_is_perfect(speech):
    measured = measure_all(speech, speech, RATE)
    for name in known(measured):
        expected = PERFECT.get(name, 0.0)
        assert measured[name] == pytest.approx(expected, abs=1e-3), name
    for name in OCTAVES:
        if f"octave_{name}" in measured:
            assert measured[f"octave_{name}"] == 0.0
    assert "octave_16000" not in measured


def test_less_noise_is_never_worse_and_perfect_in_the_end(noisy):
    for name in known(noisy[0]):
        cost = [
            abs(PERFECT.get(name, 0.0) - measured[name]) for measured in noisy
        ]
        if name == "f0_error":
            # With less noise, quiet frames count that were unvoiced before.
            assert max(cost) < 15, (name, cost)
            continue
        # Voicing comes in steps, and so may be equal.
        steps = np.diff(cost)
        assert (steps <= 0).all(), (name, cost)
        assert name in PITCH_MEASURES or (steps < 0).all(), (name, cost)


def test_a_shift_of_one_sample_is_noticed(speech):
    """And more samples more, by all that compare in time.

    PESQ aligns the two itself; levels and voicing do not depend on a sample.
    """
    once, more = (
        measure_all(
            speech, np.pad(speech, (shift, 0))[: len(speech)], RATE, fast=True
        )
        for shift in (1, 8)
    )
    for name in (
        "stoi",
        "extended_stoi",
        "mel_cepstral_distortion",
        "log_spectral_distance",
        "multi_resolution_stft",
    ):
        perfect = PERFECT.get(name, 0.0)
        assert 1e-6 < abs(once[name] - perfect) < abs(more[name] - perfect)


def test_the_same_audio_gives_the_same_figures(speech):
    worse = speech + np.float32(1e-3) * np.roll(speech, 321)
    first = measure_all(speech, worse, RATE, fast=True)
    np.random.standard_normal(3)
    before = np.random.get_state()[1].copy()
    assert measure_all(speech, worse, RATE, fast=True) == first
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_fast_leaves_out_pitch_alone(speech, noisy):
    fast = measure_all(speech, speech, RATE, fast=True)
    assert set(noisy[0]) - set(fast) == set(PITCH_MEASURES)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 48_000])
def test_other_rates_are_measured(rate):
    audio = gliding_speech(0.8, rate)
    measured = measure_all(audio, 0.5 * audio, rate, fast=True)
    assert measured["level_difference"] == pytest.approx(-6.02, abs=0.01)
    assert all(map(math.isfinite, (measured[n] for n in ("stoi", "octave_63"))))
    tops = [name for name in OCTAVES if f"octave_{name}" in measured]
    assert int(tops[-1]) / math.sqrt(2) < rate / 2


def test_audio_of_another_length_is_cut_or_completed(speech):
    longer = np.concatenate([speech, np.ones(99, np.float32)])
    equal = measure_all(speech, speech, RATE, fast=True)
    assert measure_all(speech, longer, RATE, fast=True) == equal
    shorter = measure_all(speech, speech[:-4_000], RATE, fast=True)
    assert shorter["log_spectral_distance"] > 1


@pytest.mark.parametrize("samples", [1, 100, 1_000, 4_001])
def test_short_audio_has_no_speech_measures_but_the_others(samples):
    audio = gliding_speech()[2_000 : 2_000 + samples]
    measured = measure_all(audio, 0.5 * audio, RATE, fast=True)
    assert math.isnan(measured["stoi"])
    assert samples > 4_000 or math.isnan(measured["pesq_wide_band"])
    for name in ("mel_cepstral_distortion", "level_difference"):
        assert math.isfinite(measured[name]), name


def test_silence_is_measured_without_a_warning(speech, recwarn):
    silent = np.zeros_like(speech)
    for pair in ((silent, silent), (silent, speech), (speech, silent)):
        measured = measure_all(*pair, RATE)
        if library("pesq") and not pair[1].any() and pair[0].any():
            assert measured["pesq_wide_band"] == 1.0
        for name in ("log_spectral_distance", "octave_difference"):
            assert math.isfinite(measured[name])
        if not pair[0].any():
            for name in ("pesq_wide_band", "stoi", "f0_error"):
                assert math.isnan(measured[name])
    assert [str(one.message) for one in recwarn.list] == []


def test_audio_that_cannot_be_measured_is_refused(speech):
    for bad in (np.zeros(0), np.zeros((2, 3)), np.array([np.nan, 1.0])):
        with pytest.raises(UserError, match="the recording"):
            measure_all(bad, speech, RATE)
        with pytest.raises(UserError, match="the audio"):
            measure_all(speech, bad, RATE)


def test_mel_cepstral_distortion_is_the_difference_of_envelopes(speech):
    """By Parseval, of a ripple a cos(3 mel) it is its RMS in dB."""
    difference = np.zeros((24, 5))
    difference[2] = 0.5
    mels = np.cos(np.pi * 3 * (np.arange(80) + 0.5) / 80)
    decibels = 20 / np.log(10) * 0.5 * mels
    assert spectral_distances.cepstral_distance(difference) == pytest.approx(
        np.sqrt(np.square(decibels).mean())
    )
    # c_0 does not count: a gain costs nothing above the floor.
    noise = np.random.default_rng(7).uniform(-0.1, 0.1, 8_000)
    assert mel_cepstral_distortion(noise, 2 * noise, RATE) < 1e-9
    # A filter's log amplitude on the mel scale is what it adds.
    taps = scipy.signal.firwin(101, 3_000, fs=RATE)
    taps = 0.3 * np.eye(1, 101, 50)[0] + 0.7 * taps
    filtered = scipy.signal.convolve(noise, taps, "same")
    import librosa

    hertz = librosa.mel_frequencies(82, fmin=0, fmax=RATE / 2)[1:-1]
    _, response = scipy.signal.freqz(taps, worN=hertz, fs=RATE)
    added = scipy.fft.dct(np.log(np.abs(response)))[1:25] / 80
    assert mel_cepstral_distortion(noise, filtered, RATE) == pytest.approx(
        spectral_distances.cepstral_distance(added[:, None]), rel=0.05
    )


def test_multi_resolution_distance_agrees_with_scipy():
    rate = 24_000
    draws = np.random.default_rng(8).uniform(-0.3, 0.3, (2, rate // 2))
    expected = []
    # 1910.11480, table 1.
    for fft, hop, window in (
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    ):
        edge = (fft - window) // 2
        shape = np.pad(scipy.signal.get_window("hann", window), edge)
        ours, theirs = (
            np.abs(
                scipy.signal.ShortTimeFFT(shape, hop, rate, mfft=fft).stft(
                    np.pad(one, fft // 2),
                    p0=0,
                    p1=1 + len(one) // hop,
                    k_offset=fft // 2,
                )
            )
            for one in draws
        )
        expected.append(
            np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
            + np.abs(np.log(ours / theirs)).mean()
        )
    assert multi_resolution_stft_distance(*draws, rate) == pytest.approx(
        np.mean(expected), rel=1e-3
    )


def test_pitch_errors_are_the_closed_form():
    reference = np.array([[5.0, 1], [5.0, 1], [5.0, 0], [5.0, 0], [5.0, 1]])
    pitch = reference.copy()
    pitch[0, 0] += math.log(2) / 12
    pitch[1, 0] -= math.log(2) / 12
    pitch[3:, 1] = 1 - pitch[3:, 1]
    found = pitch_errors(reference, pitch)
    assert found == pytest.approx({"f0_error": 100.0, "voicing_error": 0.4})
    unvoiced = np.array([[5.0, 0]])
    found = pitch_errors(unvoiced, unvoiced)
    assert math.isnan(found["f0_error"]) and found["voicing_error"] == 0


def test_f0_error_of_a_raised_voice_is_its_interval():
    time = np.arange(RATE) / RATE
    ours, theirs = (
        sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 9))
        for hertz in (120.0, 120.0 * 2 ** (3 / 12))
    )
    measured = measure_all(0.1 * ours, 0.1 * theirs, RATE)
    assert measured["f0_error"] == pytest.approx(300, abs=10)
    assert measured["voicing_error"] < 0.05


def test_an_octave_that_is_raised_is_reported_alone():
    noise = 0.05 * np.random.default_rng(9).standard_normal(2 * RATE)
    low, high = OCTAVES["1000"]
    assert low * high == pytest.approx(1e6) and high == pytest.approx(2 * low)
    sections = scipy.signal.butter(
        8, (low, high), "band", fs=RATE, output="sos"
    )
    raised = noise + scipy.signal.sosfiltfilt(sections, noise)
    found = level_differences(noise, raised, RATE)
    assert found["octave_1000"] == pytest.approx(6.0, abs=0.4)
    for name in ("63", "125", "250", "4000", "8000"):
        assert abs(found[f"octave_{name}"]) < 0.1


def test_noise_in_pauses_is_found_there(speech):
    noise = 1e-3 * np.random.default_rng(10).standard_normal(len(speech))
    found = level_differences(speech, speech + noise, RATE)
    assert found["pause_noise"] > 10
    assert abs(found["level_difference"]) < 0.1


def test_long_recordings_are_measured_in_pieces(speech):
    """PESQ's C code has room for 50 utterances and no check of it."""
    long = np.tile(speech, 16)
    noise = 1e-3 * np.random.default_rng(11).standard_normal(len(long))
    once = stoi(long, long + noise, RATE)
    pieces = [
        stoi(long[place], (long + noise)[place], RATE)
        for place in np.array_split(np.arange(len(long)), 2)
    ]
    assert once == pytest.approx(np.mean(pieces))
    if library("pesq"):
        assert 1 < pesq_wide_band(long, long + noise, RATE) < 4.6


def test_without_pesq_all_else_is_measured(speech, monkeypatch, noisy):
    monkeypatch.setitem(sys.modules, "pesq", None)
    assert missing_measures() == {"pesq_wide_band": INSTALL}
    measured = measure_all(speech, speech, RATE, fast=True)
    assert math.isnan(measured.pop("pesq_wide_band"))
    assert measured["stoi"] == pytest.approx(1)


def test_pesq_and_stoi_are_what_the_libraries_say(speech):
    import pystoi

    worse = speech + 0.003 * np.random.default_rng(12).standard_normal(
        len(speech)
    ).astype(np.float32)
    assert stoi(speech, worse, RATE) == pystoi.stoi(speech, worse, RATE)
    extended = pystoi.stoi(speech, worse, RATE, extended=True)
    assert stoi(speech, worse, RATE, extended=True) == pytest.approx(extended)
    pesq = pytest.importorskip("pesq", reason="PESQ is not installed")
    assert pesq_wide_band(speech, worse, RATE) == pytest.approx(
        pesq.pesq(RATE, speech, worse, "wb"), abs=1e-6
    )
    assert perceptual_measures.PESQ_RATE == RATE


def test_framing_is_that_of_most_presets():
    from pwavenet_tf.core.presets import preset

    for name in ("nano", "paper"):
        audio = dataclasses.replace(preset(name).audio, pre_emphasis=0.0)
        assert framing(audio.sample_rate) == audio
