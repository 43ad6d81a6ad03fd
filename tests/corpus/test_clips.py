"""How recordings are cut: every sample is in the loss once, for any cut."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.corpus.clips import Window, cut_utterance

HOP = 20


@settings(max_examples=60)
@given(
    samples=st.integers(1, 900),
    clip_frames=st.integers(1, 30),
    context=st.integers(0, 12),
    lookahead=st.integers(0, 4),
    data=st.data(),
)
def test_every_sample_counts_once_wherever_the_first_clip_begins(
    samples, clip_frames, context, lookahead, data
):
    frames = -(-samples // HOP)
    window = Window(HOP, clip_frames, context, lookahead)
    clips = window.clips(frames)
    lead = data.draw(st.integers(0, clips * clip_frames - frames))
    # Never zero, so that what is padded is seen.
    levels = np.arange(1, samples + 1).astype(np.int16)
    features = {
        "mel": tf.range(frames, dtype=tf.float32)[:, None],
        "speaker": tf.constant(3),
    }
    audio, cut, start, lengths = cut_utterance(
        tf.constant(levels), features, window, lead
    )
    weight = window.weight(start, lengths, tf).numpy()
    assert set(np.unique(weight)) <= {0, 1}
    counting = audio.numpy()[weight > 0]
    np.testing.assert_array_equal(np.sort(counting), levels)
    # The frame of a sample is that of its place in the recording.
    mel = np.repeat(cut["mel"].numpy()[..., 0], HOP, axis=1)
    np.testing.assert_array_equal(mel[weight > 0], (counting - 1) // HOP)
    np.testing.assert_array_equal(cut["speaker"], np.full(clips, 3))


@pytest.mark.parametrize("lead", [0, 2, 6])
def test_context_precedes_what_counts_unless_the_recording_begins(lead):
    window = Window(HOP, 7, 3, 1)
    levels = tf.ones(22 * HOP, tf.int16)
    features = {"mel": tf.zeros((22, 1))}
    _, _, starts, _ = cut_utterance(levels, features, window, lead)
    firsts = window.sample_places(starts, tf)[:, 0].numpy()
    for begin, start_sample in zip(firsts, starts.numpy() * HOP, strict=True):
        if start_sample >= 3 * HOP:
            assert start_sample - begin == 3 * HOP
        else:
            assert begin == 0
