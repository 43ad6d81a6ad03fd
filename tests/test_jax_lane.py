"""JAX trains what TensorFlow trains, and each speaks with the other's models.

`make test-jax` runs it. JAX has an environment of its own, .venv-jax, in which
there is no TensorFlow.
"""

import json
import os
import subprocess
from pathlib import Path

import backend_steps
import keras
import numpy as np
import pytest
from tiny_run import write_recordings

from pwavenet_tf import cli
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models import load_student, load_teacher
from pwavenet_tf.synthesis import Synthesizer

TESTS = Path(__file__).resolve().parent
PYTHON = TESTS.parent / ".venv-jax" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="there is no .venv-jax; `make install-jax` makes it",
    ),
]


def run_jax(*arguments: object, status: int = 0) -> str:
    """Runs a script; returns what it said."""
    process = subprocess.run(
        [PYTHON, *map(str, arguments)],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == status, process.stdout + process.stderr
    return process.stdout + process.stderr


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """What each backend wrote."""
    place = tmp_path_factory.mktemp("backends")
    backend_steps.write(place / "tensorflow")
    script = TESTS / "backend_steps.py"
    run_jax(script, place / "jax", place / "tensorflow")
    return {name: place / name for name in ("tensorflow", "jax")}


@pytest.fixture(scope="module")
def found(folders) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each backend."""
    return {
        name: dict(np.load(folder / "arrays.npz"))
        for name, folder in folders.items()
    }


def of(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those below a prefix; there are some."""
    chosen = {
        key.removeprefix(prefix): value
        for key, value in arrays.items()
        if key.startswith(prefix)
    }
    assert chosen
    return chosen


def require_close(ours, theirs, tolerance: float = 1e-4) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        np.testing.assert_allclose(
            theirs[key], value, tolerance, tolerance, err_msg=key
        )


@pytest.mark.parametrize("name", backend_steps.ALIKE)
def test_steps_without_draws_are_the_same(found, name) -> None:
    """Losses, every metric that both have, and all weights."""
    shown, theirs = (of(one, f"shown/{name}/") for one in found.values())
    # TensorFlow alone can watch gradients on their way.
    shown = {k: v for k, v in shown.items() if not k.startswith("gradient_")}
    require_close(shown, theirs)
    assert np.ptp(theirs["loss"]) > 0.01
    weights = [of(one, f"weights/{name}/") for one in found.values()]
    require_close(*weights)


def test_what_jax_saved_says_the_same_under_tensorflow(folders, found) -> None:
    files = sorted(folders["jax"].glob("*.keras"))
    assert len(files) == 3 + 2 * 2
    for path in files:
        model = keras.saving.load_model(path)
        asked = of(found["jax"], f"said/{path.stem}/")
        require_close(asked, backend_steps.said(model))


def test_what_tensorflow_saved_says_the_same_under_jax(found) -> None:
    require_close(of(found["tensorflow"], "said/"), of(found["jax"], "given/"))


def test_drawn_noise_trains_a_student_too(folders, found) -> None:
    shown = of(found["jax"], "shown/drawing_distiller/")
    assert all(np.isfinite(values).all() for values in shown.values())
    before = backend_steps.drawing_distiller().student
    path = folders["jax"] / "drawing_distiller.student.keras"
    after = keras.saving.load_model(path)
    for one, other in zip(
        before.trainable_variables, after.trainable_variables, strict=True
    ):
        assert not np.array_equal(one, other), one.path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder with `data`, as prepared, and `arrays`, a compact export."""
    place = tmp_path_factory.mktemp("corpus")
    write_recordings(place / "recordings", 4)
    data, arrays = place / "data", place / "arrays"
    for command in (
        ["prepare", f"--corpus={place / 'recordings'}", f"--out={data}"],
        ["export-corpus", f"--data={data}", f"--out={arrays}", "--compact"],
    ):
        assert cli.main(command) == 0
    return place


def train_jax(corpus: Path, out: Path, *flags: object, status: int = 0) -> str:
    """The user's command, but for the size of the models."""
    return run_jax(
        TESTS / "jax_command.py",
        f"--data={corpus / 'arrays'}",
        f"--out={out}",
        *flags,
        status=status,
    )


def test_the_documented_way_there_and_back(corpus, tmp_path) -> None:
    """Prepare and export here, train there, synthesize here."""
    train_jax(corpus, tmp_path, "--steps=4")
    train_jax(corpus, tmp_path, "--what=student", "--steps=3")
    for name in ("teacher", "student"):
        log = np.genfromtxt(tmp_path / f"{name}.csv", delimiter=",", names=True)
        assert np.isfinite(log["val_loss"]).all()
    # The model holds the averaged weights, and they are those of the state.
    for name, load in (("teacher", load_teacher), ("student", load_student)):
        model = load(tmp_path / f"{name}.keras")
        averages = of(np.load(tmp_path / f"{name}.state.npz"), "averages/")
        for number, weight in enumerate(model.trainable_variables):
            np.testing.assert_array_equal(weight, averages[str(number)])
        assert model.optimizer is None
    _, _, features = next(Corpus(corpus / "data").utterances("validation"))
    assert load_teacher(tmp_path / "teacher.keras").audio.mel_mean
    student = load_student(tmp_path / "student.keras")
    sound = Synthesizer(student)(features["mel"], seed=1)
    assert np.isfinite(sound).all() and np.std(sound) > 0


def test_an_interrupted_run_ends_as_one_that_was_not(corpus, tmp_path) -> None:
    """With the weights, averages and clips of the same steps, bit for bit."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for what, steps in (("teacher", 7), ("student", 5)):
        flags = [f"--what={what}", f"--steps={steps}"]
        if what == "student":
            flags.append(f"--teacher={whole / 'teacher.keras'}")
        train_jax(corpus, whole, *flags)
        train_jax(corpus, parts, *flags, "--interrupt_after=3", status=130)
        assert (parts / f"{what}.keras").exists()
        before = dict(np.load(parts / f"{what}.state.npz"))
        assert json.loads(str(before["progress"]))["steps"] == 3
        said = train_jax(corpus, parts, *flags)
        assert "step 3" in said
        ours, theirs = (
            dict(np.load(out / f"{what}.state.npz")) for out in (whole, parts)
        )
        progress = [
            json.loads(str(one.pop("progress"))) for one in (ours, theirs)
        ]
        for one in progress:
            del one["minutes"]
        assert progress[0] == progress[1]
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], key)
            if key.startswith("averages") and value.any():
                assert not np.array_equal(value, before[key]), key


def test_a_run_ends_when_its_time_is_up_and_can_begin_another(
    corpus, tmp_path
) -> None:
    out = tmp_path / "run"
    train_jax(corpus, out, "--minutes=0.05")
    log = np.genfromtxt(out / "teacher.csv", delimiter=",", names=True)
    assert log["share"] == 1.0
    assert 0.045 < log["minutes"] < 0.2
    assert log["step"] > 2
    # Again, with another rise and fall.
    train_jax(corpus, out, "--minutes=0.05")
    log = np.genfromtxt(out / "teacher.csv", delimiter=",", names=True)
    assert log["step"][1] > log["step"][0]
    # Elsewhere, from its state or from its weights.
    state = f"--initial={out / 'teacher.state.npz'}"
    train_jax(corpus, tmp_path / "state", state, "--steps=1")
    moved = np.genfromtxt(
        tmp_path / "state" / "teacher.csv", delimiter=",", names=True
    )
    assert moved["step"] == log["step"][1] + 1
    weights = f"--initial={out / 'teacher.keras'}"
    rate = "--learning_rate=0"
    train_jax(corpus, tmp_path / "weights", weights, "--steps=2", rate)
    for one, other in zip(
        load_teacher(out / "teacher.keras").get_weights(),
        load_teacher(tmp_path / "weights" / "teacher.keras").get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, 1e-6, 1e-7)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_and_saves_float32(
    corpus, tmp_path, precision
) -> None:
    flags = ["--steps=3", f"--precision={precision}"]
    train_jax(corpus, tmp_path, *flags)
    train_jax(corpus, tmp_path, "--what=student", *flags)
    for load, name in ((load_teacher, "teacher"), (load_student, "student")):
        model = load(tmp_path / f"{name}.keras")
        assert model.dtype_policy.name == "float32"


def test_a_step_in_the_loop_is_a_step_of_fit() -> None:
    """On the same clips, with the same learning rate."""
    run_jax(TESTS / "jax_steps.py")


def test_mistakes_end_in_one_line(corpus, tmp_path) -> None:
    train_jax(corpus, tmp_path, "--steps=1")
    for flags, message in (
        ([f"--initial={tmp_path / 'teacher.keras'}"], "a run is there already"),
        (["--precision=bfloat16"], "train as before"),
        (["--what=student", "--teacher=/none"], "--teacher=/none does not"),
        (["--clip_length=333"], "multiple of the hop"),
        (["--learning_rate=1e30", "--steps=9"], "no longer a finite number"),
    ):
        said = train_jax(corpus, tmp_path, *flags, status=2)
        assert message in said
        assert "Traceback" not in said
