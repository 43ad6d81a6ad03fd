"""Files that version 0.1.0 of November 2026 wrote are read as they were.

They come from a run of `tiny_run.tiny_preset`; `expected.npz` holds what its
models computed then.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import STEPS, tiny_preset

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.training.runs import train_teacher

OLD = Path(__file__).parent / "files_of_2026_11"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(OLD / "expected.npz"))


def test_an_export_runs_without_a_word(expected, capfd) -> None:
    voice = LiteVoice(OLD / "student.tflite")
    voice(expected["mel"][:1], seed=1)
    assert capfd.readouterr() == ("", "")


def test_keras_files(expected) -> None:
    student = load_student(OLD / "run" / "student.keras")
    inputs = {name: expected[name] for name in ("mel", "noise")}
    audio = student(inputs)["audio"]
    np.testing.assert_allclose(audio, expected["audio"], atol=1e-5)
    teacher = load_teacher(OLD / "run" / "teacher.keras")
    levels = np.clip(expected["audio"], -1.0, 1.0 - 2.0**-15)
    levels = np.round(levels * 32_768).astype("float32") / 32_768
    found = teacher({"mel": expected["mel"], "audio": levels})
    np.testing.assert_allclose(found, expected["parameters"], atol=1e-4)


@pytest.mark.network
def test_a_corpus_and_the_checkpoint_of_a_run(tmp_path) -> None:
    """The run of two steps continues to four, where it was."""
    corpus = Corpus(OLD / "data")
    out = Path(shutil.copytree(OLD / "run", tmp_path / "run"))
    before = load_teacher(out / "teacher.keras")
    teacher = train_teacher(corpus, tiny_preset(), out, steps=STEPS)
    named = {"name": before.name}
    assert teacher.get_config() | named == before.get_config()
    log = (out / "teacher.csv").read_text().splitlines()
    column = log[0].split(",").index("step")
    assert [int(line.split(",")[column]) for line in log[1:]] == [3, 4]


def test_exports(expected) -> None:
    mel, student = expected["mel"], load_student(OLD / "run" / "student.keras")
    now = Synthesizer(student)({"mel": mel}, seed=7)
    lite = LiteVoice(OLD / "student.tflite")
    np.testing.assert_allclose(lite({"mel": mel}, seed=7), now, atol=1e-4)
    served = tf.saved_model.load(str(OLD / "served" / "1"))
    answer = served.signatures["serving_default"](
        mel=tf.constant(mel),
        seed=tf.constant([7], tf.int64),
        lengths=tf.constant([mel.shape[1]], tf.int64),
        temperature=tf.constant([1.0]),
    )
    np.testing.assert_allclose(answer["audio"], now, atol=1e-4)
