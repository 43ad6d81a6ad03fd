import subprocess
import sys

import numpy as np
import pytest
import soundfile

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.demo import SENTENCES, synthesize_corpus
from pwavenet_tf.corpus.phones.labels import find_labels, read_labels
from pwavenet_tf.corpus.phones.phones import SILENCE
from pwavenet_tf.corpus.prepare import prepare

RATE = 16_000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    synthesize_corpus(folder, RATE)
    return folder


@pytest.fixture(scope="module")
def wavs(corpus):
    return [soundfile.read(path) for path in sorted(corpus.rglob("*.wav"))]


def test_every_sentence_is_spoken(corpus, wavs):
    lines = (corpus / "metadata.csv").read_text("utf-8").splitlines()
    assert [line.split("|")[1] for line in lines] == list(SENTENCES)
    files = [path.stem for path in sorted(corpus.rglob("*.wav"))]
    assert [line.split("|")[0] for line in lines] == files
    assert {rate for _, rate in wavs} == {RATE}
    assert 110 < sum(len(audio) for audio, _ in wavs) / RATE < 150
    # More letters and pauses take longer: the sentences themselves are spoken.
    letters = [
        len(sentence) + 4 * sum(map(sentence.count, ",;"))
        for sentence in SENTENCES
    ]
    lengths = [len(audio) for audio, _ in wavs]
    assert np.corrcoef(letters, lengths)[0, 1] > 0.6


def test_sentences_are_short_and_all_different():
    words = [len(sentence.split()) for sentence in SENTENCES]
    assert len(set(SENTENCES)) == 36 and 8 <= min(words) <= max(words) <= 14


def test_level_and_noise_are_those_of_a_recording(wavs):
    for audio, _ in wavs:
        assert abs(audio.std() - 0.07) < 1e-3 and np.abs(audio).max() < 0.95
        margin = audio[: round(0.035 * RATE)]
        assert 3e-4 < margin.std() < 1e-3
        # Within the margin and a little, there is speech.
        assert audio[: round(0.12 * RATE)].std() > 2e-3
        assert audio[-round(0.12 * RATE) :].std() > 2e-3


def test_speech_has_the_spectrum_of_a_voice(wavs):
    audio = np.concatenate([audio for audio, _ in wavs])
    power = np.abs(np.fft.rfft(audio)) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / RATE)
    low = power[(hertz > 80) & (hertz < 4_000)].sum() / power.sum()
    assert low > 0.8


def test_synthesizing_again_gives_the_same_bytes(corpus, tmp_path):
    synthesize_corpus(tmp_path / "again", RATE)
    for path in corpus.rglob("*.*"):
        again = tmp_path / "again" / path.relative_to(corpus)
        assert path.read_bytes() == again.read_bytes()


def test_another_process_writes_the_same_bytes(corpus, tmp_path):
    script = (
        "import sys; from pathlib import Path;"
        "from pwavenet_tf.corpus.demo import synthesize_corpus;"
        "synthesize_corpus(Path(sys.argv[1]), 16_000)"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "other"],
        check=True,
        capture_output=True,
    )
    for path in corpus.rglob("*.wav"):
        other = tmp_path / "other" / path.relative_to(corpus)
        assert path.read_bytes() == other.read_bytes()


def test_other_rates_are_resampled(tmp_path):
    pytest.importorskip("espeakng_loader")
    synthesize_corpus(tmp_path / "out", 24_000)
    paths = list((tmp_path / "out").rglob("*.wav"))
    assert {soundfile.info(path).samplerate for path in paths} == {24_000}


def test_labels_are_where_the_phones_sound(corpus, wavs):
    """Vowels are loud and pauses are nearly silent."""
    pauses, vowels = [], []
    for path, (audio, _) in zip(
        sorted(corpus.rglob("*.wav")), wavs, strict=True
    ):
        phones = read_labels(find_labels(corpus / "labels", path.name))
        assert phones[0].symbol == phones[-1].symbol == SILENCE
        assert phones[-1].end == pytest.approx(len(audio) / RATE, abs=2e-4)
        for phone in phones:
            middle = (phone.start + phone.end) / 2
            sound = audio[round((middle - 0.01) * RATE) :][: RATE // 50]
            if phone.symbol == SILENCE:
                pauses.append(sound.std())
            elif phone.symbol in {"aɪ", "eɪ", "iː", "oʊ", "ɔː", "ɑː"}:
                vowels.append(sound.std())
    assert len(pauses) >= 72 and len(vowels) > 50
    assert np.median(vowels) > 50 * np.median(pauses)
    assert min(vowels) > 5e-3
    assert np.percentile(pauses, 95) < 5e-3


def test_the_corpus_can_be_prepared(corpus, tmp_path):
    card = prepare(corpus, tmp_path / "out", preset("nano"))
    assert not card.refused
    assert len(card.training) == 32 and len(card.validation) == 4


def test_existing_output_is_refused(corpus):
    with pytest.raises(UserError, match="already holds something"):
        synthesize_corpus(corpus)


def test_missing_extra_is_reported(tmp_path):
    """In a Python that has everything but espeakng_loader."""
    script = (
        "import sys; sys.modules['espeakng_loader'] = None;"
        "from pathlib import Path;"
        "from pwavenet_tf.corpus.demo import synthesize_corpus;"
        "from pwavenet_tf.core.errors import UserError\n"
        "try: synthesize_corpus(Path(sys.argv[1]))\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "pip install pwavenet_tf[demo]" in done.stdout
    assert not list(tmp_path.iterdir())
