"""Which mel spectrograms are on a contract's scale."""

import mel_scales
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.mel_checks import (
    extremes,
    faults,
    first_cause,
    oddities,
    reachable,
)

RATE = 16_000
LOG = mel_scales.logarithms(mel_scales.speech(seed=9))
FOREIGN = mel_scales.foreign(LOG)


def cause(mel, contract=None):
    contract = contract or mel_scales.contract()
    rows = mel if mel.ndim == 3 else mel[None]
    return first_cause(faults(extremes(rows, contract), contract))


def oddity(mel, contract=None):
    contract = contract or mel_scales.contract()
    return first_cause(oddities(extremes(mel[None], contract), contract))


@pytest.mark.parametrize("words", FOREIGN)
def test_another_scale_is_told_by_its_cause(words):
    assert words in cause(FOREIGN[words])


def test_one_row_of_a_batch_is_enough():
    own = mel_scales.right(mel_scales.speech(), mel_scales.contract())
    assert cause(np.stack([own, own])) is None
    decibels = FOREIGN["holds decibels"]
    assert "decibels" in cause(np.stack([own, decibels]))


def sounds():
    random, time = np.random.default_rng(0), np.arange(2 * RATE)
    return {
        "speech": mel_scales.speech(seed=5),
        "silence": 0.0 * time,
        "constant": 1.0 + 0.0 * time,
        "impulse": (time == 777).astype(float),
        "sine": np.sin(0.2 * time),
        "square": np.sign(np.sin(0.2 * time)),
        "noise": random.normal(0, 1, len(time)).clip(-1, 1),
        "coin": random.choice([-1.0, 1.0], len(time)),
    }


@given(name=st.sampled_from(list(sounds())), power=st.floats(-8, 0))
def test_no_analysis_of_ones_own_is_refused(name, power):
    """However loud, quiet or unlike speech a recording is."""
    audio = sounds()[name] * 10**power
    for contract in (mel_scales.contract(), mel_scales.PLAIN):
        assert cause(mel_scales.right(audio, contract), contract) is None


@pytest.mark.parametrize("frames", [1, 8, 19])
def test_few_frames_are_judged_by_their_range_alone(frames):
    """They come one at a time in a stream."""
    assert cause(np.full((frames, 80), 0.5)) is None
    rising = np.linspace(0.1, 0.9, frames * 80).reshape(frames, 80)
    assert cause(rising) is None
    assert "decibels" in cause(rising - 90)


def test_a_constant_stands_for_any_spectrum():
    """As examples and requests that warm a server up have it."""
    for value in (0.0, 0.5, 1.0):
        assert cause(np.full((200, 80), value)) is None
        assert oddity(np.full((200, 80), value)) is None


def test_decibels_are_told_without_statistics_too():
    assert "decibels" in cause(FOREIGN["holds decibels"], mel_scales.PLAIN)
    assert cause(LOG, mel_scales.PLAIN) is None


def test_what_only_looks_odd_is_another_matter():
    contract = mel_scales.contract()
    own = mel_scales.right(mel_scales.speech(seed=5), contract)
    odd = {
        "scaled, as to between -1 and 1": own / np.abs(own).max(),
        # A logarithm to the base of 10, its lowest decades cut off, by 4.
        "spans no more than 2": (np.maximum(own, own.max() - 8) + 4) / 4,
        "lies far below": mel_scales.right(
            1e-3 * mel_scales.speech(seed=5), contract
        ),
        "lies far above": mel_scales.right(sounds()["noise"], contract),
    }
    for words, mel in odd.items():
        assert cause(mel) is None and words in oddity(mel)
        assert oddity(mel[:50]) is None
    assert oddity(own) is None


def test_whatever_is_reachable_passes():
    low, high = reachable(mel_scales.contract())
    edges = np.stack([low + 1e-6, high - 1e-6])
    assert cause(edges) is None
    for beyond in (low - 1e-3, high + 1e-3):
        assert cause(beyond[None]) is not None


def test_real_speech_passes_and_its_other_scales_do_not(shared_data):
    """Of another reader than the statistics, and of another rate."""
    readers = {
        name: [read_audio(path, RATE) for path in sorted(paths)[:4]]
        for name, paths in {
            "kathleen": (shared_data / "kathleen/wavs").glob("*.flac"),
            "lj": (shared_data / "ljspeech-mini").rglob("*.flac"),
            "digits": (shared_data / "fsdd").glob("*.wav"),
        }.items()
    }
    for reader in ("kathleen", "lj"):
        contract = mel_scales.contract_of(readers[reader])
        for audio in sum(readers.values(), []):
            mel = mel_scales.right(audio, contract)
            assert cause(mel, contract) is None
            assert oddity(mel, contract) is None
            others = mel_scales.foreign(mel_scales.logarithms(audio))
            for words, other in others.items():
                assert words in cause(other, contract), words
