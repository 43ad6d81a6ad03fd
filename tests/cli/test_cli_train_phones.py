"""`pwavenet train-phones`: a phone classifier from labelled recordings."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_run import RATE, contents

from pwavenet_tf import cli
from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.models.loading import load_phone_classifier
from pwavenet_tf.models.phone_classifier import PhoneClassifierConfig
from pwavenet_tf.training import phone_classifier as phone_training
from pwavenet_tf.training.phone_classifier import PhoneScores

TONES = {"low": 200.0, "middle": 700.0, "high": 2_500.0}
TINY = PhoneClassifierConfig(
    dilations=((1, 2), (1, 2), (1, 2)), channels=(4, 8, 8), dropout=0.0
)
TRAINING = phone_training.PhoneTraining(clip_seconds=0.25, learning_rate=1e-2)


def write_speech(folder, count: int) -> None:
    """Tones as phones, of 0.1 to 0.2 s, with their labels."""
    random = np.random.default_rng(0)
    for number in range(count):
        phones, audio, end = [], [], 0.0
        for symbol in random.permutation(list(TONES) * 3):
            start, end = end, end + random.uniform(0.1, 0.2)
            time = np.arange(round(start * RATE), round(end * RATE)) / RATE
            audio.append(np.sin(2 * np.pi * TONES[symbol] * time))
            phones.append(Phone(str(symbol), start, end))
        audio = 0.1 * np.concatenate(audio)
        audio += 0.004 * random.standard_normal(len(audio))
        write_audio(folder / f"tone-{number}.wav", audio, RATE)
        write_labels(folder / "labels" / f"tone-{number}.csv", phones)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "in").mkdir()
    write_speech(folder / "in", 6)
    places = [f"--corpus={folder / 'in'}", f"--out={folder / 'data'}"]
    assert cli.main(["prepare", *places, "--conditioning=mel,linguistic"]) == 0
    return folder / "data"


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run of the command at a tiny size, and what it printed."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phone_training, "PhoneClassifierConfig", lambda: TINY)
        patch.setattr(phone_training, "PhoneTraining", lambda: TRAINING)
        arguments = [f"--data={data}", f"--out={out}", "--steps=60"]
        assert cli.main(["train-phones", *arguments]) == 0
    return out


@pytest.mark.network
def test_held_out_accuracy_exceeds_the_baseline(run):
    scores = json.loads((run / "phones.json").read_text("utf-8"))
    assert scores["baseline"] < 0.5
    assert scores["accuracy"] > scores["baseline"] + 0.2


@pytest.mark.network
def test_the_saved_classifier_has_the_reported_accuracy(run, data):
    """The score again, by the clips of validation and the model's own."""
    classifier = load_phone_classifier(run / "phones.keras")
    scores = json.loads((run / "phones.json").read_text("utf-8"))
    corpus = Corpus(data)
    assert (
        classifier.phones
        == corpus.card.phones
        == ("sil", *classifier.phones[1:])
    )
    assert classifier.audio == corpus.contract
    right = frames = 0
    for _, audio, features in corpus.utterances("validation"):
        spoken = features["phones"][:, 1]
        padded = np.zeros(len(spoken) * 200, np.float32)
        padded[: len(audio)] = audio
        predicted = (
            classifier({"audio": padded[None]}).numpy()[0].argmax(axis=1)
        )
        right += (predicted == spoken).sum()
        frames += len(spoken)
    assert scores["frames"] == frames
    assert scores["accuracy"] == pytest.approx(right / frames)
    assert sum(one["frames"] for one in scores["phones"].values()) == frames


@pytest.mark.network
def test_a_run_writes_the_model_its_log_and_its_scores(run):
    assert sorted(path.name for path in run.iterdir()) == [
        "phones.backup",
        "phones.csv",
        "phones.json",
        "phones.keras",
        "progress.png",
    ]
    header, *rows = (run / "phones.csv").read_text().splitlines()
    assert {"step", "accuracy", "val_accuracy", "val_cross_entropy"} <= set(
        header.split(",")
    )
    assert len(rows) == 10


def test_it_prints_its_accuracy_and_the_next_command(
    data, tmp_path, monkeypatch, capsys
):
    scores = PhoneScores.of_pairs([("a", "a"), ("a", "b"), ("b", "b")])
    monkeypatch.setattr(
        phone_training, "train_phones", lambda *_: (None, scores)
    )
    arguments = [f"--data={data}", f"--out={tmp_path}"]
    assert cli.main(["train-phones", *arguments]) == 0
    text = capsys.readouterr().out
    assert "Of 3 frames held out, 66.7% are classified correctly" in text
    assert "always predicting 'a' would give 66.7%" in text
    assert f"--phones={tmp_path / 'phones.keras'}" in text


def test_scores_count_phones_and_confusions(tmp_path):
    spoken, predicted = "aaaabbbc", "aaabbbac"
    scores = PhoneScores.of_pairs(zip(spoken, predicted, strict=True))
    assert (scores.frames, scores.accuracy) == (8, 0.75)
    assert (scores.commonest, scores.baseline) == ("a", 0.5)
    assert scores.phones == {
        "a": {"frames": 4, "accuracy": 0.75},
        "b": {"frames": 3, "accuracy": 0.6667},
        "c": {"frames": 1, "accuracy": 1.0},
    }
    assert scores.confusions == [
        {"said": "a", "heard": "b", "frames": 1},
        {"said": "b", "heard": "a", "frames": 1},
    ]
    scores.save(tmp_path / "phones.json")
    again = json.loads((tmp_path / "phones.json").read_text("utf-8"))
    assert again == dataclasses.asdict(scores)


@pytest.mark.slow
def test_an_interrupted_run_is_continued(data, tmp_path, monkeypatch):
    def train():
        return phone_training.train_phones(
            Corpus(data), tmp_path, 4, TINY, TRAINING
        )

    def no_room(*_):
        raise UserError("no room")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(phone_training, "save_model", no_room)
        with pytest.raises(UserError, match="no room"):
            train()
    assert (tmp_path / "phones.backup").is_dir()
    log = (tmp_path / "phones.csv").read_text()
    classifier, _ = train()
    # Nothing was left to be trained.
    assert (tmp_path / "phones.csv").read_text() == log
    assert classifier.optimizer.iterations == 4


def test_data_without_phones_are_refused(data, tmp_path, capsys):
    recordings = f"--corpus={data.parent / 'in'}"
    plain = tmp_path / "plain"
    assert cli.main(["prepare", recordings, f"--out={plain}"]) == 0
    capsys.readouterr()
    arguments = [f"--data={plain}", f"--out={tmp_path / 'run'}"]
    assert cli.main(["train-phones", *arguments]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "the data hold no phones to learn; prepare them with" in line
    assert "--conditioning=mel,linguistic" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.network
def test_an_existing_classifier_is_kept(run, data, capsys):
    before = contents(run)
    arguments = [f"--data={data}", f"--out={run}"]
    assert cli.main(["train-phones", *arguments]) == 2
    line = capsys.readouterr().err
    assert "phones.backup: belongs to a finished run with other" in line
    # The fixture's run is a tiny one.
    assert "dilations" in line and "clip_seconds (0.25 before, 1.0" in line
    assert contents(run) == before
