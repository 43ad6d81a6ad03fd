import dataclasses
import json

import numpy as np
import pytest

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import CorpusCard, Recording, Refusal
from pwavenet_tf.corpus.dataset import Corpus


def a_card():
    bands = np.linspace(-7, 1.3, 80)
    return CorpusCard(
        preset="nano",
        contract=dataclasses.replace(
            AudioContract(), mel_mean=bands, mel_deviation=bands**2 + 0.1
        ),
        training=(
            Recording("a/é.wav", 16_000, "anna"),
            Recording("b.wav", 8_000, "ben"),
        ),
        validation=(Recording("c.wav", 4_000, "anna"),),
        refused=(Refusal("d.wav", "is an empty file"),),
        training_shards=("training-00000-of-00001.tfrecord",),
        validation_shards=("validation-00000-of-00001.tfrecord",),
        phones=("sil", "ə", "t"),
        speakers=("ben", "anna"),
        mean_pitch_hz=203.125,
    )


def test_card_survives_saving_and_loading(tmp_path):
    a_card().save(tmp_path)
    assert CorpusCard.load(tmp_path) == a_card()
    assert a_card().seconds("training") == 1.5
    assert json.loads((tmp_path / "corpus.json").read_text())["seconds"] == {
        "training": 1.5,
        "validation": 0.25,
    }


@pytest.mark.parametrize(
    ("absent", "inputs"),
    [
        ({}, ("mel", "linguistic", "pitch", "speaker")),
        ({"phones": ()}, ("mel", "pitch", "speaker")),
        ({"speakers": ()}, ("mel", "linguistic", "pitch")),
        ({"mean_pitch_hz": None}, ("mel", "linguistic", "speaker")),
        ({"phones": (), "speakers": (), "mean_pitch_hz": None}, ("mel",)),
    ],
)
def test_card_tells_what_the_data_hold(absent, inputs):
    assert dataclasses.replace(a_card(), **absent).inputs == inputs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "{", "is not a corpus card"),
        (lambda text: "[]", "is not a corpus card"),
        (lambda text: text.replace('"format"', '"f"'), "not a corpus card"),
        (lambda text: text.replace('"format": 2', '"format": 1'), "format 1"),
        (lambda text: text.replace('"training"', '"t"'), "is damaged"),
        (lambda text: text.replace('"mels"', '"bands"'), "is damaged"),
        (lambda text: text.replace('"mels": 80', '"mels": 8'), "is damaged"),
        (lambda text: text.replace('"samples"', '"s"'), "is damaged"),
        (lambda text: text.replace('"phones"', '"p"'), "is damaged"),
        (lambda text: text.replace('"speakers"', '"s"'), "is damaged"),
        (lambda text: text.replace('"mean_pitch_hz"', '"m"'), "is damaged"),
    ],
)
def test_damaged_card_is_refused(tmp_path, change, message):
    a_card().save(tmp_path)
    path = tmp_path / "corpus.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        CorpusCard.load(tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(UserError, match="corpus.json: cannot be read"):
        Corpus(tmp_path)


def test_corpus_without_its_shards_is_refused(tmp_path):
    a_card().save(tmp_path)
    with pytest.raises(UserError, match="tfrecord: is missing"):
        Corpus(tmp_path)
