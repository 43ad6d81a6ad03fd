"""Consecutive segments: every row runs through whole recordings in order."""

import numpy as np
import pytest

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.clips import Window
from pwavenet_tf.corpus.dataset import Corpus

LENGTH, CONTEXT, ROWS = 1_000, 2, 2


@pytest.fixture(scope="module")
def corpus(tiny_run) -> Corpus:
    return Corpus(tiny_run.data)


@pytest.fixture(scope="module")
def recordings(corpus) -> dict:
    return {
        name: (audio, features)
        for name, audio, features in corpus.utterances("training")
    }


def batches(corpus, count: int, **changes) -> list:
    settings = {
        "clip_length": LENGTH,
        "context_frames": CONTEXT,
        "batch_size": ROWS,
    } | changes
    data = corpus.training_segments(**settings).take(count)
    return list(data.as_numpy_iterator())


def followed(found: list, row: int) -> list[tuple]:
    """A row's recordings: audio, mel without context and mask, joined."""
    parts = []
    for inputs, audio, weight in found:
        if inputs["begins"][row]:
            parts.append(([], [], []))
        mel = inputs["mel"][row, CONTEXT:-CONTEXT]
        for part, new in zip(
            parts[-1], (audio[row], mel, weight[row]), strict=True
        ):
            part.append(new)
    return [tuple(map(np.concatenate, one)) for one in parts]


def test_a_row_continues_itself_to_the_end_of_a_recording(
    corpus, recordings
) -> None:
    found = batches(corpus, 60)
    assert all(found[0][0]["begins"])
    hop, names = corpus.contract.hop_length, set()
    for row in range(ROWS):
        # The last one is cut off by the pass, or by the test.
        for audio, mel, weight in followed(found, row):
            count = int(weight.sum())
            name, (original, features) = next(
                (name, one)
                for name, one in recordings.items()
                if np.array_equal(one[0][:count], audio[:count])
            )
            names.add(name)
            frames = min(len(features["mel"]), len(mel))
            np.testing.assert_array_equal(
                mel[:frames], features["mel"][:frames]
            )
            np.testing.assert_array_equal(weight[count:], 0.0)
            assert count in (len(original), len(mel) * hop)
            if count == len(original):
                assert not audio[count:].any()
    assert names == set(recordings)


def test_features_look_around_and_repeat_the_ends(corpus, recordings) -> None:
    first, second = batches(corpus, 2)
    mel, later = first[0]["mel"][0], second[0]["mel"][0]
    frames = LENGTH // corpus.contract.hop_length
    assert mel.shape[0] == frames + 2 * CONTEXT
    np.testing.assert_array_equal(mel[:CONTEXT], mel[[CONTEXT] * CONTEXT])
    np.testing.assert_array_equal(mel[frames:], later[: 2 * CONTEXT])


@pytest.mark.parametrize("passed_over", [1, 30])
def test_a_run_finds_its_place_again(corpus, passed_over) -> None:
    whole = batches(corpus, passed_over + 3, seed=4)[passed_over:]
    again = batches(corpus, 3, seed=4, first_batch=passed_over)
    for one, other in zip(whole, again, strict=True):
        for key, value in one[0].items():
            np.testing.assert_array_equal(value, other[0][key])


def batches_of_a_pass(corpus) -> int:
    window = Window.of(corpus.contract, LENGTH, CONTEXT, CONTEXT, ROWS)
    return sum(corpus._clips("training", window)) // ROWS


def shares(corpus, **changes) -> list[set]:
    """The segments with which the recordings of each row of a pass begin."""
    found = [set() for _ in range(ROWS)]
    for inputs, audio, _ in batches(
        corpus, batches_of_a_pass(corpus), **changes
    ):
        for row in np.flatnonzero(inputs["begins"]):
            found[row].add(audio[row].tobytes())
    return found


def test_passes_and_seeds_divide_the_recordings_otherwise(corpus) -> None:
    count = batches_of_a_pass(corpus)
    passes = [shares(corpus, first_batch=number * count) for number in range(5)]
    assert any(one != passes[0] for one in passes[1:])
    seeds = [shares(corpus, seed=seed) for seed in range(5)]
    assert any(one != seeds[0] for one in seeds[1:])


def test_some_passes_read_all_audio_to_its_end(corpus, recordings) -> None:
    ends = set()
    for inputs, audio, weight in batches(corpus, 400):
        del inputs
        for row in np.flatnonzero(weight.min(axis=1) == 0):
            ends.add(audio[row][weight[row] > 0].tobytes())
    for audio, _ in recordings.values():
        if rest := len(audio) % LENGTH:
            assert audio[-rest:].tobytes() in ends


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_validation_reads_every_sample_once(corpus, rows) -> None:
    data = corpus.validation_segments(LENGTH, CONTEXT, rows)
    found = list(data.as_numpy_iterator())
    assert len(found) == int(data.cardinality()) > 0
    assert found[0][1].shape == (rows, LENGTH)
    expected = sum(one.samples for one in corpus.card.validation)
    assert sum(weight.sum() for _, _, weight in found) == expected


def test_more_rows_than_recordings_are_refused(corpus) -> None:
    count = len(corpus.card.training)
    with pytest.raises(UserError, match=f"--batch_size={count}"):
        batches(corpus, 1, batch_size=count + 1)


def test_an_impossible_length_is_refused(corpus) -> None:
    with pytest.raises(UserError, match="multiple of the hop"):
        batches(corpus, 1, clip_length=LENGTH + 1)
