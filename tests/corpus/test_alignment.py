"""Alignment against espeak-ng's other voices, whose own phones are known."""

import difflib

import numpy as np
import pytest

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.demo import SENTENCES
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.phones.alignment import LONGEST_SECONDS, Aligner
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import SILENCE

pytest.importorskip("espeakng_loader")

BEFORE, AFTER = 0.3, 0.5


@pytest.fixture(scope="module")
def aligner():
    return Aligner()


def recorded(speech, noise=1e-3):
    """Speech in a quiet room, with silence before and after."""
    rate = speech.sample_rate
    audio = np.pad(speech.audio, (round(BEFORE * rate), round(AFTER * rate)))
    return audio + np.random.default_rng(0).normal(0, noise, len(audio))


def phones_in(phones):
    return [phone for phone in phones if phone.symbol != SILENCE]


def paired(found, truth):
    """Phones of both that have the same symbol at the same place."""
    matcher = difflib.SequenceMatcher(
        None,
        [phone.symbol for phone in found],
        [phone.symbol for phone in truth],
        autojunk=False,
    )
    return [
        (found[block.a + step], truth[block.b + step])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]


def stretched(reference, truth, time):
    """A time of the reference by linear scaling of the whole speech alone."""
    first, last = reference[0].start, reference[-1].end
    share = (time - first) / (last - first)
    return truth[0].start + share * (truth[-1].end - truth[0].start)


@pytest.mark.network
@pytest.mark.parametrize(
    ("voice", "words_per_minute"),
    [("en-us+f3", 110), ("en-us+m3", 200), ("en-us+klatt2", 170)],
)
@pytest.mark.parametrize("pauses", ["same pauses", "no pauses"])
def test_another_voice_is_aligned_within_15_ms(
    aligner, voice, words_per_minute, pauses
):
    espeak, reader = Espeak(), Espeak(voice, words_per_minute)
    errors, linear = [], []
    for text in SENTENCES[:12]:
        read = text if pauses == "same pauses" else text.replace(",", "")
        speech = reader.synthesize(read)
        phones = aligner.align(text, recorded(speech), speech.sample_rate)
        truth = phones_in(speech.phones)
        reference = phones_in(espeak.synthesize(text).phones)
        assert [phone.symbol for phone in phones_in(phones)] == [
            phone.symbol for phone in reference
        ]
        pairs = paired(phones_in(phones), truth)
        assert len(pairs) > 0.9 * len(truth)
        errors += [
            abs(one.start - BEFORE - other.start) for one, other in pairs
        ]
        linear += [
            abs(stretched(reference, truth, one.start) - other.start)
            for one, other in paired(reference, truth)
        ]
    print(
        f"median error {1000 * np.median(errors):.1f} ms, of linear scaling "
        f"{1000 * np.median(linear):.1f} ms"
    )
    assert np.median(errors) < 0.015
    assert np.percentile(errors, 90) < 0.06
    assert np.median(errors) < 0.5 * np.median(linear)


def test_pauses_of_the_recording_are_found_and_no_others(aligner):
    speech = Espeak("en-us+f3", 140).synthesize(
        "Fog crept up. The tower is hid."
    )
    phones = aligner.align(
        "Fog crept up, the tower, is hid",
        recorded(speech),
        speech.sample_rate,
    )
    found = [phone for phone in phones if phone.symbol == SILENCE]
    expected = [
        phone
        for phone in speech.phones[1:-1]
        if phone.symbol == SILENCE and phone.end - phone.start > 0.1
    ]
    assert len(expected) == 1 and len(found) == 3
    # What fades out before a pause is nearly silent itself.
    assert found[1].start == pytest.approx(BEFORE + expected[0].start, abs=0.05)
    assert found[1].end == pytest.approx(BEFORE + expected[0].end, abs=0.05)
    before = phones.index(found[1])
    assert (phones[before - 1].symbol, phones[before + 1].symbol) == ("p", "ð")


@pytest.mark.parametrize("noise", [0, 1e-4, 1e-2])
@pytest.mark.parametrize("sample_rate", [8_000, 44_100])
def test_noise_and_sample_rate_matter_little(aligner, noise, sample_rate):
    import soxr

    speech = Espeak("en-us+f3", 130).synthesize(SENTENCES[0])
    audio = soxr.resample(
        recorded(speech, noise), speech.sample_rate, sample_rate
    )
    phones = phones_in(aligner.align(SENTENCES[0], audio, sample_rate))
    pairs = paired(phones, phones_in(speech.phones))
    errors = [abs(one.start - BEFORE - other.start) for one, other in pairs]
    assert len(pairs) > 30 and np.median(errors) < 0.03


def test_real_speech_is_covered_and_its_silence_found(aligner, shared_data):
    corpus = shared_data / "ljspeech-mini"
    for recording in find_layout(corpus).sources[:8]:
        rate = 22_050
        audio = read_audio(recording.path)
        phones = aligner.align(recording.text, audio, rate)
        assert phones[0].start == 0
        assert phones[-1].end == pytest.approx(len(audio) / rate)
        levels = {True: [], False: []}
        for phone, following in zip(
            phones, [*phones[1:], phones[-1]], strict=True
        ):
            assert phone.start < phone.end
            assert phone.end == following.start or phone is following
            sound = audio[round(phone.start * rate) : round(phone.end * rate)]
            levels[phone.symbol == SILENCE].append(np.sqrt(np.mean(sound**2)))
        # 20 dB at least; breaths are in some of the pauses.
        assert np.mean(levels[True]) < 0.1 * np.mean(levels[False])
        lengths = [phone.end - phone.start for phone in phones_in(phones)]
        assert 0.05 < np.median(lengths) < 0.12 and max(lengths) < 0.5
        assert np.mean(np.array(lengths) < 0.0101) < 0.05


def test_sibilants_of_real_speech_are_where_it_hisses(aligner, shared_data):
    """Far better than chance, by the area under the ROC curve."""
    import librosa
    from scipy.stats import mannwhitneyu

    corpus = shared_data / "ljspeech-mini"
    hisses = {True: [], False: []}
    for recording in find_layout(corpus).sources[:8]:
        audio = read_audio(recording.path)
        power = np.abs(librosa.stft(audio, n_fft=1024, hop_length=220)) ** 2
        high = power[186:].sum(axis=0) / (power.sum(axis=0) + 1e-9)
        for phone in phones_in(aligner.align(recording.text, audio, 22_050)):
            frame = round((phone.start + phone.end) / 2 * 22_050 / 220)
            hisses[phone.symbol in {"s", "z", "ʃ", "tʃ"}].append(high[frame])
    sibilant, other = hisses[True], hisses[False]
    assert len(sibilant) > 30
    area = mannwhitneyu(sibilant, other).statistic
    assert area / (len(sibilant) * len(other)) > 0.85


def test_equal_calls_give_equal_phones():
    speech = Espeak("en-us+m3").synthesize(SENTENCES[1])
    first, second = (
        Aligner().align(SENTENCES[1], speech.audio, speech.sample_rate)
        for _ in range(2)
    )
    assert first == second


NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000)


@pytest.mark.parametrize(
    ("text", "audio", "message"),
    [
        ("", NOISE, "no text to align"),
        (" \n", NOISE, "no text to align"),
        ("...", NOISE, "nothing to synthesize"),
        ("A tide.", np.zeros(16_000), "is silent"),
        ("A tide.", NOISE[:300], "too short for the 4 phones"),
        ("A tide.", np.resize(NOISE, 700_000), "too long to align"),
        ("A tide. " * 60, NOISE, "too short for the"),
    ],
)
def test_what_cannot_be_aligned_is_refused(aligner, text, audio, message):
    assert LONGEST_SECONDS < 700_000 / 16_000
    with pytest.raises(UserError, match=message):
        aligner.align(text, audio, 16_000)


@pytest.mark.parametrize("samples", [800, 1_600, 5_000, 16_000])
@pytest.mark.parametrize("text", ["Oh.", "A tide.", "We."])
def test_any_recording_is_covered_in_order(aligner, samples, text):
    """Even noise without speech, or a word that is far too short."""
    phones = aligner.align(text, NOISE[:samples], 16_000)
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(samples / 16_000)
    for phone, following in zip(phones, phones[1:], strict=False):
        assert phone.start < phone.end == following.start
