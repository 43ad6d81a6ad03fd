"""Commands that are killed, or write into a disk that is really full."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_run import contents

pytestmark = [pytest.mark.slow, pytest.mark.system]

KILLS = 10
CASES = {
    "prepare": "prepare --corpus={recordings} --out={out}",
    "saved_model": "export --model={student} --out={out}",
    "tflite": "export --model={student} --out={out}.tflite --format=tflite",
    "onnx": "export --model={student} --out={out}.onnx --format=onnx",
}
ON_A_FULL_DISK = CASES | {
    "teacher": "train-teacher --data={data} --out={out} --steps=2 "
    "--batch_size=1 --clip_length=2000",
    "student": "distill --data={data} --teacher={teacher} --out={out} "
    "--steps=2 --batch_size=2 --clip_length=2000",
}


def started(case: str, run, out: Path) -> subprocess.Popen:
    places = vars(run) | {"out": out}
    return subprocess.Popen(
        [sys.executable, "-m", "pwavenet_tf", *case.format(**places).split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(folder: Path) -> set[str]:
    """What a user, or TF Serving, sees below a folder: nothing hidden."""
    return {
        path for path in contents(folder) if not re.search(r"(^|/)\.", path)
    }


@pytest.mark.parametrize("name", CASES)
def test_a_command_killed_ten_times_leaves_all_or_nothing(
    tiny_run, tmp_path, name
):
    """At random moments; the run after them ends as one on its own."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    began = time.monotonic()
    assert started(CASES[name], tiny_run, whole / "out").wait() == 0
    seconds = time.monotonic() - began
    expected, chance = contents(whole), random.Random(0)
    for _ in range(KILLS):
        command = started(CASES[name], tiny_run, killed / "out")
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(chance.uniform(0.0, seconds))
        command.send_signal(signal.SIGKILL)
        command.communicate()
        # Complete, or it would not be there; a folder of versions may be empty.
        if results(killed) - {"out"}:
            assert results(killed) == results(whole)
            shutil.rmtree(killed)
            killed.mkdir()
    last = started(CASES[name], tiny_run, killed / "out")
    assert (last.communicate()[1], last.returncode)[1] == 0
    assert set(contents(killed)) == set(expected)


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none"]
    if os.geteuid() or subprocess.run([*command, str(place)]).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ON_A_FULL_DISK)
def test_a_full_disk_is_one_line_and_nothing_is_half_written(
    tiny_run, tmp_path, name
):
    with small_disk(tmp_path / "disk", 2**14) as disk:
        command = started(ON_A_FULL_DISK[name], tiny_run, disk / "out")
        error = command.communicate()[1]
        assert command.returncode == 2, error
        message = error.strip().splitlines()[-1]
        assert message.startswith(f"pwavenet {ON_A_FULL_DISK[name].split()[0]}")
        assert "No space left on device" in message
        found = [path for path in disk.rglob("*") if path.is_file()]
        # The record of a run is small, and whole.
        models = (".keras", ".tflite", ".onnx", ".pb", ".h5")
        assert not [path for path in found if path.suffix in models], found
