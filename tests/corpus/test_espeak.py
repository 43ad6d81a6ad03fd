import ctypes
import subprocess
import sys

import librosa
import numpy as np
import pytest

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import SILENCE

# Other programs and processes.
pytestmark = pytest.mark.system


pytest.importorskip("espeakng_loader")

TEXT = "The tide turned at dawn, and six fishes passed; she chose a fresh one."


@pytest.fixture(scope="module")
def speech():
    return Espeak().synthesize(TEXT)


def parts(speech, symbols):
    """The sound of every phone with one of the symbols."""
    return [
        speech.audio[
            round(phone.start * speech.sample_rate) : round(
                phone.end * speech.sample_rate
            )
        ]
        for phone in speech.phones
        if phone.symbol in symbols
    ]


def transcribed(text):
    """The phones by espeak-ng's own transcription, without any audio."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_Initialize(
        2, 0, str(espeakng_loader.get_data_path()).encode(), 0
    )
    library.espeak_SetVoiceByName(b"en-us")
    rest = ctypes.c_char_p(text.encode())
    clauses = []
    while rest.value:
        clause = library.espeak_TextToPhonemes(ctypes.byref(rest), 1, 2)
        clauses.append(clause.decode())
    return "".join(clauses)


def test_phones_are_those_of_the_text(speech):
    symbols = "".join(
        phone.symbol for phone in speech.phones if phone.symbol != SILENCE
    )
    expected = transcribed(TEXT)
    for mark in "ˈˌ ":
        expected = expected.replace(mark, "")
    assert symbols == expected


def test_phones_cover_the_audio(speech):
    assert speech.phones[0].start == 0
    seconds = len(speech.audio) / speech.sample_rate
    assert speech.phones[-1].end == pytest.approx(seconds)
    for phone, following in zip(speech.phones, speech.phones[1:], strict=False):
        assert phone.start < phone.end == following.start
        assert (phone.symbol, following.symbol) != (SILENCE, SILENCE)


def test_phones_are_where_they_sound(speech):
    """Sibilants are high, pauses silent, stops begin with a closure."""

    def share_above_4_khz(audio):
        power = np.abs(np.fft.rfft(audio)) ** 2
        hertz = np.fft.rfftfreq(len(audio), 1 / speech.sample_rate)
        return power[hertz > 4000].sum() / power.sum()

    sibilants = [share_above_4_khz(one) for one in parts(speech, {"s"})]
    vowels = [
        share_above_4_khz(one) for one in parts(speech, set("æɪəɛʌ") | {"aɪ"})
    ]
    assert len(sibilants) >= 3 and len(vowels) >= 8
    assert min(sibilants) > 0.5 and max(vowels) < 0.1
    pauses = parts(speech, {SILENCE})
    assert len(pauses) >= 3
    assert max(np.abs(one).mean() for one in pauses) < 1e-3
    stops = parts(speech, {"t"})
    assert len(stops) >= 4
    assert all(not one[: len(one) // 4].any() for one in stops)


def test_symbols_have_no_stress_and_are_few():
    from pwavenet_tf.corpus.demo import SENTENCES

    espeak = Espeak()
    symbols = {
        phone.symbol
        for sentence in SENTENCES
        for phone in espeak.synthesize(sentence).phones
    }
    assert 40 < len(symbols) < 65
    assert not set("".join(symbols)) & set("ˈˌ',_:;! ") and "" not in symbols


def test_glides_without_symbol_are_no_pauses():
    phones = Espeak().synthesize("The other end").phones
    assert [phone.symbol for phone in phones[1:4]] == ["ð", "ɪ", "ʌ"]


def test_changes_of_language_are_no_phones():
    phones = Espeak("ru").synthesize("Да, hello, да.").phones
    assert not any("(" in phone.symbol for phone in phones)


def test_rate_and_voice_are_followed():
    def pitch(speech):
        return np.nanmedian(
            librosa.yin(speech.audio, fmin=60, fmax=400, sr=speech.sample_rate)
        )

    usual, fast = (
        Espeak().synthesize(TEXT),
        Espeak("en-us", 300).synthesize(TEXT),
    )
    high = Espeak("en-us+f3").synthesize(TEXT)
    assert len(fast.audio) < 0.7 * len(usual.audio)
    assert pitch(high) > 1.3 * pitch(usual)


@pytest.mark.parametrize("text", ["", "  ", "...", "\n", "\0"])
def test_text_without_words_is_refused(text):
    with pytest.raises(UserError, match="nothing to synthesize"):
        Espeak().synthesize(text)


def test_unknown_voice_is_refused():
    with pytest.raises(UserError, match="no voice 'klingonese'"):
        Espeak("klingonese")


def test_missing_extra_is_reported():
    """In a Python that has everything but espeakng_loader."""
    script = (
        "import sys; sys.modules['espeakng_loader'] = None;"
        "from pwavenet_tf.corpus.phones.alignment import Aligner;"
        "from pwavenet_tf.core.errors import UserError\n"
        "try: Aligner()\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "pip install pwavenet_tf[demo]" in done.stdout
