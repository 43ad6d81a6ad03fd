"""A whole run of an autoencoder: the encoder goes from file to file."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_run import tiny_preset, write_recordings

from pwavenet_tf.cli import demo
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.evaluation.evaluate import evaluate
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.training.runs import distill, train_teacher


def tiny_autoencoder():
    """nsynth-small with tiny models; its encoder sees two frames aside."""
    small, tiny = preset("nsynth-small"), tiny_preset(clip_length=2_048)
    return dataclasses.replace(
        tiny,
        audio=small.audio,
        conditioning=dataclasses.replace(
            small.conditioning,
            channels=4,
            encoder_channels=4,
            encoder_dilations=(300, 500),
        ),
    )


@pytest.mark.network
def test_training_distilling_and_evaluating_pass_the_encoder_on(
    tmp_path,
) -> None:
    tiny, run = tiny_autoencoder(), tmp_path / "run"
    write_recordings(tmp_path / "recordings", 3)
    prepare(tmp_path / "recordings", tmp_path / "data", tiny)
    corpus = Corpus(tmp_path / "data")
    assert "encoding" not in corpus.card.inputs
    board = tmp_path / "board"
    train_teacher(corpus, tiny, run, steps=2, tensorboard=board)
    teacher = load_teacher(run / "teacher.keras")
    distill(corpus, teacher, tiny, run, steps=1, tensorboard=board)
    student = load_student(run / "student.keras")
    audio = np.random.default_rng(0).normal(0.0, 0.1, 5_000)
    np.testing.assert_array_equal(student.encode(audio), teacher.encode(audio))
    held_out = corpus.card.validation[0].file
    evaluate(
        {run / "teacher.keras": teacher, run / "student.keras": student},
        [tmp_path / "recordings" / held_out],
        tmp_path / "report",
    )
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    for name in ("teacher", "student"):
        assert metrics[name]["log_spectral_distance"] > 0.0
        assert metrics[name]["bits_per_sample"] > 0.0
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count('class="encoding"') == 2


@pytest.mark.slow
def test_the_demo_of_notes_leaves_sound_report_and_saved_model(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(demo, "preset", lambda name: tiny_autoencoder())
    demo.run_demo(tmp_path / "demo", notes=True)
    assert len(list((tmp_path / "demo" / "sound").iterdir())) == 3 * 5
    assert (tmp_path / "demo" / "served" / "voice" / "1").exists()
    recordings = tmp_path / "demo" / "recordings"
    assert len(list((recordings / "audio").iterdir())) == 104
