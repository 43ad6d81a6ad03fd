"""Contracts that differ in a single field are refused wherever two meet."""

import dataclasses
import functools
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_models import CONTRACT, MELS, ON_MEL

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.corpus.statistics import GivenStatistics
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.evaluation.recordings import common_contract
from pwavenet_tf.evaluation.student_kl import pairs_of
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.jax.jobs import teacher_job
from pwavenet_tf.training.run_folder import start_from
from pwavenet_tf.training.runs import require_suited, train_teacher

# Another possible value of each field.
OTHERS = {
    "sample_rate": 8_000,
    "hop_length": 40,
    "window_length": 60,
    "fft_length": 128,
    "mels": 7,
    "lowest_hz": 50.0,
    "highest_hz": 7_000.0,
    "magnitude_floor": 1e-4,
    "mel_mean": (0.5,) * MELS,
    "mel_deviation": (2.0,) * MELS,
    "pre_emphasis": 0.9,
}
STATISTICS = {"mel_mean", "mel_deviation"}
# A model's own, on which neither audio nor mel spectrogram depends.
EMPHASIS = {"pre_emphasis"}


@functools.cache
def teacher(audio: AudioContract) -> WaveNet:
    return WaveNet(audio, ON_MEL, (1,), 2, 4, 4, 4)


@functools.cache
def student(audio: AudioContract) -> ParallelWaveNet:
    return ParallelWaveNet(audio, ON_MEL, ((1,),), 2, 4, 4)


@functools.cache
def classifier(audio: AudioContract) -> PhoneClassifier:
    strides = (audio.hop_length // 5, 5)
    return PhoneClassifier(audio, ("a",), strides, ((1,),) * 3, (4,) * 3)


def corpus(audio: AudioContract) -> SimpleNamespace:
    return SimpleNamespace(contract=audio, conditioning=lambda wanted: ON_MEL)


def preset_of(audio: AudioContract) -> Preset:
    return dataclasses.replace(preset("nano"), audio=audio)


def teacher_and_student(mine, theirs) -> None:
    Distiller(teacher(mine), student(theirs))


def classifier_and_student(mine, theirs) -> None:
    Distiller(teacher(theirs), student(theirs), classifier(mine))


def data_and_teacher(mine, theirs) -> None:
    require_suited(corpus(mine), teacher(theirs), preset("nano"))


def data_and_classifier(mine, theirs) -> None:
    own = corpus(mine), teacher(mine)
    require_suited(*own, preset("nano"), classifier(theirs))


def data_and_preset(mine, theirs) -> None:
    train_teacher(corpus(mine), preset_of(theirs), Path("nowhere"))


def data_and_preset_with_jax(mine, theirs) -> None:
    teacher_job(corpus(mine), preset_of(theirs))


def data_and_initial_model(mine, theirs) -> None:
    start_from(teacher(mine), teacher(theirs))


def preset_and_given_statistics(mine, theirs) -> None:
    GivenStatistics("old.keras", theirs).require_contract(mine)


def models_in_an_evaluation(mine, theirs) -> None:
    common_contract({Path("a"): teacher(mine), Path("b"): student(theirs)})


# Where two contracts meet, and what may differ there.
MEETINGS = {
    teacher_and_student: EMPHASIS,
    classifier_and_student: EMPHASIS,
    data_and_teacher: EMPHASIS,
    data_and_classifier: EMPHASIS,
    data_and_preset: EMPHASIS | STATISTICS,
    data_and_preset_with_jax: EMPHASIS | STATISTICS,
    data_and_initial_model: set(),
    preset_and_given_statistics: STATISTICS,
    models_in_an_evaluation: EMPHASIS,
}


def test_every_field_is_tried() -> None:
    fields = [field.name for field in dataclasses.fields(AudioContract)]
    assert fields == list(OTHERS)


@pytest.mark.parametrize(
    ("meeting", "field"),
    [
        (meeting, field)
        for meeting, free in MEETINGS.items()
        for field in OTHERS
        if field not in free
    ],
)
def test_one_other_field_is_refused_by_its_name(meeting, field) -> None:
    other = dataclasses.replace(CONTRACT, **{field: OTHERS[field]})
    with pytest.raises(UserError, match=rf"contract: {field} \(.*\);"):
        meeting(CONTRACT, other)


def test_kl_is_taken_of_the_pairs_that_the_distiller_accepts() -> None:
    models = {"teacher": teacher(CONTRACT), "student": student(CONTRACT)}
    assert pairs_of(models) == [("student", "teacher")]
    for field in OTHERS:
        other = dataclasses.replace(CONTRACT, **{field: OTHERS[field]})
        found = pairs_of(models | {"student": student(other)})
        assert bool(found) == (field in EMPHASIS), field
