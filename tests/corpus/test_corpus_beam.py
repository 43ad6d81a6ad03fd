"""Preparation as Beam jobs, against the one without."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from tiny_run import RATE, contents, write_recordings

pytest.importorskip("apache_beam", reason="apache-beam is not installed")

from pwavenet_tf import cli  # noqa: E402
from pwavenet_tf.audio.files import write_audio  # noqa: E402
from pwavenet_tf.core.errors import UserError  # noqa: E402
from pwavenet_tf.corpus import beam as preparation
from pwavenet_tf.corpus import beam as result_cache  # noqa: E402
from pwavenet_tf.corpus.describe import Description  # noqa: E402
from pwavenet_tf.corpus.phones.phones import Phone  # noqa: E402

# Other programs and processes.
pytestmark = pytest.mark.system


TWO_PROCESSES = (
    "--runner=DirectRunner",
    "--runner_options=--direct_num_workers=2 "
    "--direct_running_mode=multi_processing",
)


def run(capsys, *arguments):
    capsys.readouterr()
    status = cli.main([str(one) for one in arguments])
    return status, *capsys.readouterr()


def corpus_of_all_kinds(folder: Path, count: int) -> Path:
    """Two speakers with label files, and what an audit refuses."""
    write_recordings(folder, count)
    labels = folder / "labels"
    labels.mkdir()
    for number, path in enumerate(sorted(folder.glob("*.wav"))):
        speaker = folder / ("anna", "ben")[number % 2]
        speaker.mkdir(exist_ok=True)
        path.rename(speaker / path.name)
        (labels / f"{path.stem}.lab").write_text(
            f"0.0 0.13 a{number % 3}\n0.13 0.4 b\n"
        )
    (labels / "tone-1.lab").write_text("0.0 99.0 a\n")
    first = folder / "anna" / "tone-0.wav"
    shutil.copy(first, folder / "ben" / "double.wav")
    (folder / "ben" / "letter.wav").write_text("Dear reader")
    (folder / "ben" / "cut.wav").write_bytes(first.read_bytes()[:999])
    write_audio(folder / "silent.wav", np.zeros(RATE), RATE)
    return folder


def test_the_corpus_is_the_same_to_the_byte(tmp_path, capsys):
    corpus = corpus_of_all_kinds(tmp_path / "in", 12)
    conditioning = "--conditioning=mel,linguistic,speaker"
    common = "prepare", f"--corpus={corpus}", conditioning
    _, expected, _ = run(capsys, *common, f"--out={tmp_path / 'data'}")
    (tmp_path / "data").rename(tmp_path / "oracle")
    status, text, error = run(
        capsys, *common, f"--out={tmp_path / 'data'}", "--runner=DirectRunner"
    )
    # What is announced before differs: the workers start, too.
    summary = expected.partition("\nplain folder: ")[2]
    assert summary and text.partition("\nplain folder: ")[2] == summary
    assert (status, error) == (0, "")
    assert contents(tmp_path / "data") == contents(tmp_path / "oracle")
    for name in ("double", "letter", "cut", "silent", "tone-1"):
        assert f"{name}.wav: " in text
    assert {one.name for one in tmp_path.iterdir()} == {"in", "data", "oracle"}


@pytest.mark.slow
def test_two_processes_make_the_same_corpus(tmp_path, capfd):
    """Capsys does not see what other processes write."""
    corpus = corpus_of_all_kinds(tmp_path / "in", 20)
    common = "prepare", f"--corpus={corpus}", "--conditioning=mel,pitch,speaker"
    assert cli.main([*common, f"--out={tmp_path / 'a'}"]) == 0
    assert cli.main([*common, f"--out={tmp_path / 'b'}", *TWO_PROCESSES]) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "Could not find cuda" not in capfd.readouterr().err


def prepared(corpus: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pwavenet_tf", "prepare"),
        *(f"--corpus={corpus}", f"--out={out}", "--runner=DirectRunner"),
    ]


@pytest.mark.slow
def test_a_killed_preparation_is_finished_and_nothing_is_done_twice(tmp_path):
    corpus, out = tmp_path / "in", tmp_path / "data"
    write_recordings(corpus, 40)
    work = tmp_path / ".preparing-data"
    assert kill_when(prepared(corpus, out), lambda: len(extracted(work)) > 5)
    assert not out.exists()
    before = extracted(work)
    # The cached result of one that changed meanwhile must not be used.
    changed = corpus / "tone-0.wav"
    write_audio(changed, 0.1 * np.random.normal(size=RATE), RATE)
    # Killed again, to look into the folder before it is removed.
    later = {}

    def is_all_extracted() -> bool:
        later.update(extracted(work))
        return len(later) >= 40

    kill_when(prepared(corpus, out), is_all_extracted)
    assert all(later[name] == stamp for name, stamp in before.items())
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(prepared(corpus, out), check=True, capture_output=True)
    assert not work.exists()
    oracle = ["prepare", f"--corpus={corpus}", f"--out={tmp_path / 'oracle'}"]
    assert cli.main(oracle) == 0
    assert contents(out) == contents(tmp_path / "oracle")


def extracted(work: Path) -> dict[str, tuple]:
    return {
        path.name: result_cache.stamp(path)
        for path in work.glob("[!.]*.npz")
        if path.exists()
    }


def kill_when(command: list[str], condition) -> bool:
    """Ends a process with SIGKILL, unless it is done before."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not condition() and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    return child.wait() == -signal.SIGKILL


def test_what_is_finished_is_not_done_again(tmp_path, monkeypatch, capsys):
    """Of a run that could not assemble the corpus, having no room."""
    write_recordings(tmp_path / "in", 3)
    flags = f"--corpus={tmp_path / 'in'}", f"--out={tmp_path / 'data'}"
    flags = "prepare", *flags, "--runner=DirectRunner"
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "assemble", no_room)
        assert run(capsys, *flags)[0] == 2
    work = tmp_path / ".preparing-data"
    assert len(extracted(work)) == len(list(work.glob("*.json"))) == 3
    monkeypatch.setattr(preparation, "measure", no_room)
    monkeypatch.setattr(result_cache, "save_description", no_room)
    monkeypatch.setattr(result_cache, "save_fault", no_room)
    assert run(capsys, *flags)[0] == 0
    assert not work.exists() and (tmp_path / "data/corpus.json").is_file()


def no_room(*_):
    raise UserError("no room")


def test_a_fault_that_passes_is_forgotten(tmp_path, monkeypatch, capsys):
    pytest.importorskip("espeakng_loader")
    corpus = tmp_path / "in"
    write_recordings(corpus, 3)
    (corpus / "metadata.csv").write_text(
        "".join(f"tone-{number}|Good morning.\n" for number in range(3))
    )
    flags = f"--corpus={corpus}", f"--out={tmp_path / 'data'}"
    flags = *flags, "--conditioning=mel,linguistic", "--fastest_speech=99"
    flags = "prepare", *flags, "--runner=DirectRunner"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "espeakng_loader", None)
        status, _, error = run(capsys, *flags)
    assert status == 2 and "not installed" in error
    status, text, _ = run(capsys, *flags)
    assert status == 0 and "left out:        0 files" in text


def test_a_fault_of_the_audit_is_not_cached(tmp_path, monkeypatch, capsys):
    write_recordings(tmp_path / "in", 3)
    flags = f"--corpus={tmp_path / 'in'}", f"--out={tmp_path / 'data'}"
    flags = "prepare", *flags, "--runner=DirectRunner"
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "measure", no_room)
        status, _, error = run(capsys, *flags)
    assert status == 2 and "no room" in error
    assert len(list((tmp_path / ".preparing-data").glob("*.fault"))) == 3
    status, text, _ = run(capsys, *flags)
    assert status == 0 and "left out:        0 files" in text


def test_what_depends_on_a_recording_names_its_result(tmp_path):
    write_recordings(tmp_path / "in", 1)
    job = preparation._Job(
        tiny_models.CONTRACT, ("mel", "linguistic"), tmp_path / "in", None, None
    )
    source = preparation.Source(tmp_path / "in/tone-0.wav", "tone-0.wav")
    names = {job.file_name(source)}
    assert job.file_name(source) in names
    (tmp_path / "in/labels").mkdir()
    (tmp_path / "in/labels/tone-0.lab").write_text("0 1 a")
    names.add(job.file_name(source))
    os.utime(source.path, ns=(0, 0))
    names.add(job.file_name(source))
    other = preparation.dataclasses.replace(source, text="said")
    names.add(job.file_name(other))
    names.add(preparation.dataclasses.replace(job, inputs=()).file_name(other))
    assert len(names) == 5


def test_a_finished_description_is_read_as_it_was_written(tmp_path):
    random = np.random.default_rng(0)
    levels = random.integers(-(2**15), 2**15, 99).astype(np.int16)
    description = Description(
        random.normal(size=(9, 6)).astype("f4"),
        [Phone("ɐ\udcff", 0.1 + 0.2, 1 / 3), Phone("", 1 / 3, 0.7)],
        random.normal(size=(9, 2)).astype("f4"),
        "Žofie\udce4",
    )
    path = tmp_path / "one.npz"
    result_cache.save_description(path, levels, description)
    read, loaded = result_cache.load_description(path)
    np.testing.assert_array_equal(read, levels)
    assert (loaded.phones, loaded.speaker) == (
        description.phones,
        description.speaker,
    )
    assert loaded.mel.tobytes() == description.mel.tobytes()
    assert loaded.pitch.tobytes() == description.pitch.tobytes()
    path.write_bytes(path.read_bytes()[:200])
    for broken, message in (
        (path, "is damaged"),
        (tmp_path / "no", "no worker"),
    ):
        with pytest.raises(UserError, match=message):
            result_cache.load_description(broken)


def test_a_workers_want_of_room_is_one_line(tmp_path, capsys):
    resource = pytest.importorskip("resource")
    write_recordings(tmp_path / "in", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    flags = f"--corpus={tmp_path / 'in'}", f"--out={tmp_path / 'data'}"
    try:
        status, _, error = run(
            capsys, "prepare", *flags, "--runner=DirectRunner"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2 and error.count("\n") == 1
    assert "cannot be written" in error and "while running" not in error


def test_the_commands_without_a_runner_load_no_beam():
    code = (
        "import sys, pwavenet_tf, pwavenet_tf.cli.app, pwavenet_tf.core.beam;"
        "import pwavenet_tf.corpus.prepare;"
        "import pwavenet_tf.cli.commands.synthesize_batch;"
        "sys.exit('apache_beam' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
