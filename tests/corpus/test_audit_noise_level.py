"""Pauses and noise, in signals of which both are known."""

import numpy as np
import pytest
from audit_signals import noisy
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.corpus.audit.measures import frame_powers, levels


@given(share=st.integers(0, 40), level=st.floats(0.05, 0.9))
@settings(max_examples=20)
def test_the_share_of_pauses_is_that_of_the_quiet_frames(share, level):
    tone = level * np.sin(np.arange(100 * 320) * 0.3)
    tone[: share * 320] *= 1e-4
    assert levels(frame_powers(tone, 320)).silence_share == share / 100


@pytest.mark.parametrize("snr_db", [0, 5, 10, 20, 30, 40])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_known_signal_to_noise_ratio_is_found(snr_db, seed):
    found = levels(frame_powers(noisy(snr_db, seed=seed), 320)).snr_db
    assert found == pytest.approx(snr_db, abs=1)


@given(gain=st.floats(0.01, 10), offset=st.floats(-1, 1))
@settings(max_examples=20)
def test_gain_and_offset_do_not_change_the_ratio(gain, offset):
    audio = noisy(20, seconds=2.0)
    expected = levels(frame_powers(audio, 320))
    found = levels(frame_powers(gain * audio + offset, 320))
    assert found.snr_db == pytest.approx(expected.snr_db, abs=1e-3)
    assert found.silence_share == expected.silence_share


def test_less_than_a_second_of_sound_has_no_ratio():
    assert levels(frame_powers(noisy(20, seconds=0.9), 320)).snr_db is None
    silence = levels(np.zeros(100))
    assert (silence.snr_db, silence.silence_share) == (None, 1.0)
    assert levels(np.zeros(0)).snr_db is None
