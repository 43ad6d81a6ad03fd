"""The speaker, by the path."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.manifest import FOLDER, compiled, speaker_of

NAMES = st.text(
    st.characters(blacklist_characters="/\n", blacklist_categories=("Cs",)),
    min_size=1,
)


@given(speaker=NAMES, rest=st.lists(NAMES, min_size=1, max_size=3))
def test_the_outermost_folder_is_the_speaker(speaker, rest):
    name = "/".join([speaker, *rest])
    assert speaker_of(name, compiled(FOLDER)) == speaker


@pytest.mark.parametrize(
    ("name", "pattern", "speaker"),
    [
        ("7_jackson_12.wav", "_(.+)_", "jackson"),
        ("wavs/7_jackson_12.wav", "_(.+)_", "jackson"),
        ("p225/p225_001.wav", "p([0-9]+)_", "225"),
        ("train/84/121123/84_1.flac", "^[^/]+/([0-9]+)/", "84"),
        ("a/é/1.wav", "/(?:the )?([^/]+)/", "é"),
    ],
)
def test_the_group_of_the_pattern_is_the_speaker(name, pattern, speaker):
    assert speaker_of(name, compiled(pattern)) == speaker


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("one.wav", FOLDER),
        ("one.wav", "_(.+)_"),
        ("7__12.wav", "_(.*)_"),
        ("7_12.wav", "_(x)?12"),
    ],
)
def test_a_path_without_a_speaker_is_refused(name, pattern):
    with pytest.raises(UserError, match=f"^{name}: .*finds no speaker"):
        speaker_of(name, compiled(pattern))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("_(.+_", "is no regular expression"),
        ("*", "is no regular expression"),
        ("_.+_", "has 0 groups"),
        ("(.)_(.+)_", "has 2 groups"),
        ("(?:.)_", "has 0 groups"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(pattern, message):
    with pytest.raises(UserError, match=message) as caught:
        compiled(pattern)
    assert re.escape(repr(pattern)[1:-1]) in re.escape(str(caught.value))
