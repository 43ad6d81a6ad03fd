import itertools

import noisy_glides
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus

HOP, MELS = 200, 80


@pytest.fixture(scope="module")
def corpus():
    return Corpus(noisy_glides.prepared())


@pytest.fixture(scope="module")
def recordings(corpus):
    return {
        split: list(corpus.utterances(split))
        for split in ("training", "validation")
    }


def expected_clip(audio, features, start, window, clip_length, context):
    """The oracle: extends the whole recording, then cuts one clip from it.

    `start` is the first sample of the clip in the loss; it may lie before the
    recording, where no weight is set. The clip itself never does.
    """
    behind = 200
    frames = len(features["mel"])
    padded = np.pad(audio, (0, (frames + behind) * HOP - len(audio)))
    weight = np.zeros_like(padded)
    weight[max(start, 0) : max(start + clip_length, 0)] = 1
    weight[len(audio) :] = 0
    first = max(start - context * HOP, 0)
    at = slice(first, first + window * HOP)
    inputs = {"audio": padded[at]}
    for key, value in features.items():
        if value.ndim:
            value = np.pad(value, ((0, behind), (0, 0)), "edge")
            value = value[first // HOP :][:window]
        inputs[key] = value
    return inputs, padded[at], weight[at]


def require_equal(clip, expected):
    inputs, target, weight = clip
    expected_inputs, audio, expected_weight = expected
    assert inputs.keys() == expected_inputs.keys()
    for key, value in expected_inputs.items():
        assert inputs[key].dtype == value.dtype, key
        if key == "sinusoids":
            # Each clip's oscillator begins by itself.
            value, inputs[key] = value[..., :2], inputs[key][..., :2]
        # Normalised in another batch, the last bit may differ.
        atol = 1e-6 if key in ("mel", "pitch") else 0
        atol = 1e-3 if key == "sinusoids" else atol
        np.testing.assert_allclose(inputs[key], value, 0, atol, err_msg=key)
    np.testing.assert_array_equal(target, audio)
    np.testing.assert_array_equal(weight, expected_weight)


def clips_of(batches):
    """Single clips out of batches, as numpy."""
    for inputs, target, weight in batches:
        inputs = {key: value.numpy() for key, value in inputs.items()}
        for row in range(len(target)):
            one = {key: value[row] for key, value in inputs.items()}
            yield one, target[row].numpy(), weight[row].numpy()


def placed(audio, weight, recordings):
    """Which recording a clip is of, and its first sample's place in it.

    Found by its first four samples in the loss: no two places share them.
    """
    begin = int(np.argmax(weight))
    sought = audio[begin : begin + 4]
    for number, (_, whole, _) in enumerate(recordings):
        for at in np.flatnonzero(whole == sought[0]):
            here = whole[at : at + 4]
            if np.array_equal(here, sought[: len(here)]):
                return number, int(at) - begin
    raise AssertionError("a clip of no recording")


def start_of(begin, weight, clip_length):
    """The sample of the recording from which on a clip counts.

    Where that is its first one, only the clip's end shows how much earlier the
    clip would have begun.
    """
    real = begin + np.flatnonzero(weight)
    return real[0] or real[-1] + 1 - clip_length


@pytest.mark.network
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    clip_frames=st.integers(1, 70),
    context=st.integers(0, 25),
    lookahead=st.integers(0, 5),
    batch=st.integers(1, 5),
)
def test_validation_clips_are_the_recordings_cut_in_order(
    corpus, recordings, clip_frames, context, lookahead, batch
):
    clip_length = clip_frames * HOP
    window = context + clip_frames + lookahead
    clips = corpus.validation_clips(clip_length, context, lookahead, batch)
    cardinality = clips.cardinality().numpy()
    batches = list(clips_of(clips))
    expected = [
        expected_clip(
            audio, features, first * HOP, window, clip_length, context
        )
        for _, audio, features in recordings["validation"]
        for first in range(0, len(features["mel"]), clip_frames)
    ]
    assert len(batches) == cardinality * batch
    assert len(expected) <= len(batches) < len(expected) + batch
    for clip, wanted in zip(batches, expected, strict=False):
        require_equal(clip, wanted)
    for inputs, _, weight in batches[len(expected) :]:
        assert not weight.any()
        assert all(np.isfinite(value).all() for value in inputs.values())
    in_loss = sum(weight.sum() for _, _, weight in batches)
    assert in_loss == sum(one.samples for one in corpus.card.validation)


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    clip_frames=st.integers(1, 70),
    context=st.integers(0, 25),
    lookahead=st.integers(0, 5),
    seed=st.integers(-(2**31), 2**31),
)
def test_training_clips_are_aligned_parts_of_the_recordings(
    corpus, recordings, clip_frames, context, lookahead, seed
):
    clip_length = clip_frames * HOP
    window = context + clip_frames + lookahead
    clips = corpus.training_clips(clip_length, context, lookahead, 3, seed)
    for inputs, target, weight in clips_of(clips.take(4)):
        number, begin = placed(target, weight, recordings["training"])
        assert begin % HOP == 0
        _, whole, features = recordings["training"][number]
        start = start_of(begin, weight, clip_length)
        expected = expected_clip(
            whole, features, start, window, clip_length, context
        )
        require_equal((inputs, target, weight), expected)


def test_the_features_to_cut_vary(recordings):
    """Else a wrong cut could not show in the tests above."""
    for _, _, features in recordings["training"]:
        for key in ("mel", "phones", "timing", "pitch"):
            assert len(np.unique(features[key], axis=0)) > 3, key
    speakers = {int(one["speaker"]) for _, _, one in recordings["training"]}
    assert speakers == {0, 1}


def one_pass(corpus, recordings, clip_frames, seed):
    """Counts each sample in the first clips of a training run, and their
    places."""
    counts = [np.zeros(len(whole)) for _, whole, _ in recordings]
    begins = set()
    clips = corpus.training_clips(clip_frames * HOP, 3, 0, 1, seed)
    for _, audio, weight in clips_of(clips.take(4_000)):
        number, begin = placed(audio, weight, recordings)
        real = np.flatnonzero(weight)
        counts[number][begin + real] += 1
        at = start_of(begin, weight, clip_frames * HOP)
        begins.add((number, at // HOP))
    return counts, begins


@pytest.mark.network
def test_every_sample_counts_equally_often(corpus, recordings):
    """4,000 clips are about a hundred passes over the recordings."""
    counts, begins = one_pass(corpus, recordings["training"], 17, seed=5)
    everything = np.concatenate(counts)
    # The shuffle buffer holds back parts of several passes.
    assert everything.min() > 0.4 * everything.mean()
    assert everything.max() < 1.6 * everything.mean()
    # First and last samples are not neglected against the middle.
    mean = everything.mean()
    for part in (slice(0, 17 * HOP), slice(-17 * HOP, None)):
        edge = np.mean([count[part].mean() for count in counts])
        assert abs(edge / mean - 1) < 0.1
    # Recordings begin in silence for some clips, as in generation.
    assert any(begin == 0 for _, begin in begins)
    for number, (_, _, features) in enumerate(recordings["training"]):
        seen = {begin for one, begin in begins if one == number}
        frames = len(features["mel"])
        slack = -frames % 17
        clips = -(-frames // 17)
        assert len(seen) == (slack + 1) * clips


def test_same_seed_draws_the_same_clips(corpus):
    def first(seed):
        clips = corpus.training_clips(4_000, 3, 1, 4, seed)
        return np.stack([audio for _, audio, _ in clips_of(clips.take(5))])

    np.testing.assert_array_equal(first(7), first(7))
    assert not np.array_equal(first(7), first(8))


@pytest.mark.network
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first_batch=st.integers(0, 60), batch=st.integers(1, 3))
def test_a_run_goes_on_with_the_clips_that_come_next(
    corpus, first_batch, batch
):
    """Wherever it stopped, in whichever pass."""
    whole = corpus.training_clips(4_000, 3, 1, batch, seed=3)
    rest = corpus.training_clips(4_000, 3, 1, batch, 3, first_batch)
    expected = clips_of(whole.skip(first_batch).take(4))
    for one, other in zip(clips_of(rest.take(4)), expected, strict=True):
        require_equal(one, other)


def test_iterating_again_draws_the_same_clips(corpus):
    clips = corpus.training_clips(4_000, 3, 1, 4).take(3)
    again = zip(clips_of(clips), clips_of(clips), strict=True)
    for one, other in again:
        np.testing.assert_array_equal(one[1], other[1])


def test_training_clips_do_not_end(corpus):
    """250 batches of four are tens of passes over the recordings."""
    clips = corpus.training_clips(6_000, 3, 1, 4)
    assert sum(1 for _ in itertools.islice(clips, 250)) == 250


def test_shapes_are_static(corpus):
    for clips in (
        corpus.training_clips(4_000, 11, 2, 6),
        corpus.validation_clips(4_000, 11, 2, 6),
    ):
        inputs, target, weight = clips.element_spec
        assert inputs["audio"] == target == weight
        assert target == tf.TensorSpec((6, 33 * HOP), tf.float32)
        assert inputs == {
            "audio": target,
            "mel": tf.TensorSpec((6, 33, MELS), tf.float32),
            "phones": tf.TensorSpec((6, 33, 3), tf.int32),
            "timing": tf.TensorSpec((6, 33, 2), tf.float32),
            "pitch": tf.TensorSpec((6, 33, 2), tf.float32),
            "sinusoids": tf.TensorSpec((6, 33, 3), tf.float32),
            "speaker": tf.TensorSpec((6,), tf.int32),
        }


@pytest.mark.parametrize(
    "arguments",
    [(4_001, 0, 0, 1), (0, 0, 0, 1), (400, -1, 0, 1), (400, 0, -1, 1)],
)
def test_impossible_lengths_are_refused(corpus, arguments):
    for clips in (corpus.training_clips, corpus.validation_clips):
        with pytest.raises(UserError, match="multiple|negative"):
            clips(*arguments)


def test_normalised_mel_has_mean_zero_and_deviation_one(recordings):
    mel = np.concatenate([one["mel"] for _, _, one in recordings["training"]])
    np.testing.assert_allclose(mel.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(mel.std(0), 1, atol=1e-3)


def test_relative_pitch_has_mean_zero_where_voiced(recordings):
    pitch = [one["pitch"] for _, _, one in recordings["training"]]
    logarithm, voicing = np.concatenate(pitch).T
    assert voicing.mean() > 0.5 and logarithm.std() > 0.1
    np.testing.assert_allclose(logarithm[voicing > 0].mean(), 0, atol=1e-3)


def test_keras_fits_on_the_clips(corpus):
    """`fit` takes them as inputs, targets and sample weights."""
    import keras

    audio = keras.Input((33 * HOP,), batch_size=2, name="audio")
    mel = keras.Input((33, MELS), batch_size=2, name="mel")
    loudness = keras.layers.Dense(HOP)(mel)
    output = keras.layers.Reshape((33 * HOP,))(loudness) + 0 * audio
    # It takes what it knows and leaves the rest.
    model = keras.Model({"audio": audio, "mel": mel}, output)
    model.compile("sgd", lambda wanted, given: (wanted - given) ** 2)
    history = model.fit(
        corpus.training_clips(4_000, 11, 2, 2),
        steps_per_epoch=3,
        shuffle=False,
        validation_data=corpus.validation_clips(4_000, 11, 2, 2),
        verbose=0,
    )
    assert np.isfinite(history.history["val_loss"]).all()
