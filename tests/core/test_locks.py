"""What a killed process leaves, and two processes at one place."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pwavenet_tf import cli
from pwavenet_tf.cli import app
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import UNFINISHED, atomic_write, remove_unfinished
from pwavenet_tf.core.locks import run_lock

WRITER = """
import sys, time
from pathlib import Path
from pwavenet_tf.core.files import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(99)
"""
RUNNER = """
import sys, time
from pathlib import Path
from pwavenet_tf.core.locks import run_lock
with run_lock(Path(sys.argv[1])):
    print("running", flush=True)
    time.sleep(99)
"""


@pytest.fixture
def started():
    """Starts scripts; each has printed something when it is returned."""
    processes = []

    def start(script, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.readline()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def killed(process) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(started, tmp_path):
    path = tmp_path / "a.txt"
    killed(started(WRITER, path))
    assert names(tmp_path) == [".unfinished-a.txt", ".unfinished-a.txt.lock"]
    with atomic_write(path) as temporary:
        assert not temporary.exists()
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.txt"] and path.read_text() == "whole"


def test_what_a_living_process_writes_is_left_alone(started, tmp_path):
    living, dead = started(WRITER, tmp_path / "a"), tmp_path / "b"
    killed(started(WRITER, dead))
    foreign = tmp_path / ".unfinished-symphony"
    foreign.touch()
    remove_unfinished(list(tmp_path.glob(UNFINISHED)))
    kept = [".unfinished-a", ".unfinished-a.lock", foreign.name]
    assert names(tmp_path) == kept
    killed(living)
    remove_unfinished(list(tmp_path.glob(UNFINISHED)))
    assert names(tmp_path) == [foreign.name]


def test_two_writers_of_one_file_take_turns(tmp_path):
    path = tmp_path / "a.txt"

    def write(number: int) -> None:
        for _ in range(20):
            with atomic_write(path) as temporary:
                temporary.write_text(str(number))
                temporary.write_text(str(number) * 2)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert path.read_text() in ("00", "11", "22")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", ["new/out", "there", "a.json"])
def test_a_second_run_at_one_place_is_refused(started, tmp_path, place):
    (tmp_path / "there").mkdir()
    out = tmp_path / place
    running = started(RUNNER, out)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    for same in (out, tmp_path / "link" / place, out / ".." / out.name):
        with pytest.raises(UserError) as caught, run_lock(same):
            raise AssertionError
        owner = f"process {running.pid} on {socket.gethostname()}"
        assert str(caught.value).startswith(f"{out}: {owner} is at work there")
    with run_lock(tmp_path / "other"):
        killed(running)
    with run_lock(out):
        assert (out.parent / f".running-{out.name}").exists()
        with run_lock(out):
            """A part of a run locks the same place again."""
    assert names(out.parent) == [
        *(("out",) if place == "new/out" and out.exists() else ()),
        *(("link", "there") if place != "new/out" else ()),
    ]


def test_a_command_is_refused_before_any_work(
    started, tmp_path, monkeypatch, capsys
):
    def loaded():
        raise AssertionError("TensorFlow is loaded")

    monkeypatch.setattr(app, "import_tensorflow", loaded)
    out = tmp_path / "out"
    running = started(RUNNER, out)
    flags = [f"--data={tmp_path}", f"--out={out}"]
    assert cli.main(["train-teacher", *flags]) == 2
    line = capsys.readouterr().err
    assert f"out: process {running.pid} on" in line and line.count("\n") == 1
    # The workers of one run share its folder.
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(AssertionError, match="is loaded"):
        cli.main(["train-teacher", *flags])


def test_a_command_clears_away_what_a_killed_one_left(
    started, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    for name in ("out/sound/a.wav", "out/b.json", "c", "living"):
        process = started(WRITER, tmp_path / name)
        if name != "living":
            killed(process)
    assert cli.main(["audit", f"--corpus={tmp_path}", f"--out={out}"]) == 2
    assert "holds something" in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.rglob(".*")) == [
        ".unfinished-living",
        ".unfinished-living.lock",
    ]
