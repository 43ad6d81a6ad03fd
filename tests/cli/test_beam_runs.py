"""How a Beam job starts, is interrupted, and locks its folder."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from tiny_run import write_recordings

pytest.importorskip("apache_beam", reason="apache-beam is not installed")

from pwavenet_tf import cli  # noqa: E402
from pwavenet_tf.core.imports import import_tensorflow  # noqa: E402

# Other programs and processes.
pytestmark = pytest.mark.system


# TensorFlow's messages at its start are not tested here.
import_tensorflow()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runner=Nonesuch",), "--runner=Nonesuch cannot be used"),
        (("--runner=PortableRunner",), "must specify a --job_endpoint"),
        (
            (
                "--runner=PortableRunner",
                "--runner_options=--job_endpoint=localhost:1 "
                "--job_server_timeout=1",
            ),
            "cannot be used (it does not answer)",
        ),
        (("--runner=DataflowRunner",), "Missing required option: project"),
        (("--runner=",), "--runner is empty"),
        (("--runner_options=--direct_num_workers=2",), "needs --runner"),
        (
            ("--runner=DirectRunner", "--runner_options=--nonsense=1"),
            "--nonsense=1 is none of Beam's options",
        ),
        (
            ("--runner=DirectRunner", "--runner_options=direct_num_workers=2"),
            "direct_num_workers=2 is none of Beam's options",
        ),
    ],
)
def test_a_runner_that_cannot_start_is_one_line(
    tmp_path, capfd, arguments, message
):
    """Capsys does not see what logs to a standard error of old."""
    write_recordings(tmp_path / "in", 2)
    flags = f"--corpus={tmp_path / 'in'}", f"--out={tmp_path / 'new/data'}"
    assert cli.main(["prepare", *flags, *arguments]) == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_an_interruption_is_one_line(tmp_path):
    corpus, out = tmp_path / "in", tmp_path / "data"
    write_recordings(corpus, 80)
    command = [
        *(sys.executable, "-m", "pwavenet_tf", "prepare"),
        *(f"--corpus={corpus}", f"--out={out}", "--runner=DirectRunner"),
        # F0 takes long enough that the signal cannot come after the end.
        "--conditioning=mel,pitch",
    ]
    # Someone who sets it wants to see TensorFlow's messages.
    environment = os.environ.copy()
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    child = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        env=environment,
        # What runs in a shell's background ignores interruptions.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    work = tmp_path / ".preparing-data"
    while not list(work.glob("*.json")) and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert error == b"pwavenet prepare: interrupted\n"
    names = {path.suffix for path in work.iterdir()}
    assert names == {".json"}, "neither the inputs nor the lock are left"


HOLDER = """
import sys, time
from pathlib import Path
from pwavenet_tf.core.locks import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(99)
"""


def test_two_runs_cannot_share_a_folder(tmp_path, capsys):
    write_recordings(tmp_path / "in", 3)
    flags = f"--corpus={tmp_path / 'in'}", f"--out={tmp_path / 'data'}"
    flags = ["prepare", *flags, "--runner=DirectRunner"]
    work = tmp_path / ".preparing-data"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, work], stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        status = cli.main(flags)
        holder.kill()
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1
    owner = f"process {holder.pid} on {socket.gethostname()}"
    assert f"{work}: {owner} is at work there" in error
    assert cli.main(flags) == 0, "the killed one's lock is gone"
