"""Claims about the metrics, against closed forms, scipy and librosa."""

import numpy as np
import pytest
import scipy.signal

from pwavenet_tf.audio.metrics import (
    griffin_lim,
    level,
    log_spectral_distance,
    spectrum_db,
)
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError

CONTRACT = AudioContract()
RATE = CONTRACT.sample_rate


@pytest.fixture
def noise() -> np.ndarray:
    samples = np.random.default_rng(1).standard_normal(8_050)
    return (0.1 * samples).astype(np.float32)


def sine(hertz: float, samples: int, amplitude: float = 0.5) -> np.ndarray:
    angle = 2 * np.pi * hertz * np.arange(samples) / RATE
    return (amplitude * np.sin(angle)).astype(np.float32)


def log_mel(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """The contract's log mel spectrogram, by scipy and librosa's filters."""
    import librosa

    magnitude = _scipy_magnitude(audio, contract)
    bands = librosa.filters.mel(
        sr=contract.sample_rate,
        n_fft=contract.fft_length,
        n_mels=contract.mels,
        fmin=contract.lowest_hz,
        fmax=contract.highest_hz,
    )
    floored = np.maximum(bands @ magnitude, contract.magnitude_floor)
    return np.log(floored).T


def _scipy_magnitude(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    frames = contract.frames(len(audio))
    margin = (contract.fft_length - contract.hop_length) // 2
    filled = np.zeros(frames * contract.hop_length)
    filled[: len(audio)] = audio
    padded = np.pad(filled, margin)
    window = scipy.signal.get_window("hann", contract.window_length)
    edge = (contract.fft_length - contract.window_length) // 2
    _, _, spectrum = scipy.signal.stft(
        padded,
        window=np.pad(window, edge),
        nperseg=contract.fft_length,
        noverlap=contract.fft_length - contract.hop_length,
        boundary=None,
        padded=False,
    )
    return np.abs(spectrum) * window.sum()


def test_spectrum_agrees_with_scipy(noise):
    window_sum = CONTRACT.window_length / 2
    power = (_scipy_magnitude(noise, CONTRACT) / (window_sum / 2)) ** 2
    expected = 10 * np.log10(np.maximum(power, 1e-10))
    np.testing.assert_allclose(
        spectrum_db(noise, CONTRACT), expected, atol=1e-6
    )


def test_full_scale_sine_peaks_at_zero_db():
    inner = spectrum_db(sine(1_000, 8_000, amplitude=1.0), CONTRACT)[:, 5:-5]
    np.testing.assert_allclose(inner.max(axis=0), 0, atol=1e-3)


def test_distance_of_equal_recordings_is_zero(noise):
    assert log_spectral_distance(noise, noise, CONTRACT) == 0


def test_distance_is_the_gain_in_decibels(noise):
    for gain in (2.0, 0.5, 1.25):
        distance = log_spectral_distance(noise, gain * noise, CONTRACT)
        assert distance == pytest.approx(abs(20 * np.log10(gain)), abs=1e-5)


def test_distance_is_symmetric_and_ignores_polarity(noise):
    other = sine(440, len(noise)) + noise[::-1]
    there = log_spectral_distance(noise, other, CONTRACT)
    assert there == pytest.approx(log_spectral_distance(other, noise, CONTRACT))
    assert there == pytest.approx(
        log_spectral_distance(noise, -other, CONTRACT)
    )
    assert there > 1


def test_distance_of_independent_noise_is_that_of_two_exponentials():
    # Each power is exponentially distributed; the difference of two such
    # logarithms is logistic, of variance pi**2 / 3.
    noise = np.random.default_rng(2).standard_normal((2, 3 * RATE))
    first, second = 0.1 * noise
    expected = 10 / np.log(10) * np.pi / np.sqrt(3)
    distance = log_spectral_distance(first, second, CONTRACT)
    assert distance == pytest.approx(expected, rel=0.02)


def test_distance_cuts_to_the_shorter(noise):
    longer = np.concatenate([noise[:3_000], np.ones(5_000, np.float32)])
    assert log_spectral_distance(noise[:3_000], longer, CONTRACT) == 0
    assert log_spectral_distance(longer, noise[:3_000], CONTRACT) == 0


def test_distance_ignores_power_below_the_floor():
    silence = np.zeros(4_000, np.float32)
    whisper = 1e-6 * np.random.default_rng(3).standard_normal(4_000)
    assert log_spectral_distance(silence, whisper, CONTRACT) == 0


@pytest.mark.parametrize("samples", [1, 7, 200, 201])
def test_distance_of_very_short_audio_is_finite(samples):
    audio = np.full(samples, 0.25, np.float32)
    distance = log_spectral_distance(audio, 2 * audio, CONTRACT)
    assert 0 < distance < 6.03


@pytest.mark.parametrize(
    "bad", [np.zeros(0), np.zeros((2, 3)), np.array([0.0, np.nan])]
)
def test_audio_that_cannot_be_measured_is_refused(bad):
    good = np.ones(300)
    with pytest.raises(UserError):
        level(bad)
    with pytest.raises(UserError, match="the audio"):
        log_spectral_distance(good, bad, CONTRACT)
    with pytest.raises(UserError, match="the reference"):
        log_spectral_distance(bad, good, CONTRACT)


def test_level_of_a_shifted_sine_is_the_closed_form():
    measured = level(sine(100, RATE, amplitude=0.5) + np.float32(0.125))
    assert measured["mean"] == pytest.approx(0.125, abs=1e-6)
    assert measured["standard_deviation"] == pytest.approx(
        0.5 / np.sqrt(2), abs=1e-6
    )
    plain = level(sine(100, RATE, amplitude=0.5))
    assert plain["mean_absolute"] == pytest.approx(0.5 * 2 / np.pi, abs=1e-4)


def test_level_of_silence_is_zero():
    assert set(level(np.zeros(10)).values()) == {0.0}


def test_griffin_lim_keeps_frequency_level_and_length():
    audio = sine(1_000, 8_050)
    rebuilt = griffin_lim(log_mel(audio, CONTRACT), CONTRACT)
    assert rebuilt.shape == (41 * CONTRACT.hop_length,)
    assert rebuilt.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(rebuilt))
    loudest = spectrum.argmax() * RATE / len(rebuilt)
    # A mel band at 1 kHz is some 40 Hz wide.
    assert loudest == pytest.approx(1_000, abs=25)
    assert level(rebuilt)["standard_deviation"] == pytest.approx(
        level(audio)["standard_deviation"], rel=0.15
    )
    # Nothing bursts at the edges, where the windows overlap least.
    assert np.abs(rebuilt).max() < 0.9


def test_griffin_lim_keeps_time():
    audio = np.zeros(8_000, np.float32)
    audio[3_000:5_000] = sine(500, 2_000)
    rebuilt = griffin_lim(log_mel(audio, CONTRACT), CONTRACT)
    energy = np.square(rebuilt)
    centre = (energy * np.arange(8_000)).sum() / energy.sum()
    assert centre == pytest.approx(4_000, abs=60)


def test_griffin_lim_undoes_the_normalisation(noise):
    mel = log_mel(noise[:2_000], CONTRACT)
    mean, deviation = mel.mean(axis=0), mel.std(axis=0)
    contract = AudioContract(
        mel_mean=tuple(mean), mel_deviation=tuple(deviation)
    )
    np.testing.assert_allclose(
        griffin_lim((mel - mean) / deviation, contract, iterations=4),
        griffin_lim(mel, CONTRACT, iterations=4),
        atol=1e-3,
    )


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_griffin_lim_of_silence_is_near_silence(frames):
    floor = np.log(CONTRACT.magnitude_floor)
    quiet = griffin_lim(np.full((frames, CONTRACT.mels), floor), CONTRACT)
    assert quiet.shape == (frames * CONTRACT.hop_length,)
    assert np.abs(quiet).max() < 1e-4


def test_griffin_lim_is_repeatable(noise):
    mel = log_mel(noise[:2_000], CONTRACT)
    np.testing.assert_array_equal(
        griffin_lim(mel, CONTRACT, iterations=3),
        griffin_lim(mel, CONTRACT, iterations=3),
    )


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 80)), np.zeros((5, 79)), np.zeros(80)]
)
def test_griffin_lim_refuses_another_shape(bad):
    with pytest.raises(UserError, match=r"\(frames, 80\)"):
        griffin_lim(bad, CONTRACT)


def test_griffin_lim_refuses_values_that_are_not_finite():
    with pytest.raises(UserError, match="not finite"):
        griffin_lim(np.full((3, 80), np.inf), CONTRACT)
