"""The table of an ablation: what stands in it, and where it is shown."""

import csv
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_ablation import NAMES, tiny_classifier
from tiny_report import Page, written
from tiny_run import tiny_preset

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.evaluation.ablation import held_out_measures
from pwavenet_tf.evaluation.ablation_table import (
    COLUMNS,
    Ablation,
    screen_table,
    section,
    write_table,
)
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.training.ablation import Trained, variants
from pwavenet_tf.training.fit import clip_shape
from pwavenet_tf.training.runs import distillation_context

PROBLEM = "the loss became <nan>, its term power nan"


@pytest.fixture
def rows(tiny_run):
    """Of three students: the training of the second failed."""
    student = load_student(tiny_run.student)
    trained = [
        Trained(
            variant,
            Path(variant.name),
            None if variant.name == "kl_power" else student,
            PROBLEM if variant.name == "kl_power" else "",
        )
        for variant in variants(tiny_preset().distillation)
    ]
    held_out = {
        name: {
            "kl": 0.5 + number,
            "entropy": -3.0,
            "cross_entropy": -2.5 + number,
            "power": 2.0 - number / 2,
            "style": 0.25,
            "level": 99.0,
            "health_tilt": -7.0 + number,
            "health_recorded_tilt": -5.5,
            "health_band_above_6000_db": -60.0,
            "health_recorded_band_above_6000_db": -70.0,
            "health_at_floor": 0.01 * number,
        }
        for number, name in enumerate(NAMES)
        if name != "kl_power"
    }
    metrics = {
        "recording": {
            "standard_deviation": 0.1,
            "log_spectral_distance": 0.0,
        },
        "kl": {
            "standard_deviation": 0.01,
            "log_spectral_distance": 30.0,
            "bits_per_sample": float("inf"),
        },
        "perceptual": {
            "standard_deviation": 0.12,
            "log_spectral_distance": 12.0,
            "bits_per_sample": 11.0,
        },
        "contrastive": {
            "standard_deviation": 0.09,
            "log_spectral_distance": 11.0,
            "bits_per_sample": 11.5,
        },
        "teacher": {
            "standard_deviation": 0.1,
            "log_spectral_distance": 9.0,
            "bits_per_sample": 8.0,
        },
        "Griffin-Lim": {
            "standard_deviation": 0.1,
            "log_spectral_distance": 10.0,
        },
    }
    return Ablation(trained, held_out).rows(metrics)


def test_rows_are_the_variants_as_trained_and_then_who_they_must_beat(rows):
    assert [row.name for row in rows] == [*NAMES, "teacher", "Griffin-Lim"]
    whispering, failed, perceptual, *_, teacher, griffin_lim = rows
    assert whispering.values == pytest.approx(
        {
            "kl": 0.5,
            "entropy": -3.0,
            "cross_entropy": -2.5,
            "power": 2.0,
            "style": 0.25,
            "tilt": -1.5,
            "band_above_6000_db": 10.0,
            "at_floor": 0.0,
            "level": 0.1,
            "log_spectral_distance": 30.0,
            "bits_per_sample": float("inf"),
        }
    )
    assert (failed.values, failed.problem) == ({}, PROBLEM)
    assert perceptual.losses == "KL + power + perceptual"
    assert perceptual.values["level"] == pytest.approx(1.2)
    assert teacher.values["bits_per_sample"] == 8.0
    assert set(griffin_lim.values) == {"level", "log_spectral_distance"}


def test_the_best_student_of_each_measure_is_marked(rows):
    best = section(rows)["best"]
    assert best == {
        "kl": {"kl"},
        "entropy": set(),
        "power": {"contrastive"},
        "style": {"kl", "perceptual", "contrastive"},
        # 0.5 above the recordings' against 1.5 both ways.
        "tilt": {"perceptual"},
        "band_above_6000_db": {"kl", "perceptual", "contrastive"},
        "level": {"contrastive"},
        "log_spectral_distance": {"contrastive"},
        "bits_per_sample": {"perceptual"},
    }


def test_the_file_holds_every_value_and_the_reason_of_a_failure(rows, tmp_path):
    write_table(tmp_path / "ablation.csv", rows)
    with (tmp_path / "ablation.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["variant"] for row in found] == [row.name for row in rows]
    for own, row in zip(found, rows, strict=True):
        assert (own["losses"], own["problem"]) == (row.losses, row.problem)
        for name, value in row.values.items():
            assert float(own[name]) == value
        empty = set(own) - set(row.values) - {"variant", "losses", "problem"}
        assert {own[name] for name in empty} <= {""}


def test_the_screen_has_room_for_it(rows):
    head, *lines = screen_table(rows).splitlines()
    assert head.split() == [
        "KL",
        "entropy",
        "power",
        "style",
        ">6kHz",
        "level",
        "dB",
        "bits",
    ]
    assert max(map(len, [head, *lines])) < 80
    assert lines[0].split() == [
        "kl",
        "0.500",
        "−3",
        "2",
        "0.250",
        "10",
        "0.100",
        "30",
        "∞",
    ]
    assert lines[1].split(maxsplit=1) == ["kl_power", "failed"]
    assert lines[5].split() == ["Griffin-Lim", *"–––––", "1", "10", "–"]


def test_the_report_has_the_table_as_a_section_of_its_own(rows, tmp_path):
    source = written(tmp_path / "r.html", ablation=section(rows))
    table = source.partition('id="ablation"')[2].partition("</section>")[0]
    page = Page(table)
    assert "What each loss contributes" in page.text
    heads = re.findall(r'<th scope="row"><span class="system">(.*?)<', table)
    assert heads == [row.name for row in rows]
    # A row for the heads and one for each system; the failed one is one cell.
    assert len(page.all("tr")) == 1 + len(rows)
    cells = page.all("td")
    assert len(cells) == 1 + (len(rows) - 1) * len(COLUMNS) + 1
    assert PROBLEM in page.text
    assert "<nan>" not in table
    best = section(rows)["best"].values()
    assert table.count('class="best"') == sum(map(len, best))
    assert 'id="ablation"' not in written(tmp_path / "plain.html")


@pytest.mark.slow
def test_all_students_are_measured_alike_whatever_else_is_measured(tiny_run):
    """Against the terms of the one batch there is, term by term."""
    corpus, teacher = Corpus(tiny_run.data), load_teacher(tiny_run.teacher)
    full = tiny_preset(clip_length=10_000).distillation
    phone_classifier = tiny_classifier(tiny_run.data)
    student = load_student(tiny_run.student)
    other = load_student(tiny_run.student)
    for network in other.networks:
        bias = network.output_pair.bias
        bias.assign(bias.numpy() + [0.0, 0.2])
    first, second, again = held_out_measures(
        corpus,
        teacher,
        {"one": student, "other": other, "again": student},
        phone_classifier,
        full,
    ).values()
    assert again == first
    # Each of two flows 0.2 higher, but for the soft bound of its scales.
    assert second["entropy"] == pytest.approx(first["entropy"] + 0.4, abs=0.01)
    context = distillation_context(teacher, student, full)
    clips = corpus.validation_clips(**clip_shape(corpus, full, context))
    ((inputs, audio, weight),) = clips
    judge = Distiller(
        teacher,
        student,
        phone_classifier,
        inner_samples=full.inner_samples,
        contrastive=full.contrastive,
        power=full.power,
    )
    for drawer in (judge, student):
        drawer.seed_generator.state.assign(keras.random.SeedGenerator(0).state)

    # XLA draws other numbers than TensorFlow alone.
    @tf.function(jit_compile=True)
    def loss_terms():
        return judge.loss_terms(inputs, audio, student(inputs), weight)

    terms = loss_terms()
    del terms["recording_level"]
    assert set(terms) == {n for n in first if not n.startswith("health_")}
    for name, value in terms.items():
        np.testing.assert_allclose(first[name], value, rtol=1e-3, err_msg=name)
    assert first["health_deviation"] < second["health_deviation"]
