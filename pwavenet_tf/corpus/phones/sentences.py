"""A text as sentences that a voice can read."""

import re
import unicodedata
from collections.abc import Iterator

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.phones import LANGUAGE

# A longer sentence is divided: at a comma if there is one, or else at a blank.
LONGEST_CHARACTERS = 250

# A full stop after these ends no sentence, with what follows it: `no.` is an
# abbreviation before a number alone, one letter is an initial.
_ABBREVIATIONS = re.compile(
    r"(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|etc|e\.g|i\.e|cf|fig|approx|dept|est"
    r"|inc|ltd|co|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[^\W\d_])\.."
    r"|no\.\d",
    re.IGNORECASE,
)
# Scripts of languages that are not written in Latin letters, by the first part
# of their names at espeak-ng, as Unicode's names of letters begin.
_SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk", "sr", "kk"), "CYRILLIC"),
    **dict.fromkeys(("ar", "fa", "ur"), "ARABIC"),
    **dict.fromkeys(("hi", "mr", "ne"), "DEVANAGARI"),
    **dict.fromkeys(("cmn", "zh", "yue"), "CJK"),
    **{"el": "GREEK", "he": "HEBREW", "ka": "GEORGIAN", "hy": "ARMENIAN"},
    **{"ko": "HANGUL", "ta": "TAMIL", "te": "TELUGU", "bn": "BENGALI"},
}
# Written with several: none is refused.
_MIXED = ("ja",)
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+")


def sentences(text: str, language: str = LANGUAGE) -> Iterator[str]:
    """Divides a text into sentences, ready for a voice of espeak-ng.

    What nobody would read aloud is left out: emoji, control characters, the
    scheme of an address. Dashes between words become commas. Numbers,
    abbreviations and symbols are left to espeak-ng. An empty line ends a
    sentence.

    Yields:
        Sentences, an empty one at the end of each paragraph but the last.

    Raises:
        UserError: If a word is in a script of another language; before the
            first sentence is yielded.
    """
    _require_script(text, language)
    paragraphs = [
        found
        for part in re.split(r"\n\s*\n|\u2029", text)
        if any(map(str.isalnum, found := _cleaned(part)))
    ]
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ""
        for sentence in _divided(paragraph):
            yield from _short(sentence)


def _require_script(text: str, language: str) -> None:
    first = language.partition("-")[0]
    script = _SCRIPTS.get(first, "LATIN")
    for word in re.findall(r"[^\W\d_]{2,}", text):
        other = [
            letter
            for letter in word
            if script not in unicodedata.name(letter, script)
        ]
        # A letter of another script alone is a symbol, as in a formula.
        if len(other) > 1 and first not in _MIXED:
            raise UserError(
                f"the text holds {word[:20]!r}, which is not in the script of "
                f"the voice's language ({language}); transliterate it or leave "
                "it out"
            )


def _cleaned(text: str) -> str:
    text = re.sub(r"\b[a-z]+://(www\.)?", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"\s+[-–—]+\s+|\s*[–—]+\s*(?=\D)|\s--+\s*", ", ", text)
    # Surrogates, control characters and most emoji.
    text = "".join(
        letter if _is_read(letter) else " "
        for letter in unicodedata.normalize("NFC", text)
    )
    return re.sub(r"\s+", " ", text).strip()


def _is_read(letter: str) -> bool:
    category = unicodedata.category(letter)
    # Pictures, and the modifiers of their colours.
    if category in ("So", "Sk"):
        return letter in "°©®№^`"
    # Variation selectors and joiners are those of emoji.
    return category[0] != "C" and not "\ufe00" <= letter <= "\ufe0f"


def _divided(paragraph: str) -> Iterator[str]:
    """Divides at the ends of sentences."""
    start = 0
    for found in _END.finditer(paragraph):
        before = paragraph[start : found.start()]
        after = paragraph[found.end() : found.end() + 1]
        word = before.rpartition(" ")[2].rstrip(".").lstrip("\"'“‘([")
        is_short = _ABBREVIATIONS.fullmatch(f"{word}.{after}")
        if (is_short and before.endswith(".")) or after.islower():
            continue
        yield paragraph[start : found.end()].strip()
        start = found.end()
    if rest := paragraph[start:].strip():
        yield rest


def _short(sentence: str) -> Iterator[str]:
    """Divides what is too long to be one sentence."""
    while len(sentence) > LONGEST_CHARACTERS:
        head = sentence[:LONGEST_CHARACTERS]
        places = [head.rfind(mark) + 1 for mark in ("; ", ": ", ", ", " ")]
        place = next((one for one in places if one > 1), LONGEST_CHARACTERS)
        yield sentence[:place].strip()
        sentence = sentence[place:].strip()
    if any(map(str.isalnum, sentence)):
        yield sentence
