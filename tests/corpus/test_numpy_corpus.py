"""A corpus as NumPy files gives the clips that the TFRecords give."""

import itertools
import shutil

import noisy_glides
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus

HOP = 200


def varied(times: int):
    fixtures = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=times, suppress_health_check=fixtures)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The prepared corpus and the exported one."""
    data = noisy_glides.prepared()
    arrays = tmp_path_factory.mktemp("corpus") / "arrays"
    arguments = [f"--data={data}", f"--out={arrays}"]
    assert cli.main(["export-corpus", *arguments]) == 0
    return data, arrays


@pytest.fixture(scope="module")
def corpus(folders):
    return Corpus(folders[0])


@pytest.fixture(scope="module")
def recordings(corpus):
    """The audio of each training recording."""
    return [audio for _, audio, _ in corpus.utterances("training")]


@pytest.fixture(scope="module")
def arrays(folders):
    return NumpyCorpus(folders[1])


def require_equal(batch, expected):
    inputs, audio, weight = batch
    wanted, wanted_audio, wanted_weight = expected
    assert inputs.keys() == wanted.keys()
    for key, value in wanted.items():
        assert inputs[key].dtype == value.dtype, key
        if key == "sinusoids":
            # Each clip's oscillator begins by itself.
            value, inputs[key] = value[..., :2], inputs[key][..., :2]
        # Normalised in another batch, the last bit may differ.
        atol = 1e-6 if key in ("mel", "pitch") else 0
        atol = 1e-3 if key == "sinusoids" else atol
        np.testing.assert_allclose(inputs[key], value, 0, atol, err_msg=key)
    np.testing.assert_array_equal(audio, wanted_audio)
    np.testing.assert_array_equal(weight, wanted_weight)


@varied(4)
@given(
    clip_frames=st.integers(1, 70),
    context=st.integers(0, 25),
    lookahead=st.integers(0, 5),
    batch=st.integers(1, 5),
)
def test_validation_clips_are_those_of_the_tfrecords(
    corpus, arrays, clip_frames, context, lookahead, batch
):
    shape = (clip_frames * HOP, context, lookahead, batch)
    expected = list(corpus.validation_clips(*shape).as_numpy_iterator())
    clips = arrays.validation_clips(*shape)
    assert clips.num_batches == len(expected)
    found = single(clips[number] for number in range(len(expected)))
    for one, wanted in zip(found, single(expected), strict=True):
        if wanted[2].any():
            require_equal(one, wanted)
        # What fills up the last batch may be anything that does not count.
        assert one[2].any() == wanted[2].any()


def by_content(clips):
    """Clips in an order of their own."""
    return sorted(clips, key=lambda clip: b"".join(map(bytes, clip[1:])))


def single(batches):
    for inputs, audio, weight in batches:
        for row in range(len(audio)):
            one = {key: value[row] for key, value in inputs.items()}
            yield one, audio[row], weight[row]


def test_where_nothing_is_drawn_training_clips_are_those_of_the_tfrecords(
    corpus, arrays
):
    """One frame a clip: then a pass holds the same clips in any order."""
    total = sum(corpus.contract.frames(r.samples) for r in corpus.card.training)
    shape = (HOP, 3, 1, 1)
    expected = corpus.training_clips(*shape).take(total).as_numpy_iterator()
    clips = arrays.training_clips(*shape)
    found = single(clips[number] for number in range(total))
    for one, other in zip(
        by_content(found), by_content(single(expected)), strict=True
    ):
        require_equal(one, other)


@varied(8)
@given(
    clip_frames=st.integers(1, 70),
    context=st.integers(0, 9),
    seed=st.integers(-(2**31), 2**31),
    batch=st.integers(1, 3),
)
def test_each_pass_counts_every_sample_once(
    recordings, arrays, clip_frames, context, seed, batch
):
    """The samples that count in a pass, sorted, are all there are, sorted."""
    clips = arrays.training_clips(clip_frames * HOP, context, 1, batch, seed)
    total = sum(-(-len(x) // (clip_frames * HOP)) for x in recordings)
    stream = single(clips[number] for number in itertools.count())
    for _ in range(2):
        in_loss = np.concatenate(
            [x[w > 0] for _, x, w in itertools.islice(stream, total)]
        )
        every = np.concatenate(recordings)
        np.testing.assert_array_equal(np.sort(in_loss), np.sort(every))


def test_passes_begin_clips_elsewhere_and_in_another_order(arrays):
    clips = arrays.training_clips(17 * HOP, 0, 0, 1)
    passes = 200
    total = int(np.sum(clips._clips))
    orders, starts = set(), set()
    for number in range(passes):
        places = [clips.place(number * total + i) for i in range(total)]
        orders.add(tuple(recording for recording, _ in places))
        starts |= set(places)
    assert len(orders) == passes
    frames = np.asarray(arrays._recordings["training"]["frames"])
    # Every start that is possible, and none else.
    assert starts == {
        (recording, clip * 17 - lead)
        for recording, own in enumerate(frames)
        for clip in range(-(-own // 17))
        for lead in range(-own % 17 + 1)
    }


def test_the_same_seed_draws_the_same_clips_and_a_run_goes_on(arrays):
    shape = (4_000, 3, 1, 3)
    clips, same = (arrays.training_clips(*shape, seed=7) for _ in range(2))
    rest = arrays.training_clips(*shape, seed=7, first_batch=5)
    other = arrays.training_clips(*shape, seed=8)
    for number in range(9):
        require_equal(same[number], clips[number])
        require_equal(rest[number], clips[number + 5])
    assert any(not np.array_equal(other[n][1], clips[n][1]) for n in range(9))


def test_a_damaged_folder_is_refused_with_the_file(folders, tmp_path):
    with pytest.raises(UserError, match=r"lengths.npy: is missing; name a"):
        NumpyCorpus(folders[0])
    copied = tmp_path / "arrays"
    shutil.copytree(folders[1], copied)
    mel = copied / "training" / "mel.npy"
    mel.write_bytes(mel.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"training/mel.npy: is damaged \("):
        NumpyCorpus(copied)
    (copied / "training" / "mel.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"training/mel.npy: is damaged \("):
        NumpyCorpus(copied)


def test_an_array_of_another_split_is_refused_with_the_file(folders, tmp_path):
    """Or clips would have the conditioning of another recording."""
    copied = tmp_path / "arrays"
    shutil.copytree(folders[1], copied)
    foreign = copied / "validation" / "mel.npy"
    shutil.copy(foreign, copied / "training" / "mel.npy")
    with pytest.raises(UserError, match=r"training/mel.npy: is of another"):
        NumpyCorpus(copied)


def test_a_shard_that_lacks_something_is_refused_with_its_name(
    folders, tmp_path
):
    """Or training would wait for its clips for ever, or learn from fewer."""
    copied = tmp_path / "data"
    shutil.copytree(folders[0], copied)
    shard = next(copied.glob("training*.tfrecord"))
    whole = shard.read_bytes()
    first = 16 + int.from_bytes(whole[:8], "little")
    for left, message in (
        (whole[:-1], "is damaged"),
        (whole[:-1000], "is damaged"),
        (whole[: first + 5], "is damaged"),
        (whole[:first], "hold 1 of "),
        (b"", "hold 0 of "),
    ):
        shard.write_bytes(left)
        with pytest.raises(UserError, match=f"{shard.name}.* {message}"):
            Corpus(copied)
    shard.write_bytes(whole)
    Corpus(copied)


def test_impossible_lengths_are_refused(arrays):
    for clips in (arrays.training_clips, arrays.validation_clips):
        with pytest.raises(UserError, match="multiple of the hop"):
            clips(HOP + 1, 0, 0, 1)
        with pytest.raises(UserError, match="must not be negative"):
            clips(HOP, -1, 0, 1)


def test_a_folder_in_use_is_not_overwritten(folders, capsys):
    data, out = folders
    arguments = [f"--data={data}", f"--out={out}"]
    assert cli.main(["export-corpus", *arguments]) == 2
    assert "already holds something" in capsys.readouterr().err
