import dataclasses
from pathlib import Path
from unittest import mock

import librosa
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.audio import mel
from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.mel import (
    inverse_normalised,
    log_mel_spectrogram,
    mel_filterbank,
    normalised,
)
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.presets import preset

CLIP = Path("../shared/data/formats/LJ001-0002.wav")
CONTRACTS = {
    "nano": preset("nano").audio,
    "paper": preset("paper").audio,
    "odd": AudioContract(
        sample_rate=22_050,
        hop_length=161,
        window_length=501,
        fft_length=512,
        mels=40,
        lowest_hz=80.0,
        highest_hz=7_600.0,
    ),
}


def with_statistics(contract):
    bands = np.arange(contract.mels)
    return dataclasses.replace(
        contract, mel_mean=bands / 10 - 5, mel_deviation=bands / 20 + 0.1
    )


def librosa_log_mel(audio, contract):
    """The oracle, in float64, on audio padded by the contract's definition."""
    frames = contract.frames(len(audio))
    around = contract.fft_length - contract.hop_length
    padded = np.zeros(frames * contract.hop_length + around)
    padded[around // 2 :][: len(audio)] = audio
    mel = librosa.feature.melspectrogram(
        y=padded,
        sr=contract.sample_rate,
        n_fft=contract.fft_length,
        hop_length=contract.hop_length,
        win_length=contract.window_length,
        window="hann",
        center=False,
        power=1,
        n_mels=contract.mels,
        fmin=contract.lowest_hz,
        fmax=contract.highest_hz,
        htk=False,
        norm="slaney",
    )
    return np.log(np.maximum(mel.T, contract.magnitude_floor))


def compare(audio, contract):
    audio = np.asarray(audio, np.float32)
    ours = log_mel_spectrogram(tf.constant(audio)[None], contract)[0]
    expected = librosa_log_mel(audio, contract)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize("samples", [1, 199, 4_000, 4_001])
def test_noise_agrees_with_librosa(name, samples):
    noise = np.random.default_rng(0).normal(0, 0.1, samples)
    compare(noise, CONTRACTS[name])


@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize("hertz", [60, 440, 3_000, 7_400])
def test_sine_agrees_with_librosa(name, hertz):
    time = np.arange(5_000) / CONTRACTS[name].sample_rate
    compare(0.5 * np.sin(2 * np.pi * hertz * time), CONTRACTS[name])


@pytest.mark.skipif(
    not CLIP.is_file(), reason="../shared/data/formats is absent"
)
@pytest.mark.parametrize("name", CONTRACTS)
def test_speech_agrees_with_librosa(name):
    compare(read_audio(CLIP, CONTRACTS[name].sample_rate), CONTRACTS[name])


@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize("frame", [0, 1, 7, 19])
def test_impulse_peaks_in_the_frame_of_its_samples(name, frame):
    contract = CONTRACTS[name]
    audio = np.zeros((1, 20 * contract.hop_length), np.float32)
    audio[0, frame * contract.hop_length + contract.hop_length // 2] = 0.5
    loudness = tf.reduce_sum(log_mel_spectrogram(audio, contract), axis=-1)
    assert np.argmax(loudness) == frame
    # And it is the middle of a window: both neighbours have it alike.
    if 0 < frame < 19:
        before, after = loudness[0, frame - 1], loudness[0, frame + 1]
        np.testing.assert_allclose(before, after, atol=0.02 * contract.mels)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 3), samples=st.integers(1, 2_500))
def test_one_graph_serves_any_batch_and_length(batch, samples):
    contract = CONTRACTS["nano"]
    audio = np.random.default_rng(samples).normal(0, 0.1, (batch, samples))
    audio = audio.astype(np.float32)
    mel = GRAPH(audio)
    assert mel.shape == (batch, contract.frames(samples), contract.mels)
    for row in range(batch):
        np.testing.assert_allclose(
            mel[row], log_mel_spectrogram(audio[row][None], contract)[0], 1e-4
        )


GRAPH = tf.function(
    lambda audio: log_mel_spectrogram(audio, CONTRACTS["nano"]),
    input_signature=[tf.TensorSpec((None, None), tf.float32)],
)


@pytest.mark.parametrize("name", CONTRACTS)
@given(samples=st.integers(1, 9_000))
@settings(max_examples=10)
def test_numpy_gives_the_same_spectrogram_in_any_chunks(name, samples):
    contract = CONTRACTS[name]
    audio = np.random.default_rng(samples).normal(0, 0.1, samples)
    audio = audio.astype(np.float32)
    with mock.patch.object(mel, "_CHUNK_FRAMES", 7):
        found = mel.LogMel(contract)(audio)
    expected = log_mel_spectrogram(tf.constant(audio[None]), contract)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.xla
def test_xla_gives_the_same_spectrogram():
    audio = np.random.default_rng(1).normal(0, 0.1, (2, 2_345))
    audio = audio.astype(np.float32)
    contract = CONTRACTS["nano"]
    compiled = tf.function(
        lambda audio: log_mel_spectrogram(audio, contract), jit_compile=True
    )
    np.testing.assert_allclose(
        compiled(audio), log_mel_spectrogram(audio, contract), atol=1e-3
    )


def test_silence_is_the_floor():
    contract = CONTRACTS["nano"]
    mel = log_mel_spectrogram(tf.zeros((1, 1_000)), contract)
    np.testing.assert_allclose(mel, np.log(contract.magnitude_floor), 1e-6)


def test_statistics_of_the_contract_normalise_each_band():
    plain = CONTRACTS["nano"]
    contract = with_statistics(plain)
    audio = np.random.default_rng(2).normal(0, 0.1, (1, 3_000))
    audio = audio.astype(np.float32)
    expected = log_mel_spectrogram(audio, plain).numpy()
    expected = (expected - contract.mel_mean) / contract.mel_deviation
    np.testing.assert_allclose(
        log_mel_spectrogram(audio, contract), expected, rtol=1e-4, atol=1e-4
    )


def test_inverse_undoes_the_normalisation():
    contract = with_statistics(CONTRACTS["nano"])
    mel = np.random.default_rng(3).normal(-5, 2, (2, 7, 80)).astype(np.float32)
    for array in (mel, tf.constant(mel)):
        back = inverse_normalised(normalised(array, contract), contract)
        assert type(back) is type(array) and back.dtype == array.dtype
        np.testing.assert_allclose(back, mel, atol=1e-5)
    assert inverse_normalised(mel, CONTRACTS["nano"]) is mel


def test_filterbank_is_shared_and_cannot_be_changed():
    weights = mel_filterbank(CONTRACTS["nano"])
    assert weights.shape == (513, 80) and weights.dtype == np.float32
    assert weights is mel_filterbank(AudioContract(pre_emphasis=0.9))
    with pytest.raises(ValueError):
        weights[0, 0] = 1
