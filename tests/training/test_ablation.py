"""Claims about an ablation: equal starts, the losses, resuming, failures."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_ablation import NAMES, tiny_classifier
from tiny_run import contents, tiny_preset

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.ablation import ablate, variants
from pwavenet_tf.training.callbacks.health_diagnosis import diagnose
from pwavenet_tf.training.callbacks.health_monitor import NotFiniteError
from pwavenet_tf.training.fit import save_model


class Stage:
    """A place where everything is real but that `fit` takes no step."""

    def __init__(self, tiny_run, out: Path, monkeypatch) -> None:
        self.corpus = Corpus(tiny_run.data)
        self.teacher = load_teacher(tiny_run.teacher)
        self.phone_classifier = tiny_classifier(tiny_run.data)
        self.out = out
        self.fitted: list[str] = []
        self.models: list = []
        self.starts: list[list[np.ndarray]] = []
        self.faults: dict[str, Exception] = {}
        monkeypatch.setattr(training, "fit", self.fit)

    def fit(self, model, corpus, settings, context, run, *others):
        name = run.target.parent.name
        self.fitted.append(name)
        self.models.append(model)
        self.starts.append(model.student.get_weights())
        if name in self.faults:
            raise self.faults.pop(name)

    def run(self, teacher=None, steps=3, preset=None, phone_classifier=None):
        return ablate(
            self.corpus,
            teacher or self.teacher,
            phone_classifier or self.phone_classifier,
            preset or tiny_preset(),
            self.out,
            steps,
        )


@pytest.fixture
def stage(tiny_run, tmp_path, monkeypatch) -> Stage:
    return Stage(tiny_run, tmp_path / "out", monkeypatch)


def test_all_students_start_from_the_same_weights(stage):
    stage.run()
    assert stage.fitted == NAMES
    first, *others = stage.starts
    assert sum(np.abs(weight).sum() for weight in first) > 1
    for other in others:
        for one, same in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_each_student_is_trained_with_one_loss_more(stage):
    trained = stage.run()
    full = tiny_preset().distillation
    assert [
        (
            model.power_weight,
            model.phone_classifier,
            model.style_weight,
            model.contrastive,
        )
        for model in stage.models
    ] == [
        (0.0, None, 0.0, 0.0),
        (full.power_weight, None, 0.0, 0.0),
        (full.power_weight, stage.phone_classifier, full.style_weight, 0.0),
        (
            full.power_weight,
            stage.phone_classifier,
            full.style_weight,
            full.contrastive,
        ),
    ]
    assert full.power_weight > 0
    assert full.style_weight > 0
    assert full.contrastive > 0
    # What no loss asks for is not computed.
    assert "contrastive" not in stage.models[2].trackers
    assert "style" not in stage.models[1].trackers
    assert [one.variant.losses for one in trained] == [
        "KL alone",
        "KL + power",
        "KL + power + perceptual",
        "KL + power + perceptual + contrastive",
    ]


def test_but_for_their_losses_the_settings_are_those_of_the_preset():
    full = tiny_preset().distillation
    *_, last = found = variants(full)
    assert last.settings == full
    weights = ("power_weight", "style_weight", "feature_weight", "contrastive")
    for one in found:
        same = {name: getattr(full, name) for name in weights}
        assert dataclasses.replace(one.settings, **same) == full


def test_a_loss_without_weight_is_left_out():
    full = dataclasses.replace(tiny_preset().distillation, style_weight=0.0)
    assert [one.name for one in variants(full)] == [
        "kl",
        "kl_power",
        "contrastive",
    ]
    assert variants(full)[-1].losses == "KL + power + contrastive"
    by_feature = dataclasses.replace(full, feature_weight=0.5)
    assert [one.name for one in variants(by_feature)] == NAMES


def test_each_student_is_a_file_of_its_own(stage):
    for one in stage.run():
        assert one.path == stage.out / one.variant.name / "student.keras"
        saved = load_student(one.path).get_weights()
        for own, loaded in zip(one.student.get_weights(), saved, strict=True):
            np.testing.assert_array_equal(own, loaded)


def test_what_is_finished_is_not_trained_again(stage, capsys):
    stage.faults["perceptual"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        stage.run()
    assert stage.fitted == NAMES[:3]
    before = contents(stage.out)
    trained = stage.run()
    assert stage.fitted == [*NAMES[:3], *NAMES[2:]]
    assert [one.variant.name for one in trained] == NAMES
    assert all(one.student is not None for one in trained)
    after = contents(stage.out)
    assert {name: after[name] for name in before} == before
    # The interrupted one started as the first one did.
    for one, same in zip(stage.starts[0], stage.starts[3], strict=True):
        np.testing.assert_array_equal(one, same)
    shown = capsys.readouterr().out
    assert shown.count("1/4 KL alone\n") == 2
    assert shown.count("is trained already") == 2


def test_the_folder_of_another_ablation_is_refused(stage, tiny_run):
    stage.run()
    before = contents(stage.out)
    other = load_teacher(tiny_run.teacher)
    bias = other.trainable_variables[-1]
    bias.assign(bias.numpy() + 1.0)
    others = {
        "teacher": {"teacher": other},
        "steps": {"steps": 4},
        "preset": {"preset": tiny_preset(learning_rate=0.1)},
    }
    for changed in others.values():
        with pytest.raises(UserError, match="another teacher, phone"):
            stage.run(**changed)
    weight = stage.phone_classifier.weights[0]
    weight.assign(weight.numpy() + 1.0)
    with pytest.raises(UserError, match="another teacher, phone"):
        stage.run()
    assert stage.fitted == NAMES
    assert contents(stage.out) == before


def test_a_student_of_no_ablation_is_refused(stage):
    save_model(stage.teacher, stage.out / "kl_power" / "student.keras")
    before = contents(stage.out)
    with pytest.raises(UserError, match="kl_power: is there already"):
        stage.run()
    assert contents(stage.out) == before


def test_models_that_do_not_match_are_refused_at_once(stage, other_run):
    one_clip = tiny_preset()
    one_clip = dataclasses.replace(
        one_clip,
        distillation=dataclasses.replace(one_clip.distillation, batch_size=1),
    )
    with pytest.raises(UserError, match="two clips a step or more"):
        stage.run(preset=one_clip)
    with pytest.raises(UserError, match="the phone classifier.*mel_mean"):
        stage.run(phone_classifier=tiny_classifier(other_run.data))
    assert stage.fitted == []
    assert not stage.out.exists()


def test_a_loss_that_is_not_finite_is_reported_and_the_others_train(
    stage, capsys
):
    stage.faults["kl"] = NotFiniteError("the loss became nan")
    first, *others = stage.run()
    assert stage.fitted == NAMES
    assert (first.student, first.problem) == (None, "the loss became nan")
    assert not first.path.exists()
    for one in others:
        assert one.student is not None
        assert one.problem == ""
    assert "kl failed: the loss became nan" in capsys.readouterr().out
    # It is tried again when everything else is there.
    assert all(one.student is not None for one in stage.run())
    assert stage.fitted == [*NAMES, "kl"]


def test_any_other_fault_ends_the_ablation(stage):
    stage.faults["kl_power"] = UserError("no room")
    with pytest.raises(UserError, match="no room"):
        stage.run()
    assert stage.fitted == NAMES[:2]


def test_a_whisper_without_power_loss_is_not_blamed_on_its_gradient():
    quiet = {"level_db": -40.0, "recorded_level_db": -20.0, "gradient_kl": 1.0}
    for power, drowned in ((1e-3, True), (0.0, False)):
        (sentence,) = diagnose(quiet | {"gradient_power": power})
        assert ("times the power loss's" in sentence) == drowned
        assert "20 dB below the recordings'" in sentence


@pytest.mark.slow
def test_all_students_have_the_same_clips_and_the_same_noise(
    tiny_run, tmp_path
):
    """With a learning rate of zero nothing but the draws could differ."""
    trained = ablate(
        Corpus(tiny_run.data),
        load_teacher(tiny_run.teacher),
        tiny_classifier(tiny_run.data),
        tiny_preset(learning_rate=0.0),
        tmp_path,
        3,
    )
    logs = []
    for one in trained:
        with one.path.with_suffix(".csv").open(newline="") as file:
            logs.append(list(csv.DictReader(file)))
    for name in ("kl", "entropy", "power", "level", "val_kl"):
        first, *others = ([float(row[name]) for row in log] for log in logs)
        assert len(set(first)) == 3 or name == "val_kl"
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-4, err_msg=name)
    assert "contrastive" in logs[3][0]
    assert "contrastive" not in logs[2][0]
    assert "style" not in logs[1][0]
