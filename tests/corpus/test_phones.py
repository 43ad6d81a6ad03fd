import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.phones import (
    SILENCE,
    Phone,
    cut,
    filled,
    in_order,
    learn_phones,
    phone_frames,
    phone_ids,
)

CONTRACT = AudioContract(sample_rate=16_000, hop_length=200)
HOP = 200 / 16_000


@st.composite
def utterances(draw):
    """Phones with and without gaps, by lengths of whole milliseconds."""
    lengths = draw(
        st.lists(
            st.tuples(st.integers(0, 300), st.integers(0, 400)), max_size=12
        )
    )
    phones, time = [], 0
    for gap, length in lengths:
        gap = gap if gap > 2 else 0
        start, time = time + gap, time + gap + length
        symbol = draw(st.sampled_from("abcdef"))
        phones.append(Phone(symbol, start / 1000, time / 1000))
    return phones


def symbol_at(phones, time):
    """The naive reading: the phone that holds a time, or silence."""
    inside = [phone for phone in phones if phone.start <= time < phone.end]
    return inside[0].symbol if inside else SILENCE


@given(utterances(), st.integers(1, 6_000))
def test_filled_covers_the_recording_and_changes_no_label(phones, length):
    seconds = length / 1000
    whole = filled(phones[::-1], seconds)
    assert whole[0].start == 0 and whole[-1].end == seconds
    for one, following in zip(whole, whole[1:], strict=False):
        assert one.end == following.start
    assert all(phone.end > phone.start for phone in whole)
    # The last millisecond may be rounding.
    for time in (np.arange(length - 1) + 0.5) / 1000:
        assert symbol_at(whole, time) == symbol_at(phones, time)
    assert filled(whole, seconds) == whole


@given(utterances(), st.integers(0, 300))
def test_frames_tell_the_phone_at_their_centre(phones, frames):
    ids = {}
    learn_phones(ids, phones)
    features = phone_frames(phones, ids, frames, CONTRACT)
    assert features["phones"].shape == (frames, 3)
    assert features["timing"].shape == (frames, 2)
    assert features["phones"].dtype == np.int32
    assert features["timing"].dtype == np.float32
    last = max((phone.end for phone in phones), default=0)
    for frame, (_, now, _) in enumerate(features["phones"]):
        centre = (frame + 0.5) * HOP
        # The last frame may reach past the end of the recording, and the
        # sum of the times is rounded.
        if not abs(centre - last) < HOP and all(
            abs(centre - edge) > 1e-9
            for phone in phones
            for edge in (phone.start, phone.end)
        ):
            assert tuple(ids)[now - 1] == symbol_at(phones, centre)
    assert np.all(features["timing"][:, 0] >= 0)
    assert np.all(features["timing"][:, 0] <= 1)


@given(utterances(), st.integers(-200, 2_000), st.integers(5, 2_000))
def test_a_part_has_the_phones_of_its_time(phones, start, length):
    part = cut(phones, start / 1000, (start + length) / 1000)
    assert part[0].start == 0
    assert part[-1].end == pytest.approx(length / 1000)
    # The first and the last millisecond may be rounding.
    for time in (np.arange(1, length - 1) + 0.5) / 1000:
        assert symbol_at(part, time) == symbol_at(phones, time + start / 1000)


def test_silence_after_silence_is_one_pause():
    phones = [Phone(SILENCE, 0.2, 0.4), Phone("a", 0.5, 0.6)]
    assert filled(phones, 0.7) == [
        Phone(SILENCE, 0, 0.5),
        Phone("a", 0.5, 0.6),
        Phone(SILENCE, 0.6, 0.7),
    ]


def test_neighbours_and_timing_in_a_worked_example():
    phones = [Phone("a", 0.1, 0.2), Phone("b", 0.2, 0.25)]
    ids = phone_ids((SILENCE, "a", "b"))
    features = phone_frames(phones, ids, 24, CONTRACT)
    centres = (np.arange(24) + 0.5) * HOP
    expected = [
        (0, 1, 2, centre / 0.1, 0.1)
        if centre < 0.1
        else (1, 2, 3, (centre - 0.1) / 0.1, 0.1)
        if centre < 0.2
        else (2, 3, 1, (centre - 0.2) / 0.05, 0.05)
        if centre < 0.25
        else (3, 1, 0, (centre - 0.25) / 0.05, 0.05)
        for centre in centres
    ]
    np.testing.assert_array_equal(
        features["phones"], [row[:3] for row in expected]
    )
    np.testing.assert_allclose(
        features["timing"],
        [(row[3], np.log(row[4] / 0.1)) for row in expected],
        atol=1e-6,
    )


def test_a_recording_that_ends_within_the_last_frame_gains_no_silence():
    phones = [Phone("a", 0, 0.1), Phone("b", 0.1, 9.3 * HOP)]
    features = phone_frames(phones, {"a": 1, "b": 2}, 10, CONTRACT)
    assert features["phones"][-1].tolist() == [1, 2, 0]
    assert features["timing"][-1, 0] == 1


def test_ids_are_given_in_the_order_of_first_sight():
    ids = {}
    learn_phones(ids, [Phone("b", 0, 1), Phone("a", 1, 2), Phone("b", 2, 3)])
    learn_phones(ids, [Phone("a", 0, 1), Phone("c", 1, 2)])
    assert ids == {SILENCE: 1, "b": 2, "a": 3, "c": 4}
    assert phone_ids(tuple(ids)) == ids


def test_unknown_symbols_are_0():
    features = phone_frames([Phone("x", 0, 1)], {SILENCE: 1}, 4, CONTRACT)
    assert not features["phones"].any()


@pytest.mark.parametrize(
    ("phones", "message"),
    [
        ([Phone("a", 0, 0.5), Phone("b", 0.4, 1)], "'b' at 0.400 s overlaps"),
        ([Phone("a", 0, 0.5), Phone("b", 0, 0.5)], "at 0.000 s overlaps 'a'"),
        ([Phone("a", 0.5, 0.4)], "at 0.500 s ends before it starts"),
        ([Phone("a", -1, 0.4)], "'a' starts before the recording"),
        ([Phone("a", float("nan"), 0.4)], "'a' has no finite time"),
        ([Phone("a", 0, float("inf"))], "'a' has no finite time"),
    ],
)
def test_impossible_phones_are_refused(phones, message):
    for reader in (
        in_order,
        lambda phones: filled(phones, 1.0),
        lambda phones: phone_frames(phones, {}, 9, CONTRACT),
    ):
        with pytest.raises(UserError, match=message):
            reader(phones)


def test_overlaps_of_rounding_are_cut_off():
    phones = [Phone("a", 0, 0.101), Phone("b", 0.1, 0.2)]
    assert filled(phones, 0.2) == [
        Phone("a", 0, 0.101),
        Phone("b", 0.101, 0.2),
    ]
