"""JAX trains what TensorFlow trains, and each speaks with the other's models.

`make test-jax` runs it. JAX has an environment of its own, .venv-jax, in which
there is no TensorFlow.
"""

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
SCRIPT = TESTS.parent / "docs" / "train_with_jax.py"
PYTHON = TESTS.parent / ".venv-jax" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="there is no .venv-jax; `make install-jax` makes it",
    ),
]


def run_jax(*arguments: object) -> None:
    process = subprocess.run(
        [PYTHON, *map(str, arguments)],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr


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


def test_the_documented_way_there_and_back(tmp_path) -> None:
    """Prepare and export here, train there, speak here."""
    recordings, data = tmp_path / "recordings", tmp_path / "data"
    arrays, out = tmp_path / "arrays", tmp_path / "run"
    write_recordings(recordings, 4)
    for command in (
        ["prepare", f"--corpus={recordings}", f"--out={data}"],
        ["export-corpus", f"--data={data}", f"--out={arrays}"],
    ):
        assert cli.main(command) == 0
    out.mkdir()
    # The user's script word for word, but for the size of the models.
    tiny = (
        "import runpy, sys, pwavenet_tf, tiny_run;"
        "pwavenet_tf.preset = lambda name: tiny_run.tiny_preset();"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__');"
        "assert 'tensorflow' not in sys.modules"
    )
    run_jax("-c", tiny, arrays, out, 2, 3)
    for name in ("teacher", "student"):
        log = np.genfromtxt(out / f"{name}.csv", delimiter=",", names=True)
        assert len(log) == 2
        assert np.isfinite(log["val_loss"]).all()
    _, _, features = next(Corpus(data).utterances("validation"))
    assert load_teacher(out / "teacher.keras").audio.mel_mean
    student = load_student(out / "student.keras")
    sound = Synthesizer(student)(features["mel"], seed=1)
    assert np.isfinite(sound).all() and np.std(sound) > 0
