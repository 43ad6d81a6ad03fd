"""Utterances of phones: their borders and means, and their batches."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
from hypothesis import example, given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phone_sequences import PhoneSequences, phone_sequence
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone, phone_frames

CONTRACT = tiny_models.CONTRACT
HOP_SECONDS = CONTRACT.hop_length / CONTRACT.sample_rate
IDS = {SILENCE: 1, "a": 2, "b": 3}


def features_of(phones: list[Phone], frames: int, seed: int = 0) -> dict:
    random = np.random.default_rng(seed)
    voiced = random.integers(0, 2, frames)
    pitch = np.stack([random.normal(size=frames), voiced], axis=1)
    return phone_frames(phones, IDS, frames, CONTRACT) | {
        "mel": random.normal(size=(frames, CONTRACT.mels)).astype("f"),
        "pitch": pitch.astype("f"),
    }


def timed(symbols, lengths) -> list[Phone]:
    """Phones of so many frames each, one after the other."""
    ends = np.cumsum(lengths) * HOP_SECONDS
    starts = ends - np.array(lengths) * HOP_SECONDS
    return [Phone(*one) for one in zip(symbols, starts, ends, strict=True)]


def merged(phones: list[Phone]) -> list[Phone]:
    """Silence after silence as one pause, which is what labels mean."""
    kept: list[Phone] = []
    for phone in phones:
        if kept and kept[-1].symbol == phone.symbol == SILENCE:
            phone = dataclasses.replace(phone, start=kept.pop().start)
        kept.append(phone)
    return kept


whole = st.integers(1, 12)
at_least_one_frame = st.one_of(whole, st.floats(1.0, 12.0))


@given(st.lists(st.tuples(st.sampled_from(list(IDS)), whole), min_size=1))
@example([("a", 1), ("a", 1), ("b", 2)])
def test_phones_and_durations_are_read_back_from_frames(given_phones) -> None:
    """Repeated neighbours too, of one frame each or of many."""
    symbols, lengths = zip(*given_phones, strict=True)
    phones = timed(symbols, lengths)
    found = phone_sequence(features_of(phones, sum(lengths)))
    expected = merged(phones)
    frames = [(one.end - one.start) / HOP_SECONDS for one in expected]
    np.testing.assert_array_equal(found["durations"], np.round(frames))
    assert [*found["phones"]] == [IDS[one.symbol] for one in expected]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), at_least_one_frame), min_size=1)
)
def test_a_phone_has_the_frames_whose_centres_are_in_it(given_phones) -> None:
    phones = timed(*zip(*given_phones, strict=True))
    frames = int(phones[-1].end / HOP_SECONDS)
    found = phone_sequence(features_of(phones, frames))
    centres = (np.arange(frames) + 0.5) * HOP_SECONDS
    starts = [one.start for one in phones]
    member = np.searchsorted(starts, centres, side="right") - 1
    # The last one may end before its first frame's centre.
    present, counts = np.unique(member, return_counts=True)
    np.testing.assert_array_equal(found["durations"], counts)
    assert [*found["phones"]] == [IDS[phones[one].symbol] for one in present]


def test_means_are_over_the_frames_and_those_voiced() -> None:
    lengths = [3, 1, 5, 2]
    features = features_of(timed(["sil", "a", "b", "a"], lengths), 11)
    features["pitch"][3, 1] = 0
    features["pitch"][4:9, 1] = (1, 0, 1, 1, 0)
    found = phone_sequence(features)
    end = 0
    for number, length in enumerate(lengths):
        start, end = end, end + length
        value, voiced = features["pitch"][start:end].T
        pitch = value[voiced > 0].mean() if voiced.any() else 0.0
        assert found["phone_pitch"][number] == pytest.approx(pitch, abs=1e-6)
        energy = features["mel"][start:end].mean()
        assert found["energy"][number] == pytest.approx(energy, abs=1e-6)
    assert found["phone_pitch"][1] == 0
    for name in ("mel", "pitch"):
        np.testing.assert_array_equal(found[name], features[name])
    types = {name: value.dtype.name for name, value in found.items()}
    assert types == {
        **dict.fromkeys(("phones", "durations"), "int32"),
        **dict.fromkeys(("phone_pitch", "energy", "mel", "pitch"), "float32"),
    }


def corpus_of(training: int, validation: int = 3):
    """A corpus whose utterances have their numbers as mel spectrograms."""

    def utterances(split):
        random = np.random.default_rng(len(split))
        for number in range(training if split == "training" else validation):
            lengths = random.integers(1, 9, random.integers(2, 5))
            features = features_of(
                timed("abab"[: len(lengths)], lengths), lengths.sum(), number
            )
            features["mel"][:] = 1 + number
            yield f"{number}.wav", None, features

    return SimpleNamespace(
        card=SimpleNamespace(phones=tuple(IDS), mean_pitch_hz=150.0),
        contract=CONTRACT,
        utterances=utterances,
    )


def numbers(batch) -> list[int]:
    """Which utterances a batch holds."""
    (inputs,) = batch
    return [int(mel[0, 0]) for mel in inputs["mel"]]


def taken(dataset, count: int) -> list[list[int]]:
    return [numbers(one) for one in itertools.islice(dataset, count)]


def test_each_pass_has_each_utterance_once() -> None:
    batches = PhoneSequences(corpus_of(23)).training_batches(3, seed=1)
    found = taken(batches, 21)
    passes = [sum(found[start : start + 7], []) for start in (0, 7, 14)]
    for one in passes:
        # Two are left over, other ones each time.
        assert len(set(one)) == len(one) == 21
        assert set(one) <= set(range(1, 24))
    assert passes[0] != passes[1]
    assert {*passes[0], *passes[1], *passes[2]} == set(range(1, 24))


def test_a_batch_has_utterances_of_like_length() -> None:
    sequences = PhoneSequences(corpus_of(60))
    lengths = {
        int(one["mel"][0, 0]): len(one["mel"])
        for one in sequences.utterances("training")
    }
    spans = [
        np.ptp([lengths[number] for number in batch])
        for batch in taken(sequences.training_batches(5), 12)
    ]
    assert np.mean(spans) < 0.5 * np.ptp(list(lengths.values()))


def test_the_same_seed_gives_the_same_batches_and_another_others() -> None:
    sequences = PhoneSequences(corpus_of(11))
    found = taken(sequences.training_batches(2, seed=5), 12)
    assert taken(sequences.training_batches(2, seed=5), 12) == found
    again = PhoneSequences(corpus_of(11)).training_batches(2, seed=5)
    assert taken(again, 12) == taken(again, 12) == found
    assert taken(sequences.training_batches(2, seed=6), 12) != found


@pytest.mark.parametrize("first", [1, 4, 5, 6, 13])
def test_a_run_goes_on_with_the_batches_that_come_next(first) -> None:
    """Within a pass, at its end, passes later."""
    sequences = PhoneSequences(corpus_of(11))
    expected = taken(sequences.training_batches(2, seed=5), first + 7)[first:]
    batches = sequences.training_batches(2, seed=5, first_batch=first)
    assert taken(batches, 7) == expected


def test_fewer_utterances_than_a_batch_are_one_batch() -> None:
    batches = PhoneSequences(corpus_of(3)).training_batches(8)
    for batch in taken(batches, 4):
        assert sorted(batch) == [1, 2, 3]


def test_validation_has_all_once_the_shortest_first() -> None:
    sequences = PhoneSequences(corpus_of(4, 7))
    batches = sequences.validation_batches(3)
    assert batches.cardinality() == 3
    lengths = [
        (inputs["durations"].numpy().sum(axis=1)).tolist()
        for (inputs,) in batches
    ]
    assert [len(one) for one in lengths] == [3, 3, 1]
    assert sum(lengths, []) == sorted(sum(lengths, []))
    found = sum(map(numbers, batches), [])
    assert sorted(found) == list(range(1, 8))
    assert sum(map(numbers, batches.take(1)), []) == found[:3]


def test_a_batch_is_padded_with_zeros_to_its_longest_utterance() -> None:
    sequences = PhoneSequences(corpus_of(4, 7))
    held = {
        int(one["mel"][0, 0]): one for one in sequences.utterances("validation")
    }
    for batch in sequences.validation_batches(3):
        rows = [held[number] for number in numbers(batch)]
        for name, value in batch[0].items():
            assert value.shape[1] == max(len(row[name]) for row in rows)
            for found, row in zip(value.numpy(), rows, strict=True):
                length = len(row[name])
                np.testing.assert_array_equal(found[:length], row[name])
                assert not found[length:].any()


@pytest.mark.parametrize("lacking", [{"phones": ()}, {"mean_pitch_hz": None}])
def test_data_without_phones_or_pitch_are_refused(lacking) -> None:
    corpus = corpus_of(2)
    vars(corpus.card).update(lacking)
    with pytest.raises(UserError, match="no phones or no pitch") as error:
        PhoneSequences(corpus)
    assert "--conditioning=mel,linguistic,pitch" in str(error.value)
