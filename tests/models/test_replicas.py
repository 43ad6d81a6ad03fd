"""Training over several devices or workers is training over one."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from repository import HELPERS, ROOT

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import batch_share, replica_count
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.training.distribution import choose_strategy, is_chief

# Other programs and processes.
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict[str, np.ndarray]:
    """What `replica_steps.py` found."""
    out = tmp_path_factory.mktemp("steps") / "steps.npz"
    done = subprocess.run(
        [sys.executable, str(HELPERS / "replica_steps.py"), str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return dict(np.load(out))


@pytest.mark.parametrize("name", ["teacher", "distiller", "classifier"])
def test_two_devices_take_the_steps_of_one(steps, name) -> None:
    """Clips hold unequal shares of what counts.

    The teacher's step is clipped and Adam's; the others' are the gradients
    themselves.
    """
    assert steps["replicas"] == 2
    one, two = steps[f"{name}_one"], steps[f"{name}_two"]
    assert np.abs(one).max() > 1e-3
    scale = np.abs(one).max()
    np.testing.assert_allclose(two / scale, one / scale, atol=1e-5)
    np.testing.assert_allclose(
        steps[f"{name}_two_loss"], steps[f"{name}_one_loss"], rtol=1e-5
    )


def test_devices_have_different_random_numbers(steps) -> None:
    keys = steps["keys"].reshape(-1, 2)
    assert len(np.unique(keys, axis=0)) == len(keys) == 6
    one, other = steps["noises"]
    assert np.abs(one - other).mean() > 0.5


def test_alone_a_model_holds_the_whole_batch() -> None:
    assert replica_count() == batch_share() == batch_share(5.0) == 1
    assert is_chief()
    assert choose_strategy("auto").num_replicas_in_sync == 1


def test_machines_that_are_not_there_are_refused(monkeypatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="TF_CONFIG is not set"):
        choose_strategy("multiworker")
    with pytest.raises(UserError, match="'gpu' is not known; choose from auto"):
        choose_strategy("gpu")


@pytest.mark.parametrize(
    "config",
    [
        *("worker0:1,worker1:1", '["worker0:1"]', '{"cluster": "worker0:1"}'),
        '{"cluster": {"worker": ["worker0:1"]}}',
        '{"cluster": {"worker": ["worker0:1"]}, "task": 0}',
        '{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}',
    ],
)
@pytest.mark.parametrize("strategy", ["auto", "multiworker"])
def test_workers_that_are_badly_listed_are_refused(
    config, strategy, monkeypatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match="TF_CONFIG lists no workers"):
        choose_strategy(strategy)


@pytest.mark.slow
def test_a_teacher_and_a_student_are_trained_over_two_devices(
    tiny_run, tmp_path
) -> None:
    """Whole runs, with reports, health and checkpoints."""
    done = subprocess.run(
        [
            *(sys.executable, str(HELPERS / "replica_run.py")),
            *(str(tiny_run.data), str(tmp_path)),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    for load, name in ((load_teacher, "teacher"), (load_student, "student")):
        trained = load(tmp_path / f"{name}.keras")
        assert all(np.isfinite(one).all() for one in trained.get_weights())


def begin_worker(number, ports, data, out, steps) -> subprocess.Popen:
    command = [sys.executable, str(HELPERS / "worker.py")]
    log = (out / f"worker-{number}.log").open("a")
    return subprocess.Popen(
        [*command, str(number), ports, str(data), str(out), str(steps)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
    )


def free_ports() -> str:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("localhost", 0))
        return f"{one.getsockname()[1]},{other.getsockname()[1]}"


def logs(out) -> str:
    return "".join(path.read_text()[-3_000:] for path in out.glob("*.log"))


def epochs_of(out, number) -> dict[int, list[np.ndarray]]:
    found = {}
    for path in out.glob(f"worker-{number}-*.npz"):
        with np.load(path) as weights:
            found[int(path.stem.split("-")[2])] = [*weights.values()]
    return found


@pytest.mark.slow
def test_two_workers_hold_equal_weights_and_one_that_dies_rejoins(
    tiny_run, tmp_path
) -> None:
    """Two processes; one is killed, its fellow ends, both begin again."""
    steps, ports = 400, free_ports()

    def begin():
        return [
            begin_worker(number, ports, tiny_run.data, tmp_path, steps)
            for number in (0, 1)
        ]

    log = tmp_path / "run" / "teacher.csv"
    first, second = begin()
    while first.poll() is None and not (
        log.exists() and len(log.read_text().splitlines()) > 3
    ):
        time.sleep(0.1)
    assert first.poll() is None, logs(tmp_path)
    second.send_signal(signal.SIGKILL)
    second.wait()
    # It cannot continue alone, and ends.
    assert first.wait(timeout=300) != 0
    assert not (tmp_path / "run" / "teacher.keras").exists()
    for worker in begin():
        assert worker.wait(timeout=600) == 0, logs(tmp_path)
    weights = [epochs_of(tmp_path, number) for number in (0, 1)]
    assert sorted(weights[0]) == sorted(weights[1]) == list(range(10))
    for epoch, values in weights[0].items():
        for one, other in zip(values, weights[1][epoch], strict=True):
            np.testing.assert_array_equal(one, other)
    with log.open(newline="") as file:
        done = [int(row["step"]) for row in csv.DictReader(file)]
    assert done == list(range(40, 401, 40))
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "teacher.csv",
        "teacher.keras",
    ]
