import itertools

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwavenet_tf.config import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.errors import UserError

HOP, MELS, RATE = 200, 80, 16_000
# Two that end within a hop, one that fills its hops, one of one short clip.
LENGTHS = (8_345, 12_001, 9_000, 4_100)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Recordings in which every sample of a recording is different."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "in").mkdir()
    random = np.random.default_rng(0)
    for number, length in enumerate(LENGTHS * 3):
        # Never zero, so that silence in a clip is padding.
        levels = random.permutation(np.arange(1, 30_001))[:length]
        levels = (levels * random.choice([-1, 1], length)).astype(np.int16)
        soundfile.write(folder / "in" / f"{number}.wav", levels, RATE)
    prepare(folder / "in", folder / "out", preset("nano"))
    return Corpus(folder / "out")


@pytest.fixture(scope="module")
def recordings(corpus):
    return {
        split: list(corpus.utterances(split))
        for split in ("training", "validation")
    }


def expected_clip(audio, mel, counted, window, clip_length, context):
    """The oracle: extends the whole recording, then cuts one clip from it.

    `counted` is the sample from which on the clip counts; it may lie before
    the recording, where nothing counts. The clip itself never does.
    """
    behind = 200
    padded = np.pad(audio, (0, (len(mel) + behind) * HOP - len(audio)))
    mel = np.pad(mel, ((0, behind), (0, 0)), "edge")
    weight = np.zeros_like(padded)
    weight[max(counted, 0) : max(counted + clip_length, 0)] = 1
    weight[len(audio) :] = 0
    first = max(counted - context * HOP, 0)
    at = slice(first, first + window * HOP)
    return padded[at], mel[first // HOP :][:window], weight[at]


def clips_of(batches):
    """Single clips out of batches, as numpy."""
    for inputs, target, weight in batches:
        yield from zip(
            inputs["audio"].numpy(),
            inputs["mel"].numpy(),
            target.numpy(),
            weight.numpy(),
            strict=True,
        )


def placed(audio, weight, recordings):
    """Which recording a clip is of, and its first sample's place in it.

    Found by its first four counted samples: no two places share them.
    """
    begin = int(np.argmax(weight))
    sought = audio[begin : begin + 4]
    for number, (_, whole, _) in enumerate(recordings):
        for at in np.flatnonzero(whole == sought[0]):
            here = whole[at : at + 4]
            if np.array_equal(here, sought[: len(here)]):
                return number, int(at) - begin
    raise AssertionError("a clip of no recording")


def counted_from(begin, weight, clip_length):
    """The sample of the recording from which on a clip counts.

    Where that is its first one, only the clip's end tells how much earlier
    the clip would have begun.
    """
    real = begin + np.flatnonzero(weight)
    return real[0] or real[-1] + 1 - clip_length


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
    drawn = list(clips_of(clips))
    expected = [
        expected_clip(audio, mel, first * HOP, window, clip_length, context)
        for _, audio, mel in recordings["validation"]
        for first in range(0, len(mel), clip_frames)
    ]
    assert len(drawn) == cardinality * batch
    assert len(expected) <= len(drawn) < len(expected) + batch
    for clip, (audio, mel, weight) in zip(drawn, expected, strict=False):
        np.testing.assert_array_equal(clip[0], audio)
        np.testing.assert_allclose(clip[1], mel, atol=1e-6)
        np.testing.assert_array_equal(clip[2], audio)
        np.testing.assert_array_equal(clip[3], weight)
    for clip in drawn[len(expected) :]:
        assert not clip[3].any() and np.isfinite(clip[1]).all()
    counted = sum(clip[3].sum() for clip in drawn)
    assert counted == sum(one.samples for one in corpus.card.validation)


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
    for audio, mel, target, weight in clips_of(clips.take(4)):
        number, begin = placed(audio, weight, recordings["training"])
        assert begin % HOP == 0
        _, whole, whole_mel = recordings["training"][number]
        counted = counted_from(begin, weight, clip_length)
        expected = expected_clip(
            whole, whole_mel, counted, window, clip_length, context
        )
        np.testing.assert_array_equal(audio, expected[0])
        np.testing.assert_allclose(mel, expected[1], atol=1e-6)
        np.testing.assert_array_equal(target, audio)
        np.testing.assert_array_equal(weight, expected[2])


def test_clips_carry_exact_16_bit_levels(corpus):
    inputs, _, _ = next(iter(corpus.training_clips(4_000, 5, 2, 8)))
    levels = inputs["audio"].numpy() * 32768
    np.testing.assert_array_equal(levels, np.rint(levels))
    assert np.abs(levels).max() > 20_000


def one_pass(corpus, recordings, clip_frames, seed):
    """How often each sample counted in the first clips of a training run,
    and the places where the clips began."""
    counts = [np.zeros(len(whole)) for _, whole, _ in recordings]
    begins = set()
    clips = corpus.training_clips(clip_frames * HOP, 3, 0, 1, seed)
    for audio, _, _, weight in clips_of(clips.take(4_000)):
        number, begin = placed(audio, weight, recordings)
        real = np.flatnonzero(weight)
        counts[number][begin + real] += 1
        at = counted_from(begin, weight, clip_frames * HOP)
        begins.add((number, at // HOP))
    return counts, begins


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
    for number, (_, _, mel) in enumerate(recordings["training"]):
        seen = {begin for one, begin in begins if one == number}
        slack = -len(mel) % 17
        clips = -(-len(mel) // 17)
        assert len(seen) == (slack + 1) * clips


def test_same_seed_draws_the_same_clips(corpus):
    def first(seed):
        clips = corpus.training_clips(4_000, 3, 1, 4, seed)
        return np.stack([audio for audio, *_ in clips_of(clips.take(5))])

    np.testing.assert_array_equal(first(7), first(7))
    assert not np.array_equal(first(7), first(8))


def test_iterating_again_draws_the_same_clips(corpus):
    clips = corpus.training_clips(4_000, 3, 1, 4).take(3)
    again = zip(clips_of(clips), clips_of(clips), strict=True)
    for one, other in again:
        np.testing.assert_array_equal(one[0], other[0])


def test_training_clips_do_not_end(corpus):
    clips = corpus.training_clips(6_000, 3, 1, 4)
    assert sum(1 for _ in itertools.islice(clips, 1_000)) == 1_000


def test_shapes_are_static(corpus):
    for clips in (
        corpus.training_clips(4_000, 11, 2, 6),
        corpus.validation_clips(4_000, 11, 2, 6),
    ):
        inputs, target, weight = clips.element_spec
        assert inputs["audio"] == target == weight
        assert target == tf.TensorSpec((6, 33 * HOP), tf.float32)
        assert inputs["mel"] == tf.TensorSpec((6, 33, MELS), tf.float32)


@pytest.mark.parametrize(
    "arguments",
    [(4_001, 0, 0, 1), (0, 0, 0, 1), (400, -1, 0, 1), (400, 0, -1, 1)],
)
def test_impossible_lengths_are_refused(corpus, arguments):
    for clips in (corpus.training_clips, corpus.validation_clips):
        with pytest.raises(UserError, match="multiple|negative"):
            clips(*arguments)


def test_normalised_mel_has_mean_zero_and_deviation_one(recordings):
    mel = np.concatenate([mel for _, _, mel in recordings["training"]])
    np.testing.assert_allclose(mel.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(mel.std(0), 1, atol=1e-3)


def test_keras_fits_on_the_clips(corpus):
    """`fit` takes them as inputs, targets and sample weights."""
    import keras

    audio = keras.Input((33 * HOP,), batch_size=2, name="audio")
    mel = keras.Input((33, MELS), batch_size=2, name="mel")
    loudness = keras.layers.Dense(HOP)(mel)
    output = keras.layers.Reshape((33 * HOP,))(loudness) + 0 * audio
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
