"""Speakers: from text to audio, with vocoders of every conditioning."""

import dataclasses

import numpy as np
import pytest
import tiny_models

import pwavenet_tf
from pwavenet_tf.audio.pitch import sinusoid_track
from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.phones import LANGUAGE, SILENCE, Phone, filled
from pwavenet_tf.corpus.phones.reader import Reader, known_symbols
from pwavenet_tf.synthesis.speech import Speaker
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.training.fit import save_model

CONTRACT = tiny_models.NORMALISED
HOP = CONTRACT.hop_length
PHONES = (SILENCE, "a", "b", "aː", "tʃ")


def conditioning(*inputs: str, **changes) -> Conditioning:
    settings = {"phones": PHONES, "mean_pitch_hz": 150.0, "harmonics": 3}
    return dataclasses.replace(
        tiny_models.ON_MEL, inputs=inputs, **settings | changes
    )


ON_MEL = tiny_models.ON_MEL
SERVED = {
    "mel": ON_MEL,
    "mel, sinusoids": conditioning("mel", "sinusoids", mean_pitch_hz=None),
    "mel, pitch": conditioning("mel", "pitch"),
    "linguistic, pitch": conditioning(
        "linguistic", "pitch", phones=("b", SILENCE, "aː", "a")
    ),
}


class Spelling:
    """In place of espeak-ng: each letter is a phone, blanks are pauses."""

    def synthesize(self, text: str):
        symbols = [SILENCE if one == " " else one for one in f" {text} "]
        return Phones(
            filled(
                [
                    Phone(symbol, 0.1 * place, 0.1 * (place + 1))
                    for place, symbol in enumerate(symbols)
                ],
                0.1 * len(symbols),
            )
        )


@dataclasses.dataclass
class Phones:
    phones: list[Phone]


def acoustic_model(**changes):
    """Phones of some four frames, and features of a likely size."""
    model = tiny_models.acoustic_model(phones=PHONES, **changes)
    for layer in (
        model.output_projection,
        *(one.output_layer for one in model.predictors.values()),
    ):
        layer.kernel.assign(0.3 * layer.kernel.numpy())
    model.predictors["log_duration"].output_layer.bias.assign([1.5])
    return model


def speaker_of(vocoder, model=None) -> Speaker:
    synthesizer = Synthesizer(tiny_models.calmer(vocoder))
    speaker = Speaker(model or acoustic_model(), synthesizer)
    speaker.reader = Reader(PHONES, LANGUAGE, Spelling())
    return speaker


def student(conditioning: Conditioning = ON_MEL, **changes):
    return tiny_models.student(
        conditioning=conditioning, **{"audio": CONTRACT} | changes
    )


@pytest.fixture(scope="module")
def speaker():
    return speaker_of(student())


TEXT = "abab ba. Aba?\n\nBab."


@pytest.mark.network
def test_the_seed_determines_the_audio(speaker) -> None:
    audio = speaker.say(TEXT, seed=3)
    assert audio.dtype == np.float32 and audio.ndim == 1
    assert np.isfinite(audio).all() and np.abs(audio).max() <= 1
    assert audio.std() > 0
    np.testing.assert_array_equal(speaker.say(TEXT, seed=3), audio)
    assert (speaker.say(TEXT, seed=4) != audio).any()


@pytest.mark.network
def test_the_blocks_are_those_of_the_sentences_and_make_what_is_said(
    speaker,
) -> None:
    """Each sentence by itself, paragraphs with 0.4 s of silence between."""
    blocks = list(speaker.stream(TEXT, rate=2.0, seed=3, temperature=0.5))
    assert len(blocks) > 3
    said = speaker.say(TEXT, rate=2.0, seed=3, temperature=0.5)
    np.testing.assert_array_equal(np.concatenate(blocks), said)
    pause = np.zeros(round(0.2 * CONTRACT.sample_rate))
    sentences = [
        speaker.say(one, rate=2.0, seed=3 + number, temperature=0.5)
        # The pause counts too.
        for number, one in ((0, "abab ba."), (1, "Aba?"), (3, "Bab."))
    ]
    expected = np.concatenate([*sentences[:2], pause, sentences[2]])
    np.testing.assert_array_equal(said, expected)


@pytest.mark.network
def test_the_first_sentence_sounds_before_the_next_is_read(
    speaker, monkeypatch
) -> None:
    read = []
    spell = speaker.reader._espeak.synthesize
    monkeypatch.setattr(
        speaker.reader._espeak,
        "synthesize",
        lambda one: read.append(one) or spell(one),
    )
    blocks = speaker.stream("Ab. Ba. Aba.")
    next(blocks)
    assert read == ["Ab."]
    assert len(list(blocks)) >= 2
    assert read == ["Ab.", "Ba.", "Aba."]


@pytest.mark.network
@pytest.mark.parametrize("served", SERVED)
def test_vocoders_of_every_served_conditioning_speak(served) -> None:
    own = SERVED[served]
    model = acoustic_model(mean_pitch_hz=200.0)
    speaker = speaker_of(student(own), model)
    padded = speaker.reader.phones("ab bab")
    (row,) = speaker.reader.ids("ab bab")
    np.testing.assert_array_equal(row, [1 + PHONES.index(x) for x in padded])
    features, row = speaker.features(row, 1.2, 1.5), row[None]
    made = {
        name: value.numpy()[0]
        for name, value in model.generate(row, 1.2, 1.5).items()
    }
    frames = made["durations"].sum()
    expected = {"mel": made["mel"]}
    expected["sinusoids"] = sinusoid_track(made["pitch"], CONTRACT)
    # Relative to the vocoder's mean.
    expected["pitch"] = made["pitch"] - [np.log(150.0), 0.0]
    ids = [1 + own.phones.index(one) if own.phones else 0 for one in padded]
    assert features.keys() <= {*expected, "phones", "timing"}
    for name, value in features.items():
        if name in expected:
            np.testing.assert_allclose(
                value, expected[name], atol=1e-4, rtol=1e-4
            )
    if "linguistic" in own.inputs:
        spoken = np.repeat(ids, made["durations"])
        np.testing.assert_array_equal(features["phones"][:, 1], spoken)
        seconds = made["durations"] * HOP / CONTRACT.sample_rate
        logs = np.repeat(np.log(seconds / 0.1), made["durations"])
        np.testing.assert_allclose(features["timing"][:, 1], logs, atol=1e-5)
    if served == "mel":
        with pytest.raises(UserError, match="its pitch cannot be changed"):
            speaker.say("ab bab", 1.2, 1.5)
        return
    audio = speaker.say("ab bab", 1.2, 1.5)
    assert len(audio) == frames * HOP
    assert np.isfinite(audio).all() and audio.std() > 0


def test_a_pause_at_either_end_is_one(speaker) -> None:
    expected = [SILENCE, "a", "b", SILENCE]
    assert speaker.reader.phones("ab") == expected
    assert speaker.reader.phones(" ab ") == expected


def test_pauses_after_one_another_are_one_where_a_phone_is_left_out(
    speaker,
) -> None:
    expected = [SILENCE, "a", SILENCE, "b", SILENCE]
    assert speaker.reader.phones("a ? b") == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("a", ["a"]),
        ("aː", ["aː"]),
        # By its kind of another length.
        ("bː", ["b"]),
        # By its parts, the longest first.
        ("tʃa", ["tʃ", "a"]),
        ("aːb", ["aː", "b"]),
        ("ba", ["b", "a"]),
        ("xb", ["b"]),
        ("bx", ["b"]),
        # Or not at all.
        ("x", []),
        ("xy", []),
        ("", []),
    ],
)
def test_an_unknown_phone_is_replaced_by_its_parts(symbol, expected) -> None:
    assert known_symbols(symbol, set(PHONES)) == expected


def test_a_short_phone_may_stand_for_a_missing_long_one_and_reverse() -> None:
    assert known_symbols("oː", {"o"}) == ["o"]
    assert known_symbols("o", {"oː"}) == ["oː"]


def test_another_contract_is_refused() -> None:
    other = dataclasses.replace(CONTRACT, mel_mean=(0.0,) * CONTRACT.mels)
    with pytest.raises(UserError, match="the acoustic model and the vocoder"):
        speaker_of(student(audio=other))


def test_pre_emphasis_is_the_vocoders_own_affair() -> None:
    own = dataclasses.replace(CONTRACT, pre_emphasis=0.9)
    assert speaker_of(student(audio=own)).acoustic_model


def test_a_vocoder_of_several_speakers_is_refused() -> None:
    own = conditioning("mel", "speaker", speakers=("anna", "ben"))
    with pytest.raises(UserError, match="the vocoder has several speakers"):
        speaker_of(student(own))


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        ("", {}, "there is nothing to say; give words or numbers"),
        (" \n\n ... !", {}, "there is nothing to say"),
        ("😀 👍🏽", {}, "there is nothing to say"),
        ("Aba. привет", {}, "'привет', which is not in the script"),
        ("a", {"rate": 0.4}, "rate 0.4 is out of bounds; give .* 0.5 to 2"),
        ("a", {"rate": 2.1}, "rate 2.1 is out of bounds"),
        ("a", {"rate": float("nan")}, "rate nan is out of bounds"),
        ("a", {"pitch": 0.0}, "pitch 0.0 is out of bounds"),
        ("a", {"pitch": 3}, "pitch 3 is out of bounds"),
        ("a", {"temperature": -1.0}, "temperature is -1.0"),
        ("a", {"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_what_cannot_be_said_is_refused_before_any_sound(
    text, how, message, speaker
) -> None:
    with pytest.raises(UserError, match=message):
        next(speaker.stream(text, **how))
    with pytest.raises(UserError, match=message):
        speaker.say(text, **how)


@pytest.mark.network
def test_a_voice_speaks_if_an_acoustic_model_lies_beside_it(tmp_path) -> None:
    """The acoustic model is read once it is needed, whatever it is."""
    vocoder, model = tmp_path / "student.keras", tmp_path / "acoustic.keras"
    save_model(student(), vocoder)
    voice = pwavenet_tf.load_voice(vocoder)
    with pytest.raises(UserError, match="this voice has no acoustic model"):
        voice.say("ab")
    save_model(acoustic_model(), model)
    voice = pwavenet_tf.load_voice(vocoder)
    assert voice.speaker.acoustic_model.phones == PHONES
    voice.speaker.reader = Reader(PHONES, LANGUAGE, Spelling())
    with pytest.raises(UserError, match="rate 3 is out of bounds"):
        voice.say("ab", rate=3)
    model.write_text("no model")
    voice = pwavenet_tf.load_voice(vocoder)
    with pytest.raises(UserError, match=r"acoustic\.keras: is damaged"):
        voice.say("ab")
    other = dataclasses.replace(CONTRACT, mel_mean=(0.0,) * CONTRACT.mels)
    save_model(acoustic_model(audio=other), model)
    voice = pwavenet_tf.load_voice(vocoder)
    with pytest.raises(UserError, match="do not share one acoustic contract"):
        voice.say("ab")


def test_a_sentence_that_espeak_ng_does_not_read_ends_no_text() -> None:
    pytest.importorskip("espeakng_loader", reason="espeak-ng is not installed")
    reader = Reader((SILENCE, "h", "ə", "l", "oʊ"), LANGUAGE)
    hello, ids = list(reader.ids("Hello.")), list(reader.ids("٣. Hello. ٣."))
    np.testing.assert_array_equal(ids, hello)
    with pytest.raises(UserError, match="there is nothing to say"):
        list(reader.ids("٣."))


@pytest.mark.network
def test_espeak_ng_reads_the_text() -> None:
    pytest.importorskip("espeakng_loader", reason="espeak-ng is not installed")
    phones = (SILENCE, "h", "ə", "l", "oʊ", "t", "uː")
    model = tiny_models.acoustic_model(phones=phones)
    synthesizer = Synthesizer(tiny_models.calmer(student()))
    speaker = Speaker(model, synthesizer)
    found = speaker.reader.phones("hello, 2 x")
    assert found[:5] == [SILENCE, "h", "ə", "l", "oʊ"]
    assert found[5:8] == [SILENCE, "t", "uː"]
    assert set(found) <= set(phones)
    audio = speaker.say("Hello.")
    assert len(audio) % HOP == 0 and audio.std() > 0
