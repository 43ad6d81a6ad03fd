"""JAX trains what TensorFlow trains, and each runs the other's models.

`make test-jax` runs it. JAX has an environment of its own, .venv-jax, in which
there is no TensorFlow.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import backend_steps
import keras
import numpy as np
import pytest
from repository import HELPERS, ROOT
from tiny_run import contents, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.synthesis.student import Synthesizer

PYTHON = ROOT / ".venv-jax" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="there is no .venv-jax; `make install-jax` makes it",
    ),
]


def run_jax(*arguments: object, status: int = 0) -> str:
    """Runs a script; returns what it printed."""
    process = subprocess.run(
        [PYTHON, *map(str, arguments)],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": os.pathsep.join(map(str, (HELPERS, ROOT))),
        },
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
    script = HELPERS / "backend_steps.py"
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
    # TensorFlow alone can watch gradients in the backward pass.
    shown = {k: v for k, v in shown.items() if not k.startswith("gradient_")}
    require_close(shown, theirs)
    assert np.ptp(theirs["loss"]) > 0.01
    weights = [of(one, f"weights/{name}/") for one in found.values()]
    require_close(*weights)


def test_what_jax_saved_has_the_same_output_under_tensorflow(
    folders, found
) -> None:
    files = sorted(folders["jax"].glob("*.keras"))
    assert len(files) == 3 + 2 * 2
    for path in files:
        model = keras.saving.load_model(path)
        asked = of(found["jax"], f"said/{path.stem}/")
        require_close(asked, backend_steps.outputs_of(model))


def test_what_tensorflow_saved_has_the_same_output_under_jax(found) -> None:
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
        HELPERS / "jax_command.py",
        f"--data={corpus / 'arrays'}",
        f"--out={out}",
        *flags,
        status=status,
    )


# Of each run.
STEPS = {"teacher": 7, "student": 5}


@pytest.fixture(scope="module")
def whole(corpus) -> Path:
    """The folder of a run of each model that nothing interrupted."""
    out = corpus / "whole"
    for what, steps in STEPS.items():
        train_jax(corpus, out, f"--what={what}", f"--steps={steps}")
    return out


def test_the_documented_workflow_there_and_back(corpus, whole) -> None:
    """Prepare and export here, train there, synthesize here."""
    for name, load in (("teacher", load_teacher), ("student", load_student)):
        log = np.genfromtxt(whole / f"{name}.csv", delimiter=",", names=True)
        assert np.isfinite(log["val_loss"])
        assert (log["step"], log["share"]) == (STEPS[name], 1.0)
        # The model holds the averaged weights, and they are the state's.
        model = load(whole / f"{name}.keras")
        averages = of(np.load(whole / f"{name}.state.npz"), "averages/")
        for number, weight in enumerate(model.trainable_variables):
            np.testing.assert_array_equal(weight, averages[str(number)])
        # Nor does it carry an optimiser.
        assert not keras.saving.load_model(whole / f"{name}.keras").compiled
    assert load_teacher(whole / "teacher.keras").audio.mel_mean
    _, _, features = next(Corpus(corpus / "data").utterances("validation"))
    student = load_student(whole / "student.keras")
    sound = Synthesizer(student)(features["mel"], seed=1)
    assert np.isfinite(sound).all() and np.std(sound) > 0


@pytest.mark.parametrize("what", STEPS)
def test_an_interrupted_run_ends_as_one_that_was_not(
    corpus, whole, tmp_path, what
) -> None:
    """With the weights, averages and clips of the same steps, bit for bit."""
    flags = [f"--what={what}", f"--steps={STEPS[what]}"]
    if what == "student":
        flags.append(f"--teacher={whole / 'teacher.keras'}")
    train_jax(corpus, tmp_path, *flags, "--interrupt_after=3", status=130)
    assert (tmp_path / f"{what}.keras").exists()
    before = dict(np.load(tmp_path / f"{what}.state.npz"))
    assert json.loads(str(before["progress"]))["steps"] == 3
    assert "step 3," in train_jax(corpus, tmp_path, *flags)
    ours, theirs = (
        dict(np.load(out / f"{what}.state.npz")) for out in (whole, tmp_path)
    )
    progress = [json.loads(str(one.pop("progress"))) for one in (ours, theirs)]
    for one in progress:
        del one["minutes"]
    assert progress[0] == progress[1]
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        np.testing.assert_array_equal(value, theirs[key], key)
    averages = [key for key in ours if key.startswith("averages/")]
    assert any((ours[key] != before[key]).any() for key in averages)


def test_a_run_ends_when_its_time_is_up_and_can_begin_another(
    corpus, tmp_path
) -> None:
    out = tmp_path / "run"
    # Again, with another rise and fall.
    for _ in range(2):
        train_jax(corpus, out, "--minutes=0.05")
    log = np.genfromtxt(out / "teacher.csv", delimiter=",", names=True)
    assert list(log["share"]) == [1.0, 1.0]
    first, second = log["minutes"]
    assert 0.04 < first < 0.2 and 0.04 < second - first < 0.2
    assert 2 < log["step"][0] < log["step"][1]
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


@pytest.mark.parametrize(
    ("what", "precision"), [("teacher", "float16"), ("student", "bfloat16")]
)
def test_mixed_precision_trains_and_saves_float32(
    corpus, whole, tmp_path, what, precision
) -> None:
    flags = [f"--what={what}", "--steps=3", f"--precision={precision}"]
    if what == "student":
        flags.append(f"--teacher={whole / 'teacher.keras'}")
    train_jax(corpus, tmp_path, *flags)
    load = {"teacher": load_teacher, "student": load_student}[what]
    model = load(tmp_path / f"{what}.keras")
    assert model.dtype_policy.name == "float32"
    assert all(np.isfinite(one).all() for one in model.get_weights())


def test_a_step_in_the_loop_is_a_step_of_fit() -> None:
    """On the same clips, with the same learning rate."""
    run_jax(HELPERS / "jax_steps.py")


def test_mistakes_end_in_one_line(corpus, whole, tmp_path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for flags, message in (
        ([f"--initial={out / 'teacher.keras'}"], "a run is there already"),
        (["--precision=bfloat16"], "train as before"),
        (["--clip_length=333"], "multiple of the hop"),
        (["--learning_rate=1e30", "--steps=9"], "no longer a finite number"),
    ):
        error = train_jax(corpus, out, *flags, status=2)
        assert message in error
        assert "Traceback" not in error
    assert contents(out) == contents(whole)
