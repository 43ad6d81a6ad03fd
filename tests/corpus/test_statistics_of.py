"""Data that are prepared with another model's statistics."""

import dataclasses

import numpy as np
import pytest
from tiny_run import RATE, contents, tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.cli.commands import train_teacher
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.corpus.statistics import GivenStatistics
from pwavenet_tf.models.loading import load_teacher, statistics_of
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.run_folder import start_from

NANO = preset("nano")


def command(name, **flags) -> int:
    return cli.main([name, *(f"--{key}={flags[key]}" for key in flags)])


@pytest.fixture
def data(tiny_run, tmp_path, capsys):
    """Other recordings, prepared with the statistics of the tiny teacher."""
    write_recordings(tmp_path / "in", 2, seed=1)
    places = {"corpus": tmp_path / "in", "out": tmp_path / "data"}
    assert command("prepare", **places, statistics_of=tiny_run.teacher) == 0
    assert f" --initial={tiny_run.teacher}\n" in capsys.readouterr().out
    return tmp_path / "data"


def test_data_prepared_so_fit_the_model(tiny_run, data):
    teacher = load_teacher(tiny_run.teacher)
    new = WaveNet.from_preset(tiny_preset(), Corpus(data).contract)
    new.build()
    start_from(new, teacher)
    for one, other in zip(
        teacher.get_weights(), new.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # Normalised with the model's mean, not their own.
    mel = np.concatenate(
        [
            features["mel"]
            for *_, features in Corpus(data).utterances("training")
        ]
    )
    assert np.abs(mel.mean(axis=0)).max() > 0.05


@pytest.mark.slow
def test_a_model_goes_on_with_data_prepared_so(
    tiny_run, data, tmp_path, monkeypatch
):
    """By the command."""
    still = tiny_preset(learning_rate=0.0, steps=1)
    monkeypatch.setattr(train_teacher, "preset", lambda _: still)
    out = tmp_path / "run"
    places = {"data": data, "out": out, "initial": tiny_run.teacher}
    assert command("train-teacher", **places) == 0
    initial = load_teacher(tiny_run.teacher).get_weights()
    found = load_teacher(out / "teacher.keras").get_weights()
    for one, other in zip(initial, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_corpus_lends_the_statistics_that_its_models_have(tiny_run):
    by_model = statistics_of(tiny_run.teacher)
    for place in (tiny_run.data, tiny_run.data / "corpus.json"):
        by_corpus = statistics_of(place)
        assert by_corpus == dataclasses.replace(by_model, origin=str(place))


def labelled(folder, phones, count=3):
    """Tones of 0.5 s with a phone each."""
    for number in range(count):
        time = np.arange(RATE // 2) / RATE
        audio = 0.1 * np.sin(2 * np.pi * (200 + 50 * number) * time)
        audio += 0.01 * np.random.default_rng(number).standard_normal(len(time))
        write_audio(folder / f"tone-{number}.wav", audio, RATE)
        phone = Phone(phones[number % len(phones)], 0.0, 0.5)
        write_labels(folder / "labels" / f"tone-{number}.csv", [phone])
    return folder


def test_phones_keep_their_places_and_unknown_ones_are_left_out(tmp_path):
    known = (SILENCE, "x", "a", "b")
    given = GivenStatistics("old.keras", NANO.audio, known, (), 123.0)
    (tmp_path / "in").mkdir()
    source = labelled(tmp_path / "in", ["b", "a", "a", "new"], 8)
    card = prepare(
        *(source, tmp_path / "out", NANO, ("mel", "linguistic", "pitch")),
        statistics=given,
    )
    assert card.phones == known
    assert card.mean_pitch_hz == 123.0
    assert card.contract == NANO.audio
    assert {one.file: one.reason for one in card.refused} == {
        f"tone-{number}.wav": "old.keras does not know its phones new"
        for number in (3, 7)
    }
    # What nobody asked for is not there.
    plain = prepare(source, tmp_path / "plain", NANO, statistics=given)
    assert (plain.phones, plain.mean_pitch_hz) == ((), None)
    assert len(plain.training) + len(plain.validation) == 8


def test_speakers_keep_their_places_and_unknown_ones_are_left_out(tmp_path):
    given = GivenStatistics("old.keras", NANO.audio, (), ("zoe", "ben"))
    for speaker in ("ben", "new"):
        write_recordings(tmp_path / speaker, 2, seed=len(speaker))
    (tmp_path / "in").mkdir()
    for speaker in ("ben", "new"):
        (tmp_path / speaker).rename(tmp_path / "in" / speaker)
    card = prepare(
        *(tmp_path / "in", tmp_path / "out", NANO, ("mel", "speaker")),
        statistics=given,
    )
    assert card.speakers == ("zoe", "ben")
    assert {one.reason for one in card.refused} == {
        "old.keras does not know its speaker new"
    }


def test_statistics_of_another_contract_are_refused_before_any_work(
    tiny_run, tmp_path, capsys
):
    before = contents(tmp_path)
    places = {"corpus": tiny_run.recordings, "out": tmp_path / "out"}
    flags = {"preset": "paper", "statistics_of": tiny_run.teacher}
    assert command("prepare", **places, **flags) == 2
    line = capsys.readouterr().err
    assert "sample_rate (24000 against 16000), hop_length (300" in line
    assert line.count("\n") == 1
    paper = preset("paper")
    with pytest.raises(UserError, match=r"sample_rate \(24000 against 16000"):
        prepare(
            *(tiny_run.recordings, tmp_path / "out", paper),
            statistics=statistics_of(tiny_run.teacher),
        )
    assert contents(tmp_path) == before


def test_clips_of_broken_frames_are_refused_and_nothing_is_written(
    tiny_run, tmp_path, capsys
):
    places = {"data": tiny_run.data, "out": tmp_path / "run"}
    assert command("train-teacher", **places, clip_length=1_234) == 2
    line = capsys.readouterr().err
    assert "clip_length 1234 is not a positive multiple of the hop" in line
    assert "length 200; take 1200" in line
    assert not (tmp_path / "run").exists()
