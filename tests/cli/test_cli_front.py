"""The front of the command line: help, mistakes and exit statuses."""

import importlib
import math
import os
import subprocess
import sys

import pytest
from absl import flags

import pwavenet_tf
from pwavenet_tf.cli import app
from pwavenet_tf.cli.commands import prepare
from pwavenet_tf.core.errors import UserError


def complaint(capsys, *arguments: str) -> str:
    """The one line that a mistake ends in; checks all that goes with it."""
    assert app.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith("\n")
    assert shown.err.count("\n") == 1
    return shown.err.rstrip("\n")


@pytest.fixture
def run_prepare(tmp_path, monkeypatch):
    """Runs `pwavenet prepare` with another body in place of its own."""

    def run(body) -> int:
        monkeypatch.setattr(prepare, "run", body)
        return app.main(
            ["prepare", f"--corpus={tmp_path}", f"--out={tmp_path / 'data'}"]
        )

    return run


def test_help_loads_nothing_that_takes_long():
    code = (
        "import sys; from pwavenet_tf.cli.app import main; main(['--help']);"
        "sys.exit(bool({'tensorflow', 'keras', 'librosa', 'matplotlib'}"
        ".intersection(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_overview_lists_the_pipeline_in_order(arguments, capsys):
    assert app.main(arguments) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n  {name} ") for name in app.COMMANDS]
    assert places == sorted(places)
    assert "pwavenet demo --out=" in text
    assert "logtostderr" not in text
    assert max(map(len, text.splitlines())) < 80


@pytest.mark.parametrize("name", app.COMMANDS)
def test_each_command_explains_itself_and_its_flags(name, capsys):
    assert app.main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Before it:" in text
    assert f"pwavenet {name} --" in text
    # The list of voices is for the screen alone.
    assert name == "voices" or "--out=" in text.partition("Flags:")[2]
    assert "logtostderr" not in text
    assert max(map(len, text.splitlines())) < 80
    assert app.main(["help", name]) == 0
    assert capsys.readouterr().out == text


def test_version_is_the_packages(capsys):
    assert app.main(["--version"]) == 0
    assert capsys.readouterr().out.split() == [
        "pwavenet",
        pwavenet_tf.__version__,
    ]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("prepair", "prepare"), ("train_teacher", "train-teacher")],
)
def test_unknown_command_names_the_nearest(wrong, nearest, capsys):
    line = complaint(capsys, wrong, "--out=x")
    assert line.startswith(f"pwavenet {wrong}: there is no such command")
    assert f"pwavenet {nearest}?" in line


def test_unknown_command_like_no_other_points_to_the_help(capsys):
    assert "pwavenet --help" in complaint(capsys, "xyzzy")
    assert "pwavenet --help" in complaint(capsys, "--xyzzy")


def test_unknown_flag_names_the_nearest(capsys):
    line = complaint(capsys, "prepare", "--corpse=x")
    assert line == (
        "pwavenet prepare: there is no flag --corpse; did you mean --corpus?"
    )
    line = complaint(capsys, "prepare", "--xyzzy=1")
    assert "--corpus, --out, --preset" in line


def test_missing_flags_are_all_named(capsys):
    line = complaint(capsys, "train-teacher", "--steps=3")
    assert line == (
        "pwavenet train-teacher: --data and --out are missing; "
        "add --data=DATA --out=RUN"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["prepare", "--preset=nanoo"], "did you mean --preset=nano?"),
        (["prepare", "--preset=x"], "is not one of nano, small, v1, paper"),
        (["train-teacher", "--head=gauss"], "did you mean --head=gaussian?"),
        (
            ["train-teacher", "--upsampling=x"],
            "--upsampling=x is not one of learned, repetition",
        ),
        (["distill", "--steps"], "--steps has no value; write --steps=N"),
    ],
)
def test_value_of_the_wrong_kind_is_named(arguments, expected, capsys):
    assert expected in complaint(capsys, *arguments)


def flags_of(name: str) -> list[flags.Flag]:
    values = flags.FlagValues()
    importlib.import_module(
        f"pwavenet_tf.cli.commands.{name.replace('-', '_')}"
    ).define_flags(values)
    return [values[flag] for flag in values]


NUMBERS = [
    (name, flag.name, flag.parser)
    for name in app.COMMANDS
    for flag in flags_of(name)
    if flag.flag_type() in ("int", "float")
]


@pytest.mark.parametrize(("name", "flag", "parser"), NUMBERS)
def test_a_number_is_within_bounds_that_the_message_names(
    name, flag, parser, capsys
):
    lowest, highest = parser.bounds
    assert -math.inf < lowest < highest < math.inf
    step = 1 if isinstance(lowest, int) else 1e-4
    wrong = [lowest - step, 2 * highest, 10**30, "nan", "inf", "abc", ""]
    for value in [*wrong, 1.5] if step == 1 else wrong:
        line = complaint(capsys, name, f"--{flag}={value}")
        assert f"--{flag}={value} is not a" in line
        assert f"number from {lowest:,} to {highest:,};" in line
    for value in lowest, highest:
        line = complaint(capsys, name, f"--{flag}={value}", "--nonsense")
        assert "there is no flag --nonsense" in line
    assert app.main([name, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"From {lowest:,} to {highest:,}." in shown


def test_there_are_many_numbers():
    assert len(NUMBERS) > 40


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--steps=3", "--steps=4"], "--steps is given twice, as 3 and 4"),
        (["--seed=3", "--seed", "4"], "--seed is given twice, as 3 and 4"),
        (["--out=a", "--out=b"], "--out is given twice, as a and b"),
        (["--head=mu_law", "--head=gaussian"], "--head is given twice"),
        (["--steps=3", "--steps=3", "--nonsense"], "no flag --nonsense"),
    ],
)
def test_a_flag_given_twice_with_two_values_is_refused(given, message, capsys):
    assert message in complaint(capsys, "train-teacher", *given)


def test_a_switch_thrown_both_ways_is_refused(capsys):
    line = complaint(capsys, "audit", "--transcripts", "--notranscripts")
    assert "--transcripts is given twice, as True and False" in line


def test_argument_that_is_no_flag_is_named(tmp_path, capsys):
    line = complaint(
        capsys,
        "prepare",
        "recordings",
        f"--corpus={tmp_path}",
        f"--out={tmp_path / 'data'}",
    )
    assert "'recordings' is not a flag" in line


def test_paths_are_checked_before_tensorflow_is_loaded(tmp_path):
    process = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "pwavenet_tf",
            "distill",
            f"--data={tmp_path}",
            f"--teacher={tmp_path / 'teacher.keras'}",
            f"--out={tmp_path / 'run'}",
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert "teacher.keras does not exist" in process.stderr.splitlines()[-1]
    assert "tensorflow" not in process.stderr
    assert not (tmp_path / "run").exists()


def test_path_of_the_wrong_kind_is_named(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    folder, out = f"--data={tmp_path}", f"--out={tmp_path / 'run'}"
    for wrong, expected in [
        ([f"--data={file}", f"--teacher={file}", out], "is a file"),
        ([folder, f"--teacher={tmp_path}", out], "is a folder"),
        ([folder, f"--teacher={file}", f"--out={file}/run"], f"{file} is a f"),
        ([folder, "--teacher=", out], "--teacher is empty"),
    ]:
        assert expected in complaint(capsys, "distill", *wrong)
    assert "a file's name" in complaint(
        capsys, "benchmark", f"--out={tmp_path}"
    )


# Of which --out may be, or is, a file.
FILES = [(name, "out") for name in ("export", "benchmark", "say")]
FOLDERS = [
    (name, flag.name)
    for name in app.COMMANDS
    for flag in flags_of(name)
    if flag.name in ("data", "out", "labels", "tensorboard")
    and (name, flag.name) not in FILES
]


@pytest.mark.parametrize(("name", "flag"), [*FOLDERS, ("demo", "corpus")])
def test_a_recording_is_no_folder(name, flag, tmp_path, capsys):
    sound, folder = tmp_path / "a.wav", tmp_path / "c.wav"
    sound.touch()
    model = ["--voice=kathleen"] if name.startswith("synthesize") else []
    line = complaint(capsys, name, f"--{flag}={sound}", *model)
    assert f"--{flag}={sound} is " in line and "folder" in line
    if flag in ("out", "tensorboard"):
        new = f"--{flag}={tmp_path / 'b.wav'}"
        line = complaint(capsys, name, new, *model)
        assert "b.wav is called like a file; give the name of a folder" in line
    if name == "audit" and flag == "out":
        folder.mkdir()
        assert "c.wav" not in complaint(capsys, name, f"--{flag}={folder}")


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        (name, flag.name)
        for name in app.COMMANDS
        for flag in flags_of(name)
        if flag.name in ("model", "teacher", "phones", "initial")
    ],
)
def test_a_folder_is_no_model(name, flag, tmp_path, capsys):
    line = complaint(capsys, name, f"--{flag}={tmp_path}")
    assert f"--{flag}={tmp_path} is a folder; give a file in it" in line


def test_each_repetition_of_a_flag_is_checked(tmp_path, capsys):
    (tmp_path / "teacher.keras").touch()
    line = complaint(
        capsys,
        "evaluate",
        f"--model={tmp_path / 'teacher.keras'}",
        f"--model={tmp_path / 'student.keras'}",
        f"--reference={tmp_path}",
        f"--out={tmp_path / 'report'}",
    )
    assert f"--model={tmp_path / 'student.keras'} does not exist" in line


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may write everywhere",
)
def test_folder_without_permission_is_named(tmp_path, capsys):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    line = complaint(
        capsys, "prepare", f"--corpus={tmp_path}", f"--out={locked / 'data'}"
    )
    assert f"permission in {locked}" in line


def test_user_error_is_one_line(run_prepare, capsys):
    def body(_):
        raise UserError("a.wav: is silent;\nleave it out")

    assert run_prepare(body) == 2
    assert capsys.readouterr().err == (
        "pwavenet prepare: a.wav: is silent; leave it out\n"
    )


def test_full_disk_is_one_line_whoever_meets_it(run_prepare, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")

    def python_meets_it(_):
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")

    def tensorflow_meets_it(_):
        import tensorflow as tf

        with tf.io.TFRecordWriter("/dev/full") as writer:
            writer.write(b"x" * 100_000)

    for body in (python_meets_it, tensorflow_meets_it):
        assert run_prepare(body) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert "No space left on device" in line


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_without_room_is_one_line(unbuffered):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [sys.executable, "-m", "pwavenet_tf", "voices"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert process.returncode == 2
    assert process.stderr.startswith(b"pwavenet voices: No space left")
    assert process.stderr.count(b"\n") == 1


def test_file_that_cannot_be_opened_is_named(run_prepare, tmp_path, capsys):
    missing = tmp_path / "missing.npy"
    assert run_prepare(lambda _: missing.read_bytes()) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert str(missing) in line


def test_interruption_is_one_line_and_status_130(run_prepare, capsys):
    def body(_):
        raise KeyboardInterrupt

    assert run_prepare(body) == 130
    assert capsys.readouterr().err == "pwavenet prepare: interrupted\n"


@pytest.mark.network
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "arguments", ["--help", "audit --help", "voices", "prepare"]
)
def test_a_closed_pipe_ends_a_command_silently(arguments, closed, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.run(
        [sys.executable, "-m", "pwavenet_tf", *arguments.split()],
        **(streams | {closed: writer}),
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writer)
    writes_there = (arguments == "prepare") == (closed == "stderr")
    usual = 2 if arguments == "prepare" else 0
    assert process.returncode == (141 if writes_there else usual)
    if writes_there:
        assert not process.stdout and not process.stderr


def test_a_fault_of_the_code_is_not_hidden(run_prepare):
    with pytest.raises(ZeroDivisionError):
        run_prepare(lambda _: 1 / 0)
