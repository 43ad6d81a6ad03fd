"""The command `audit`, and `prepare` with the same limits."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from audit_signals import broken_files, noisy, written

from pwavenet_tf import cli
from pwavenet_tf.corpus.card import CorpusCard


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    for number in range(3):
        written(folder / f"{number}.wav", noisy(30, seed=number, seconds=1.5))
    written(folder / "noisy.wav", noisy(8, seconds=1.5))
    written(folder / "silent.wav", np.zeros(16_000))
    return folder


def run(capsys, *arguments):
    capsys.readouterr()
    status = cli.main(list(arguments))
    return status, *capsys.readouterr()


def test_the_verdict_is_on_the_screen_and_in_the_folder(
    recordings, tmp_path, capsys
):
    out = tmp_path / "audit"
    status, text, _ = run(
        capsys, "audit", f"--corpus={recordings}", f"--out={out}"
    )
    assert status == 0
    announced, _, text = text.partition("\n")
    assert announced.startswith("Auditing 5 recordings (plain folder), about")
    assert text.startswith("plain folder: 5 recordings\n")
    assert "  silent.wav: is digitally silent\n" in text
    assert f"The page is {out}/audit.html" in text
    assert {path.name for path in out.iterdir()} == {
        "audit.html",
        "audit.json",
        "quarantine.csv",
    }
    content = json.loads((out / "audit.json").read_text())
    assert (content["accepted"], content["with_warnings"]) == (4, 1)


def test_without_out_nothing_is_written(recordings, tmp_path, capsys):
    status, text, _ = run(capsys, "audit", f"--corpus={recordings}")
    assert status == 0 and "With --out=DIR" in text
    assert list(tmp_path.iterdir()) == [recordings]


def test_the_limits_of_audit_and_prepare_are_the_same(
    recordings, tmp_path, capsys
):
    places = [f"--corpus={recordings}", f"--out={tmp_path / 'a'}"]
    limit = "--least_snr=20"
    _, text, _ = run(capsys, "audit", *places, limit)
    assert "  noisy.wav: is noisy (SNR" in text
    places[1] = f"--out={tmp_path / 'b'}"
    status, text, _ = run(capsys, "prepare", *places, limit)
    assert status == 0
    assert "\n  noisy.wav: is noisy (SNR" in text
    assert "left out: 2 files" in " ".join(text.split())
    assert "plain folder: 5 recordings" in text
    places[1] = f"--out={tmp_path / 'c'}"
    _, text, _ = run(capsys, "prepare", *places)
    words = " ".join(text.split())
    assert "left out: 1 files" in words and "warnings: 1 files" in words


def test_prepare_groups_what_it_left_out_and_warned_of(tmp_path, capsys):
    folder = tmp_path / "recordings"
    for number in range(3):
        written(folder / f"{number}.wav", noisy(30, seed=number, seconds=1.5))
        short = noisy(30, seed=number, seconds=0.1 + 0.01 * number)
        written(folder / f"short{number}.wav", short)
        written(folder / f"noise{number}.wav", noisy(7 + number, seconds=1.5))
    written(folder / "copy.wav", noisy(30, seed=0, seconds=1.5))
    written(folder / "silent.wav", np.zeros(16_000))
    status, text, _ = run(
        capsys, "prepare", f"--corpus={folder}", f"--out={tmp_path / 'out'}"
    )
    assert status == 0
    shown = [re.sub(r"\(.*\)", "()", line) for line in text.splitlines()]
    first = next(n for n, line in enumerate(shown) if "left out:" in line)
    assert shown[first : first + 6] == [
        "left out:        4 files",
        "  3 like short0.wav: is shorter than 0.25 s ()",
        "  silent.wav: is digitally silent",
        "warnings:        4 files; pwavenet audit lists them",
        "  3 like noise0.wav: is noisy ()",
        shown[first + 5],
    ]
    assert "has the same samples as" in shown[first + 5]


def test_a_manifest_is_audited(recordings, capsys):
    manifest = recordings / "list.csv"
    manifest.write_text("path,speaker\n0.wav,anna\ngone.wav,ben\n")
    status, text, _ = run(capsys, "audit", f"--corpus={manifest}")
    assert status == 0
    assert text.partition("\n")[2].startswith(
        "manifest: 2 recordings, 2 speakers"
    )
    assert "  gone.wav: no such file (list.csv:3)\n" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--corpus={place}/absent", "absent does not exist"),
        ("--corpus={place}/empty", "empty: holds no audio"),
        ("--corpus={place}/broken.csv", "names no column 'path'"),
        ("--corpus={place}/recordings --out={place}", "already holds"),
        ("--corpus={place}/recordings --out={place}/file/x", "is a file"),
        ("--corpus={place}/recordings --most_clipped=x", "--most_clipped=x is"),
        ("--corpus={place}/recordings --least_snr=nan", "--least_snr=nan"),
        ("--corpus={place}/recordings --preset=big", "--preset=big is not"),
        ("--corpus={place}/recordings --least_sn=3", "mean --least_snr?"),
        ("", "--corpus is missing"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    recordings, tmp_path, capsys, arguments, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken.csv").write_text("a,b\n")
    before = sorted(tmp_path.rglob("*"))
    given = arguments.format(place=tmp_path).split()
    status, text, error = run(capsys, "audit", *given)
    assert (status, text) == (2, "")
    assert error.startswith("pwavenet audit: ") and error.count("\n") == 1
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_line_and_no_folder(recordings, tmp_path, capsys):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        status, text, error = run(
            capsys,
            "audit",
            f"--corpus={recordings}",
            f"--out={tmp_path / 'out'}",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2 and text.count("\n") == 1
    assert text.startswith("Auditing 5 recordings")
    assert error.count("\n") == 1 and "out: cannot be written" in error
    assert list(tmp_path.iterdir()) == [recordings]


def test_no_tensorflow_is_loaded_for_it(recordings):
    """It costs seconds, and an audit needs nothing of it."""
    code = (
        "import sys; from pwavenet_tf.cli.app import main;"
        f"assert main(['audit', '--corpus={recordings}']) == 0;"
        "sys.exit(bool({'tensorflow', 'keras'}.intersection(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert process.returncode == 0, process.stderr


def test_no_file_stops_the_others_and_none_is_left_out_silently(
    recordings, tmp_path, capsys
):
    """Whatever the folder holds, `left out` is the truth."""
    for path in broken_files(tmp_path / "broken"):
        if path.is_file():
            path.rename(recordings / path.name)
    sounds = {path.name for path in recordings.iterdir()}
    status, text, _ = run(capsys, "audit", f"--corpus={recordings}")
    assert status == 0
    assert f"plain folder: {len(sounds)} recordings" in text
    assert "film.mp4: mp4 cannot be decoded; convert it: ffmpeg -i" in text
    assert "16-bit integers stored as floating point" in text
    out = f"--out={tmp_path / 'data'}"
    status, text, _ = run(capsys, "prepare", f"--corpus={recordings}", out)
    assert status == 0
    kept = {"0.wav", "1.wav", "2.wav", "noisy.wav"}
    assert f"left out: {len(sounds - kept)} files" in " ".join(text.split())
    card = CorpusCard.load(tmp_path / "data")
    assert {one.file for one in card.refused} == sounds - kept


def test_a_dead_channel_is_named_by_audit_and_prepare(
    recordings, tmp_path, capsys
):
    speech = noisy(30, seconds=1.5)
    for number in range(30):
        stereo = np.stack([speech, 0 * speech], axis=1)
        written(recordings / f"stereo-{number:02}.wav", stereo)
    for command in ("audit", "prepare"):
        places = [f"--corpus={recordings}", f"--out={tmp_path / command}"]
        status, text, _ = run(capsys, command, *places)
        assert status == 0
        assert "30 like stereo-00.wav: channel 2 of 2 is silent" in text
