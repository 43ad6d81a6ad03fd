"""Flat tops, counted in signals that were clipped to have them."""

import numpy as np
import pytest
from audit_signals import noisy, syllables, written
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from pwavenet_tf.corpus.audit.measures import SHORTEST_RUN, FlatTops, measure


@given(
    runs=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 6), st.booleans()),
        min_size=1,
        max_size=20,
    ),
    peak=st.floats(0.0625, 1.0, width=32),
    cuts=st.lists(st.integers(0, 300), max_size=5),
)
def test_samples_in_runs_at_the_peak_are_counted(runs, peak, cuts):
    """In one block or in several, above and below."""
    audio, expected = [], 0
    for length, gap, is_high in runs:
        audio += [peak if is_high else -peak] * length
        audio += [0.3 * peak, -0.2 * peak] * gap
        expected += length if length >= SHORTEST_RUN else 0
    audio += [peak, 0.0, -peak]
    audio = np.array(audio, np.float32)
    tops = FlatTops()
    for block in np.split(audio, sorted(cut for cut in cuts)):
        if len(block):
            tops.add(block)
    assert tops.samples == expected


@given(limit=st.floats(0.1, 0.9), gain=st.floats(0.2, 1.0))
@settings(max_examples=30)
def test_the_clipped_share_is_that_of_the_clipped_samples(limit, gain):
    """At full scale and turned down afterwards alike."""
    random = np.random.default_rng(0)
    noise = sosfilt(butter(2, 0.02, output="sos"), random.normal(size=40_000))
    noise /= np.abs(noise).max()
    over = np.abs(noise) >= limit
    clipped = np.clip(noise, -limit, limit) / limit * gain
    tops = FlatTops()
    tops.add(np.rint(clipped * 32_767).astype(np.float32) / 32_768)
    # Noise this slow stays above the limit for more than two samples.
    assert tops.samples == pytest.approx(over.sum(), rel=0.05, abs=8)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "ULAW"])
def test_clipping_is_found_in_every_depth(tmp_path, subtype):
    audio = np.clip(20 * syllables(2.0), -1, 1)
    found = measure(written(tmp_path / "a.wav", audio, subtype=subtype))
    share = np.mean(np.abs(audio) == 1)
    assert share > 0.1
    assert found.clipped_share == pytest.approx(share, rel=0.25)


def test_speech_that_is_not_clipped_has_no_flat_tops(tmp_path):
    found = measure(written(tmp_path / "a.wav", noisy(30)))
    assert found.clipped_share < 1e-4


def test_one_clipped_channel_is_enough(tmp_path):
    clean = syllables(2.0)
    channels = np.stack([clean, np.clip(9 * clean, -1, 1)], 1)
    found = measure(written(tmp_path / "a.wav", channels))
    assert found.clipped_share > 0.1


def test_samples_beyond_full_scale_count_as_clipped(tmp_path):
    """They have no flat tops yet; preparation gives them some."""
    audio = noisy(20)
    audio *= 1.6 / np.abs(audio).max()
    found = measure(written(tmp_path / "a.wav", audio, subtype="FLOAT"))
    beyond = np.mean(np.abs(audio) > 1)
    assert beyond > 0.001
    assert found.clipped_share == pytest.approx(beyond, abs=1e-5)
    assert found.peak == pytest.approx(1.6, abs=1e-6)
