"""Texts as sentences: what ends one, what is read, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.sentences import LONGEST_CHARACTERS, sentences


def divided(text: str, language: str = "en-us") -> list[str]:
    return list(sentences(text, language))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("No mark at the end", ["No mark at the end"]),
        ("Line one\nline two. Three.", ["Line one line two.", "Three."]),
        # Abbreviations, initials, ordinals and the like end nothing.
        ("Mr. Smith met Dr. Jones.", ["Mr. Smith met Dr. Jones."]),
        ("J. R. R. Tolkien wrote.", ["J. R. R. Tolkien wrote."]),
        ("See Fig. 3. It shows all.", ["See Fig. 3.", "It shows all."]),
        ("He said (cf. Miller) so.", ["He said (cf. Miller) so."]),
        ("Fruit, e.g. Apples, is good.", ["Fruit, e.g. Apples, is good."]),
        ("At no. 5 he stopped. So.", ["At no. 5 he stopped.", "So."]),
        ("He said no. Then he left.", ["He said no.", "Then he left."]),
        ("He left in 1999. So did I.", ["He left in 1999.", "So did I."]),
        # Numbers keep their points.
        ("It costs 3.14 euros. Yes.", ["It costs 3.14 euros.", "Yes."]),
        ("Version 2.0.1 is out.", ["Version 2.0.1 is out."]),
        # Ellipses.
        ("Well... maybe. Or not.", ["Well... maybe.", "Or not."]),
        ("Well… Maybe.", ["Well…", "Maybe."]),
        ("Wait... What?!  No!!", ["Wait...", "What?!", "No!!"]),
        # Quotes and brackets stay with their sentence.
        ('"Go." He went.', ['"Go."', "He went."]),
        ("“Go!” He went.", ["“Go!”", "He went."]),
        ("(It rained.) We left.", ["(It rained.)", "We left."]),
        ('"Go!" said he. We went.', ['"Go!" said he.', "We went."]),
        # Dashes between words become commas, hyphens and minus signs do not.
        ("He — of all men — went.", ["He, of all men, went."]),
        ("He—of all men—went.", ["He, of all men, went."]),
        ("He -- of all men -- went.", ["He, of all men, went."]),
        ("A well-known range: 3–5.", ["A well-known range: 3–5."]),
        ("At -5 degrees.", ["At -5 degrees."]),
        # Addresses without their scheme.
        ("See https://www.a.org/b?c=1 now.", ["See a.org/b?c=1 now."]),
        ("See HTTP://a.org. Then go.", ["See a.org.", "Then go."]),
        # What nobody reads aloud.
        ("Hello 😀👍🏽 world ❤️!", ["Hello world !"]),
        ("Bell\x07 and\u200b null\0 end.", ["Bell and null end."]),
        ("At 20 °C ©", ["At 20 °C ©"]),
        # Letters in their composed form.
        ("Cafe\u0301.", ["Café."]),
        ("", []),
        (" \n\n \t", []),
        ("😀 ... !", []),
    ],
)
def test_text_is_divided_as_a_reader_would(text, expected) -> None:
    assert divided(text) == expected


def test_a_paragraph_ends_in_an_empty_sentence_but_the_last() -> None:
    text = "One. Two.\n\nThree.\n \t\n\n***\n\nFour.\u2029Five.\n\n"
    assert divided(text) == [
        *("One.", "Two.", "", "Three.", "", "Four.", "", "Five."),
    ]


def test_windows_line_ends_are_line_ends() -> None:
    assert divided("One\r\ntwo.\r\n\r\nThree.") == ["One two.", "", "Three."]


def test_long_sentences_are_divided_at_commas_or_else_at_blanks() -> None:
    with_commas = ", ".join(["seven words that come before a comma"] * 20)
    parts = divided(f"{with_commas}.")
    assert len(parts) > 2
    assert all(part.endswith(",") for part in parts[:-1])
    assert " ".join(parts) == f"{with_commas}."
    without = " ".join(["word"] * 200)
    parts = divided(without)
    assert " ".join(parts) == without
    one_word = "a" * 1_000
    assert "".join(divided(one_word)) == one_word
    for found in (*parts, *divided(with_commas), *divided(one_word)):
        assert len(found) <= LONGEST_CHARACTERS


@given(
    st.lists(
        st.sampled_from(
            [
                *("word", "Mr.", "J.", "3.14", "5", "Well...", "so,", "end."),
                *("What?", '"Go!"', "(no)", "a-b", "naïve", "x" * 90, "U.S."),
                *(";", ":", "\n", "\n\n", "😀", "–", "it's", "\t", "—b", "--"),
            ]
        ),
        max_size=80,
    )
)
def test_every_letter_and_digit_is_kept_in_order(words) -> None:
    text = " ".join(words)
    found = divided(text)
    read = [letter for letter in text if letter.isalnum()]
    assert [one for one in "".join(found) if one.isalnum()] == read
    for sentence in found:
        assert len(sentence) <= LONGEST_CHARACTERS
        assert sentence == " ".join(sentence.split())
        assert not sentence or any(map(str.isalnum, sentence))
    # Paragraphs are divided by one empty sentence.
    assert not found or (found[0] and found[-1])
    assert ("", "") not in zip(found, found[1:], strict=False)


@given(st.text(max_size=60))
def test_any_text_is_divided_or_refused(text) -> None:
    try:
        found = divided(text)
    except UserError:
        return
    assert all(one == one.strip() for one in found)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello, привет.", "en-us"),
        ("你好。", "en-us"),
        ("שלום", "de"),
        ("こんにちは", "en-gb"),
        ("Hello there.", "ru"),
        ("Hello there.", "el"),
        ("привет", "el"),
    ],
)
def test_another_script_is_refused_before_the_first_sentence(
    text, language
) -> None:
    with pytest.raises(UserError, match="not in the script of .* leave it out"):
        next(sentences(f"{text}", language))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The angle α is 2π, not Δx.", "en-us"),
        ("Ångström, naïve, Łódź, ß.", "en-us"),
        ("Привет, мир.", "ru"),
        ("Γεια σου.", "el"),
        ("नमस्ते दुनिया।", "hi"),
        ("你好。", "cmn"),
        ("안녕하세요", "ko"),
        ("こんにちは、世界。Hello.", "ja"),
        ("مرحبا", "ar"),
    ],
)
def test_the_voices_own_script_and_single_symbols_are_read(
    text, language
) -> None:
    (found,) = divided(text, language)
    read = [one for one in text if one.isalnum()]
    assert [one for one in found if one.isalnum()] == read
