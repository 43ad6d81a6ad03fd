"""Channels that take level from the mean of all, which is what is used."""

import numpy as np
import pytest
from audit_signals import RATE, noisy, syllables, written

from pwavenet_tf.corpus.audit.measures import measure
from pwavenet_tf.corpus.audit.verdict import Judge, Limits
from pwavenet_tf.corpus.layouts import Source

SPEECH = syllables(1.5)
HISS = 1e-4 * np.random.default_rng(0).standard_normal(len(SPEECH))


def verdict(folder, *channels):
    path = written(folder / "a.wav", np.stack(channels, axis=1))
    return Judge(Limits(), RATE)(Source(path, path.name), measure(path))


def about_channels(texts):
    return [text for text in texts if text.startswith("channel")]


@pytest.mark.parametrize("dead", [0 * SPEECH, 0.01 + 0 * SPEECH, HISS])
def test_a_dead_channel_is_warned_of_with_the_level_it_costs(tmp_path, dead):
    found = verdict(tmp_path, SPEECH, dead)
    assert found.accepted
    (text,) = about_channels(found.warnings)
    assert text.startswith("channel 2 of 2 is silent")
    assert "by 6.0 dB" in text


def test_several_dead_channels_are_named(tmp_path):
    found = verdict(tmp_path, 0 * SPEECH, SPEECH, HISS)
    (text,) = about_channels(found.warnings)
    assert text.startswith("channels 1, 3 of 3 are silent")
    assert "by 9.5 dB" in text


@pytest.mark.parametrize("gain", [-0.5, -1.5])
def test_an_inverted_channel_is_warned_of(tmp_path, gain):
    found = verdict(tmp_path, SPEECH, gain * SPEECH + HISS)
    assert found.accepted
    (text,) = about_channels(found.warnings)
    number = 2 if gain > -1 else 1
    assert text.startswith(f"channel {number} of 2 is inverted")


def test_channels_that_cancel_entirely_are_quarantined(tmp_path):
    found = verdict(tmp_path, SPEECH, -SPEECH)
    (text,) = found.reasons
    assert "is inverted against the loudest" in text


@pytest.mark.parametrize(
    "other",
    [
        SPEECH,
        0.05 * SPEECH,
        # Another place in the room, another speaker.
        np.roll(SPEECH, 40),
        noisy(20, seed=3, seconds=1.5),
        np.random.default_rng(1).normal(0, 0.05, len(SPEECH)),
    ],
)
def test_sound_channels_are_not_warned_of(tmp_path, other):
    assert not about_channels(verdict(tmp_path, SPEECH, other).warnings)


def test_silence_on_all_channels_is_silence(tmp_path):
    for level in (0.0, 0.1):
        silence = np.full(RATE, level)
        found = verdict(tmp_path, silence, -silence)
        assert found.reasons == ("is digitally silent",)
        assert not about_channels(found.warnings)
