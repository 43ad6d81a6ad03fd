"""The pitch track against tones whose pitch is known at every moment."""

import dataclasses

import numpy as np
import pytest
import pyworld
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.audio import pitch as pitch_module
from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.pitch import UNVOICED_HZ, pitch_track, relative_pitch
from pwavenet_tf.core.presets import preset

CONTRACTS = {name: preset(name).audio for name in ("nano", "v1", "paper")}
NANO = CONTRACTS["nano"]
HOP_SECONDS = NANO.hop_length / NANO.sample_rate


def centres(frames, contract):
    """Seconds at the middle of each frame's own samples."""
    hop_seconds = contract.hop_length / contract.sample_rate
    return (np.arange(frames) + 0.5) * hop_seconds


def glide(first_hz, last_hz, seconds, contract):
    """A harmonic tone whose log pitch is a straight line, and that line.

    Returns:
        float32 `(time,)`; ln Hz at the first moment; its slope per second.
    """
    time = np.arange(round(seconds * contract.sample_rate))
    time = time / contract.sample_rate
    slope = np.log(last_hz / first_hz) / seconds
    # The integral of the frequency, so that it is exact between samples.
    phase = 2 * np.pi * first_hz * (np.expm1(slope * time) / slope)
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    breath = np.random.default_rng(0).normal(0, 1e-4, len(time))
    return (0.1 * tone + breath).astype(np.float32), np.log(first_hz), slope


@pytest.mark.network
@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize(
    "ends", [(100, 200), (200, 100), (150, 300), (300, 120), (400, 450)]
)
def test_gliding_tone_is_followed(name, ends):
    contract = CONTRACTS[name]
    audio, start, slope = glide(*ends, 1.0, contract)
    track = pitch_track(audio, contract)
    assert track.shape == (contract.frames(len(audio)), 2)
    assert track.dtype == np.float32
    assert track[:, 1].mean() > 0.98
    error = np.abs(track[:, 0] - start - slope * centres(len(track), contract))
    # At the ends a window is half outside the recording.
    assert np.quantile(error, 0.9) < 0.01
    assert error[5:-5].max() < 0.02 and error.max() < 0.05


@pytest.mark.network
@settings(max_examples=12)
@given(
    first=st.floats(90, 350),
    last=st.floats(90, 350),
    seconds=st.floats(0.6, 1.2),
)
def test_no_octave_is_mistaken(first, last, seconds):
    if abs(np.log(last / first)) < 1e-3:
        last = first * 1.01
    audio, start, slope = glide(first, last, seconds, NANO)
    track = pitch_track(audio, NANO)
    error = np.abs(track[:, 0] - start - slope * centres(len(track), NANO))
    assert np.mean(error[track[:, 1] > 0] > 0.5) < 0.02


@pytest.mark.network
@pytest.mark.parametrize("ends", [(100, 250), (250, 100), (150, 375)])
@pytest.mark.parametrize("name", CONTRACTS)
def test_a_frame_is_of_its_own_samples(name, ends):
    """On a fast glide, an error in time shows as an error in pitch."""
    contract = CONTRACTS[name]
    audio, start, slope = glide(*ends, 0.6, contract)
    track = pitch_track(audio, contract)
    inner = slice(8, -8)
    expected = start + slope * centres(len(track), contract)
    late = np.median((expected - track[:, 0])[inner]) / slope
    assert abs(late) < 0.5 * contract.hop_length / contract.sample_rate


def test_voicing_begins_and_ends_with_the_tone():
    rate = NANO.sample_rate
    tone, *_ = glide(150, 151, 1.0, NANO)
    gap = np.zeros(rate, np.float32)
    track = pitch_track(np.concatenate([gap, tone, gap]), NANO)
    voiced = np.flatnonzero(track[:, 1])
    # Half a window may hold a few periods of the tone.
    tolerance = 0.032 / HOP_SECONDS + 1
    assert abs(voiced[0] - 1 / HOP_SECONDS) <= tolerance
    assert abs(voiced[-1] + 1 - 2 / HOP_SECONDS) <= tolerance
    assert np.diff(voiced).max() == 1


def test_unvoiced_frames_are_interpolated_in_the_logarithm():
    low, *_ = glide(110, 110.1, 0.5, NANO)
    high, *_ = glide(220, 220.1, 0.5, NANO)
    gap = np.zeros(len(low), np.float32)
    track = pitch_track(np.concatenate([gap, low, gap, high, gap]), NANO)
    logarithm, voicing = track.T
    voiced = np.flatnonzero(voicing)
    expected = np.interp(np.arange(len(track)), voiced, logarithm[voiced])
    np.testing.assert_allclose(logarithm, expected, rtol=1e-6)
    held = logarithm[[0, voiced[0]]], logarithm[[-1, voiced[-1]]]
    for outer, inner in held:
        assert outer == inner
    # Halfway between two pitches an octave apart, perceptually.
    middle = logarithm[len(track) // 2]
    assert abs(middle - np.log(110 * 2**0.5)) < 0.06


@pytest.mark.network
@pytest.mark.parametrize("level", [0.001, 0.03, 0.2])
def test_noise_is_unvoiced(level):
    random = np.random.default_rng(1)
    noise = random.normal(0, level, (6, 2 * NANO.sample_rate)).clip(-1, 1)
    voicing = [pitch_track(one, NANO)[:, 1] for one in noise.astype("f4")]
    assert np.mean(voicing) < 0.01


@pytest.mark.parametrize("samples", [1, 199, 200, 4_001, 16_000])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_silence_is_unvoiced_and_finite(samples, level):
    """Also when it is silent off zero."""
    silence = np.full(samples, level, np.float32)
    track = pitch_track(silence, NANO)
    assert track.shape == (NANO.frames(samples), 2)
    assert np.isfinite(track).all()
    if not level:
        np.testing.assert_allclose(track[:, 0], np.log(UNVOICED_HZ))
        assert not track[:, 1].any()


@settings(max_examples=25)
@given(
    samples=st.integers(1, 9_000),
    name=st.sampled_from(sorted(CONTRACTS)),
    block=st.sampled_from([0.02, 0.11, 60]),
)
def test_any_length_has_its_frames_and_is_finite(samples, name, block):
    """Also one that is shorter than a hop, a window or a block."""
    contract = CONTRACTS[name]
    audio = np.random.default_rng(samples).normal(0, 0.1, samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pitch_module, "_CHUNK_SECONDS", block)
        track = pitch_track(audio.astype(np.float32), contract)
    assert track.shape == (contract.frames(samples), 2)
    assert np.isfinite(track).all()
    assert set(np.unique(track[:, 1])) <= {0, 1}


@pytest.mark.parametrize("offset", [0.05, -0.5])
def test_an_offset_from_zero_changes_nothing(offset):
    audio, *_ = glide(150, 200, 0.5, NANO)
    audio[len(audio) // 2 :] *= 1e-4
    plain, moved = pitch_track(audio, NANO), pitch_track(audio + offset, NANO)
    assert plain[:, 1].mean() > 0.4
    assert np.mean(plain[:, 1] != moved[:, 1]) < 0.05
    assert np.median(np.abs(plain[:, 0] - moved[:, 0])) < 0.005


def test_below_16_khz_noise_is_voiced_in_part_only():
    """There Harvest decides alone."""
    contract = dataclasses.replace(
        NANO,
        sample_rate=8_000,
        hop_length=100,
        window_length=400,
        highest_hz=4_000.0,
    )
    noise = np.random.default_rng(1).normal(0, 0.03, 16_000).astype("f4")
    assert 0 < pitch_track(noise, contract)[:, 1].mean() < 0.35


def test_a_click_in_silence_is_unvoiced():
    audio = np.zeros(8_000, np.float32)
    audio[4_000] = 0.5
    assert not pitch_track(audio, NANO)[:, 1].any()


def test_chunks_of_a_long_recording_join(monkeypatch):
    audio, *_ = glide(100, 200, 1.5, NANO)
    whole = pitch_track(audio, NANO)
    monkeypatch.setattr(pitch_module, "_CHUNK_SECONDS", 0.4)
    blocks = pitch_track(audio, NANO)
    np.testing.assert_array_equal(blocks[:, 1], whole[:, 1])
    np.testing.assert_allclose(blocks[:, 0], whole[:, 0], atol=0.02)


def test_the_search_sees_one_chunk_and_its_context(monkeypatch):
    """So that its memory does not grow with the recording."""
    lengths = []

    def recorded(audio, *args, **kwargs):
        lengths.append(len(audio))
        return harvest(audio, *args, **kwargs)

    harvest = pyworld.harvest
    monkeypatch.setattr(pitch_module, "_CHUNK_SECONDS", 0.3)
    monkeypatch.setattr(pyworld, "harvest", recorded)
    audio, *_ = glide(100, 200, 4.0, NANO)
    pitch_track(audio, NANO)
    assert len(lengths) == 14
    assert max(lengths) <= 1.31 * NANO.sample_rate


def test_relative_pitch_is_around_the_mean_in_arrays_and_graphs():
    track = np.array([[np.log(200), 1], [np.log(100), 0]], np.float32)
    expected = [[0, 1], [-np.log(2), 0]]
    in_graph = tf.function(lambda one: relative_pitch(one, 200.0))
    for result in (relative_pitch(track, 200.0), in_graph(track)):
        np.testing.assert_allclose(result, expected, atol=1e-6)
        assert result.dtype == np.float32


def test_real_speech_is_in_the_readers_range(shared_data):
    """LJ Speech is read by a woman, around 200 Hz."""
    clips = sorted((shared_data / "ljspeech-mini").rglob("*.flac"))[:2]
    tracks = [pitch_track(read_audio(one, 16_000), NANO) for one in clips]
    logarithm, voicing = np.concatenate(tracks).T
    assert 0.4 < voicing.mean() < 0.8
    assert 180 < np.exp(logarithm[voicing > 0].mean()) < 250
    # Leaps of more than a third between voiced neighbours are creak at best.
    leaps = np.abs(np.diff(logarithm))[(voicing[1:] * voicing[:-1]) > 0]
    assert np.mean(leaps > np.log(1.25)) < 0.05
