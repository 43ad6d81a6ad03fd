"""Pauses and noise, in signals of which both are known."""

import numpy as np
import pytest
from audit_signals import noisy
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.corpus.audit.measures import frame_powers, noise_and_pauses


@given(share=st.integers(0, 40), level=st.floats(0.05, 0.9))
@settings(max_examples=20)
def test_the_share_of_pauses_is_that_of_the_quiet_frames(share, level):
    tone = level * np.sin(np.arange(100 * 320) * 0.3)
    tone[: share * 320] *= 1e-4
    assert noise_and_pauses(frame_powers(tone, 320))[1] == share / 100


@pytest.mark.parametrize("snr_db", [0, 5, 10, 20, 30, 40])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_known_signal_to_noise_ratio_is_found(snr_db, seed):
    found, _ = noise_and_pauses(frame_powers(noisy(snr_db, seed=seed), 320))
    assert found == pytest.approx(snr_db, abs=1)


@given(gain=st.floats(0.01, 10), offset=st.floats(-1, 1))
@settings(max_examples=20)
def test_gain_and_offset_do_not_change_the_ratio(gain, offset):
    audio = noisy(20, seconds=2.0)
    expected = noise_and_pauses(frame_powers(audio, 320))
    found = noise_and_pauses(frame_powers(gain * audio + offset, 320))
    assert found[0] == pytest.approx(expected[0], abs=1e-3)
    assert found[1] == expected[1]


def test_less_than_a_second_of_sound_has_no_ratio():
    powers = frame_powers(noisy(20, seconds=0.9), 320)
    assert noise_and_pauses(powers)[0] is None
    assert noise_and_pauses(np.zeros(100)) == (None, 1.0)
    assert noise_and_pauses(np.zeros(0))[0] is None
