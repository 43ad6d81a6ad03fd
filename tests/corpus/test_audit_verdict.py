"""The verdict: which measure sends a recording to quarantine, and why."""

import dataclasses
from pathlib import Path

import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.cli.flags import chosen_limits, define_limits
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.audit.measures import Measures
from pwavenet_tf.corpus.audit.verdict import Judge, Limits
from pwavenet_tf.corpus.layouts import Source

GOOD = Measures(
    container="WAV",
    subtype="PCM_16",
    bits=16,
    sample_rate=16_000,
    channels=1,
    seconds=4.0,
    peak=0.5,
    clipped_share=0.0,
    offset=0.0,
    silent=False,
    silence_share=0.1,
    snr_db=35.0,
    bandwidth_hz=8_000.0,
    content="a",
)


def source(name="one.wav", text=None):
    return Source(Path(name), name, text=text)


def judged(
    limits=None, rate=16_000, text=None, check_transcripts=True, **measures
):
    judge = Judge(limits or Limits(), rate, check_transcripts=check_transcripts)
    return judge(source(text=text), dataclasses.replace(GOOD, **measures))


def test_a_good_recording_is_accepted_without_a_word():
    found = judged(text="Forty characters are spoken in four seconds")
    assert found.accepted and not found.reasons and not found.warnings


@pytest.mark.parametrize(
    ("measures", "limit", "message"),
    [
        ({"seconds": 0.249}, "shortest_seconds", "shorter than 0.25 s"),
        ({"seconds": 3_601.0}, "longest_seconds", "longer than 3600 s"),
        ({"clipped_share": 0.11}, "most_clipped", "clipped (11.00%"),
        ({"offset": 0.11}, "most_offset", "offset of 0.110"),
        ({"offset": -0.11}, "most_offset", "offset of -0.110"),
        ({"silence_share": 0.96}, "most_silence", "pauses (96%)"),
    ],
)
def test_beyond_a_limit_is_quarantine_and_at_it_is_not(
    measures, limit, message
):
    found = judged(**measures)
    assert not found.accepted
    assert len(found.reasons) == 1 and message in found.reasons[0]
    assert not found.warnings
    (name, value), *_ = measures.items()
    at_it = dataclasses.replace(Limits(), **{limit: abs(value)})
    assert judged(at_it, **{name: value}).accepted


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"clipped_share": 0.002}, "clipped (0.20%"),
        ({"offset": -0.02}, "offset of -0.020"),
        ({"silence_share": 0.7}, "pauses (70%)"),
        ({"snr_db": 12.34}, "SNR 12.3 dB"),
        (
            {"bandwidth_hz": 4_000.0},
            "nothing above 4000 Hz though sampled at 16000 Hz",
        ),
        (
            {"bandwidth_hz": 4_000.0, "sample_rate": 8_000},
            "nothing above 4000 Hz, and is brought to 16000 Hz",
        ),
    ],
)
def test_a_weakness_is_a_warning_and_no_reason(measures, message):
    found = judged(**measures)
    assert found.accepted
    assert len(found.warnings) == 1 and message in found.warnings[0]


@pytest.mark.parametrize(
    ("limits", "measures"),
    [
        ({"least_snr": 20.0}, {"snr_db": 19.0}),
        ({"least_bandwidth": 5_000.0}, {"bandwidth_hz": 4_000.0}),
        ({"least_bandwidth": 9_000.0}, {}),
    ],
)
def test_a_limit_that_is_off_can_be_set(limits, measures):
    assert judged(**measures).accepted
    found = judged(dataclasses.replace(Limits(), **limits), **measures)
    assert len(found.reasons) == 1 and not found.warnings


@given(
    clipped=st.floats(0, 1),
    offset=st.floats(-1, 1),
    silence=st.floats(0, 1),
    snr=st.none() | st.floats(-100, 100),
    bandwidth=st.floats(2_000, 8_000),
)
def test_without_limits_nothing_is_reported(
    clipped, offset, silence, snr, bandwidth
):
    nothing = {
        field.name: None
        for field in dataclasses.fields(Limits)
        if field.name not in ("shortest_seconds", "longest_seconds")
    }
    found = judged(
        Limits(**nothing),
        clipped_share=clipped,
        offset=offset,
        silence_share=silence,
        snr_db=snr,
        bandwidth_hz=bandwidth,
    )
    assert found.accepted and not found.warnings


def test_of_silence_nothing_else_is_reported():
    found = judged(silent=True, snr_db=None, silence_share=1.0, offset=0.9)
    assert found.reasons == ("is digitally silent",)
    assert not found.warnings


def test_all_reasons_are_reported():
    found = judged(seconds=0.1, clipped_share=0.5, offset=0.2, snr_db=3.0)
    assert len(found.reasons) == 3 and len(found.warnings) == 1


@pytest.mark.parametrize(
    ("characters", "accepted"),
    [(7, False), (8, True), (160, True), (161, False)],
)
def test_a_speaking_rate_that_cannot_be_is_a_mismatch(characters, accepted):
    """Four seconds: 2 to 40 characters in a second."""
    text = " " + "a" * characters + " "
    found = judged(text=text)
    assert found.accepted == accepted
    assert not judged(text="").accepted
    assert (
        accepted or "characters of transcript in a second" in found.reasons[0]
    )
    unchecked = judged(text=text, check_transcripts=False)
    assert unchecked.accepted and len(unchecked.warnings) == (not accepted)


def test_no_transcript_is_worth_a_word_only_where_others_have_one():
    for transcribed in (False, True):
        judge = Judge(Limits(), 16_000, transcribed=transcribed)
        assert judge(source(), GOOD).warnings == (
            ("has no transcript",) if transcribed else ()
        )


@pytest.mark.parametrize("quarantine", [False, True])
def test_of_duplicates_the_first_is_the_original(quarantine):
    judge = Judge(Limits(quarantine_duplicates=quarantine), 16_000)
    verdicts = [
        judge(source(name), dataclasses.replace(GOOD, content=content))
        for name, content in zip("abcd", "xyxx", strict=True)
    ]
    message = [one.reasons if quarantine else one.warnings for one in verdicts]
    assert message == [(), ()] + [("has the same samples as a",)] * 2
    assert [one.accepted for one in verdicts] == [
        True,
        True,
        not quarantine,
        not quarantine,
    ]


# Flags


def parsed(*arguments):
    values = flags.FlagValues()
    define_limits(values)
    values(["pwavenet", *arguments])
    return chosen_limits(values)


def test_every_limit_has_a_flag_and_its_default():
    assert parsed() == Limits()
    for number, field in enumerate(dataclasses.fields(Limits)):
        if field.name == "quarantine_duplicates":
            assert parsed(f"--{field.name}").quarantine_duplicates
            continue
        lowest, highest = field.metadata["bounds"]
        value = lowest + (1 + number) * 1e-5 * (highest - lowest)
        expected = dataclasses.replace(Limits(), **{field.name: value})
        assert parsed(f"--{field.name}={value}") == expected


def test_no_recording_can_be_longer_than_the_longest_and_long_enough():
    with pytest.raises(UserError, match="--shortest_seconds=2 must be no more"):
        parsed("--shortest_seconds=2", "--longest_seconds=1")
