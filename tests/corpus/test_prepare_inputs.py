"""Preparing conditioning inputs other than the mel spectrogram."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
from tiny_run import write_recordings

from pwavenet_tf import cli
from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.audio.pitch import pitch_track
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.phones.labels import read_labels, write_labels
from pwavenet_tf.corpus.phones.phones import (
    SILENCE,
    Phone,
    filled,
    phone_frames,
    phone_ids,
)
from pwavenet_tf.corpus.prepare import prepare

NANO = preset("nano")
EVERYTHING = ("mel", "linguistic", "pitch", "speaker")


def label(place, *symbols, seconds=0.4):
    """Writes labels of phones of equal length."""
    borders = np.linspace(0.02, seconds, len(symbols) + 1)
    write_labels(place, map(Phone, symbols, borders, borders[1:]))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Six recordings of anna, three of ben, one of carla, and labels."""
    folder = tmp_path_factory.mktemp("recordings") / "in"
    folder.mkdir()
    for number, (speaker, count) in enumerate(
        {"anna": 6, "ben": 3, "carla": 1}.items()
    ):
        write_recordings(folder / speaker, count, seed=number)
    for number, path in enumerate(sorted(folder.rglob("*.wav"))):
        name = path.relative_to(folder).with_suffix(".csv")
        label(folder / "labels" / name, *"abcdef"[number % 5 :])
    return folder


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "out"
    prepare(recordings, out, NANO, EVERYTHING)
    return out


@pytest.fixture(scope="module")
def corpus(data):
    return Corpus(data)


def audio_of(recordings, name):
    return read_audio(recordings / name, NANO.audio.sample_rate)


def test_stored_features_are_those_of_the_recording(recordings, corpus):
    card = corpus.card
    ids = phone_ids(card.phones)
    stored = 0
    for split in ("training", "validation"):
        for name, audio, features in corpus.utterances(split):
            stored += 1
            frames = corpus.contract.frames(len(audio))
            labels = recordings / "labels" / name
            labelled = read_labels(labels.with_suffix(".csv"))
            labelled = filled(labelled, len(audio) / NANO.audio.sample_rate)
            expected = phone_frames(labelled, ids, frames, NANO.audio)
            pitch = pitch_track(audio, NANO.audio)
            pitch[:, 0] -= np.log(card.mean_pitch_hz)
            expected["pitch"] = pitch
            for key, value in expected.items():
                assert features[key].dtype == value.dtype
                np.testing.assert_allclose(features[key], value, atol=1e-6)
            assert features["phones"][:, 1].all()
            speaker = card.speakers[int(features["speaker"])]
            assert name.startswith(f"{speaker}/")
    assert stored == 10


def test_card_lists_what_was_found(corpus):
    assert corpus.card.inputs == EVERYTHING
    assert corpus.card.phones[0] == SILENCE
    assert sorted(corpus.card.phones[1:]) == list("abcdef")
    assert sorted(corpus.card.speakers) == ["anna", "ben", "carla"]
    for one in corpus.card.training + corpus.card.validation:
        assert one.file.startswith(f"{one.speaker}/")


def test_mean_pitch_is_that_of_voiced_training_frames(recordings, corpus):
    tracks = [
        pitch_track(audio_of(recordings, one.file), NANO.audio)
        for one in corpus.card.training
    ]
    logarithm, voicing = np.concatenate(tracks).T
    expected = np.exp(logarithm[voicing > 0].mean())
    assert voicing.mean() > 0.3
    assert abs(corpus.card.mean_pitch_hz / expected - 1) < 1e-4


@pytest.mark.parametrize("kept", [None, ("mel",), ("mel", "pitch")])
def test_what_was_not_asked_for_is_not_there(recordings, tmp_path, kept):
    asked = (kept,) if kept else ()
    card = prepare(recordings, tmp_path / "out", NANO, *asked)
    assert card.inputs == (kept or ("mel",))
    pitch = {"mel", "pitch", "sinusoids"}
    keys = {"pitch": pitch, "mel": {"mel"}}[card.inputs[-1]]
    for _, _, features in Corpus(tmp_path / "out").utterances("training"):
        assert features.keys() == keys
    assert {one.speaker for one in card.training} == {None}


def test_every_speaker_is_trained_on(tmp_path):
    """Whatever the draw: here many have two recordings, some one."""
    source = tmp_path / "in"
    source.mkdir()
    tone = np.sin(np.arange(4_000) / 20) / 3
    for speaker in range(30):
        for take in range(1 + speaker % 3):
            name = f"{take}_{speaker:02d}_{take}.wav"
            write_audio(source / name, tone, 16_000)
    card = prepare(
        source,
        tmp_path / "out",
        NANO,
        ("mel", "speaker"),
        speaker_pattern="_(.+)_",
    )
    assert len(card.speakers) == 30
    assert {one.speaker for one in card.training} == set(card.speakers)
    assert len(card.training) + len(card.validation) == 60
    assert 4 <= len(card.validation) <= 6


def test_without_a_second_recording_of_anybody_there_is_an_error(tmp_path):
    for speaker in ("anna", "ben"):
        write_recordings(tmp_path / speaker, 1)
    with pytest.raises(UserError, match="no speaker has two recordings"):
        prepare(tmp_path, tmp_path / "out", NANO, ("speaker",))
    assert not (tmp_path / "out").exists()


def test_recordings_that_cannot_be_described_are_left_out(recordings, tmp_path):
    source = tmp_path / "in"
    shutil.copytree(recordings, source)
    shutil.copy(source / "anna" / "tone-0.wav", source / "nobody.wav")
    (source / "labels" / "anna" / "tone-1.csv").unlink()
    (source / "labels" / "anna" / "tone-2.csv").write_text("a,b\n1,2\n")
    overlap = [Phone("a", 0.0, 0.3), Phone("b", 0.1, 0.4)]
    write_labels(source / "labels" / "anna" / "tone-3.csv", overlap)
    card = prepare(source, tmp_path / "out", NANO, EVERYTHING)
    reasons = {one.file: one.reason for one in card.refused}
    assert list(reasons) == sorted(reasons)
    for file, message in {
        "anna/tone-1.wav": "has neither labels nor a text",
        "anna/tone-2.wav": "the header lacks start, end, phone",
        "anna/tone-3.wav": "overlaps",
        "nobody.wav": "finds no speaker",
    }.items():
        reason = reasons.pop(file)
        # The file is named once, next to its reason.
        assert message in reason and not reason.startswith(file)
    assert not reasons
    assert len(card.training) + len(card.validation) == 7


def test_preparing_again_gives_the_same_bytes(recordings, data, tmp_path):
    prepare(recordings, tmp_path / "out", NANO, EVERYTHING)
    digests = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
        }
        for folder in (data, tmp_path / "out")
    ]
    assert digests[0] == digests[1]


def test_the_corpus_gives_a_model_its_lists(corpus):
    conditioning = corpus.conditioning(NANO.conditioning)
    assert conditioning == NANO.conditioning
    wanted = dataclasses.replace(NANO.conditioning, inputs=EVERYTHING)
    known = corpus.conditioning(wanted)
    assert known.phones == corpus.card.phones
    assert known.speakers == corpus.card.speakers
    assert known.mean_pitch_hz == corpus.card.mean_pitch_hz


def test_command_prepares_all_and_prints_what_it_found(
    recordings, corpus, tmp_path, capsys
):
    out, labels = tmp_path / "out", tmp_path / "labels"
    shutil.copytree(recordings / "labels", labels)
    conditioning = ",".join(EVERYTHING)
    assert not cli.main(
        [
            "prepare",
            f"--corpus={recordings}",
            f"--out={out}",
            f"--conditioning={conditioning}",
            f"--labels={labels}",
            "--speaker_pattern=^(.+)/",
        ]
    )
    assert Corpus(out).card == corpus.card
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Auditing ") and ", about 10 s" in lines[0]
    assert lines[1].startswith("Preparing ") and ", about 10 s" in lines[1]
    found = [" ".join(line.split()) for line in lines]
    assert f"phones: 7 ({' '.join(corpus.card.phones)})" in found
    assert f"speakers: 3 ({' '.join(corpus.card.speakers)})" in found
    # The next command is given the same flags.
    assert lines[-1].endswith(f" --conditioning={conditioning}")


def test_real_speakers_are_found_in_their_files_names(shared_data, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for path in (shared_data / "fsdd").glob("[01]_*_1[0-4].wav"):
        shutil.copy(path, source)
    card = prepare(
        source,
        tmp_path / "out",
        NANO,
        ("mel", "speaker"),
        speaker_pattern="_(.+)_",
    )
    assert len(card.speakers) == 6
    for one in card.training + card.validation:
        assert one.file.split("_")[1] == one.speaker


@pytest.mark.slow
def test_real_speech_holds_everything(shared_data, tmp_path):
    pytest.importorskip("espeakng_loader")
    card = prepare(
        shared_data / "ljspeech-mini",
        tmp_path / "out",
        NANO,
        ("mel", "linguistic", "pitch"),
    )
    assert not card.refused
    assert card.inputs == ("mel", "linguistic", "pitch")
    assert 30 < len(card.phones) < 80
    assert 180 < card.mean_pitch_hz < 250
    for _, _, features in Corpus(tmp_path / "out").utterances("validation"):
        assert {len(one) for one in features.values()} == {len(features["mel"])}
        assert features["phones"][:, 1].all()
        # Speech is voiced in phones more than in pauses.
        silent = features["phones"][:, 1] == 1
        voicing = features["pitch"][:, 1]
        assert voicing[~silent].mean() > 3 * voicing[silent].mean()
