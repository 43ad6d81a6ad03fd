"""Every command's bad input: one line, exit status 2, nothing written."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from tiny_run import contents, copied

from pwavenet_tf import cli

PREPARE = "prepare --corpus={recordings} --out={out} "
TRAIN = "train-teacher --data={data} --out={out} "
DISTILL = "distill --data={data} --teacher={teacher} "
EXPORT = "export --model={student} "
SYNTHESIZE = "synthesize --model={student} --out={out} "
SAY = "say hello --model={student} "
EVALUATE = "evaluate --model={student} --out={out} "

# What is no model, by the format that its name claims.
TEXTS = ("text.keras", "text.tflite", "text.onnx")

CASES = {
    "prepare --corpus={bad}/absent --out={out}": "absent does not exist",
    "prepare --corpus={bad}/empty --out={out}": "empty: holds no audio",
    "prepare --corpus={bad}/texts --out={out}": "a.wav: is damaged or not",
    "prepare --corpus={recordings} --out={bad}/file/out": "file is a file",
    "prepare --corpus={recordings} --out={bad}": "already holds something",
    PREPARE + "--conditioning=mel,tone": (
        "--conditioning=mel,tone: 'tone' is not known; choose from mel, lingu"
    ),
    PREPARE + "--conditioning=": "'' is not known",
    PREPARE + "--labels={bad}/empty": "needs linguistic",
    PREPARE + "--conditioning=linguistic --labels={bad}/absent": (
        "absent does not exist"
    ),
    PREPARE + "--conditioning=linguistic --labels={bad}/empty": (
        ".wav: has neither labels nor a text; put a label file into "
    ),
    PREPARE + "--conditioning=linguistic --labels={bad}/labels": (
        ".lab:1: 'neither' is not a time"
    ),
    PREPARE + "--conditioning=speaker": ".wav: the speaker pattern",
    PREPARE + "--speaker_pattern=(tone)": "needs speaker",
    PREPARE + "--conditioning=speaker --speaker_pattern=(tone": (
        "'(tone' is no regular expression"
    ),
    PREPARE + "--conditioning=speaker --speaker_pattern=tone": "has 0 groups",
    PREPARE + "--conditioning=speaker --speaker_pattern=(.)(o)": "has 2 groups",
    PREPARE + "--conditioning=speaker --speaker_pattern=-(.)": (
        "no speaker has two recordings"
    ),
    "train-teacher --data={bad}/absent --out={out}": "absent does not exist",
    "train-teacher --data={bad}/empty --out={out}": "pwavenet prepare",
    "train-teacher --data={bad}/file --out={out}": "give a folder",
    "train-teacher --data={data} --out={out} --preset=paper": (
        "sample_rate (16000 against 24000), hop_length (200 against 300)"
    ),
    "train-teacher --data={data} --out={bad}/file/out": "file is a file",
    "train-teacher --data={data} --out={bad}": "teacher.keras is there",
    TRAIN + "--conditioning=mel,pitch": (
        "the data hold no pitch features; prepare them with "
        "--conditioning=mel,pitch, or train without"
    ),
    TRAIN + "--conditioning=linguistic": "the data hold no linguistic",
    TRAIN + "--conditioning=speaker": "the data hold no speaker",
    TRAIN + "--conditioning=mel,none": "'none' is not known",
    DISTILL + "--out={bad}": "student.keras is there",
    DISTILL + "--out={bad}/file/out": "file is a file",
    "distill --data={bad}/empty --teacher={teacher} --out={out}": (
        "pwavenet prepare"
    ),
    "distill --data={data} --teacher={bad}/text.keras --out={out}": (
        "text.keras: is damaged or not a model"
    ),
    "distill --data={data} --teacher={student} --out={out}": "is a student",
    "distill --data={other_data} --teacher={teacher} --out={out}": (
        "mel_mean (statistics of another corpus), mel_deviation"
    ),
    "train-acoustic --data={data} --out={out}": (
        "the data hold no phones or no pitch, which an acoustic model learns; "
        "prepare them with --conditioning=mel,linguistic,pitch"
    ),
    "train-student --data={bad}/absent --out={out}": "absent does not exist",
    "train-student --data={bad}/empty --out={out}": "pwavenet prepare",
    "train-student --data={data} --out={bad}/file/out": "file is a file",
    "train-student --data={data} --out={out} --clip_length=0": "clip_length",
    "train-student --data={data} --out={out} --initial={teacher}": (
        "is a teacher"
    ),
    "train-student --data={data} --out={out} --conditioning=sinusoids": (
        "sinusoids"
    ),
    "train-acoustic --data={bad}/absent --out={out}": "absent does not exist",
    "train-acoustic --data={bad}/empty --out={out}": "pwavenet prepare",
    "train-acoustic --data={data} --out={bad}/file/out": "file is a file",
    SAY + "--out={out}.wav": "student.keras: has no acoustic.keras beside it",
    SAY + "--out={out}.mp3": "is a WAV file; let it end in .wav",
    SAY + "--out={bad}/file/a.wav": "file is a file",
    SAY + "--out={out}.wav --acoustic_model={bad}/absent": (
        "absent does not exist"
    ),
    SAY + "--out={out}.wav --acoustic_model={bad}/text.keras": (
        "text.keras: is damaged or not a model"
    ),
    SAY + "--out={out}.wav --acoustic_model={teacher}": (
        "holds a WaveNet, not an acoustic model; name an acoustic.keras"
    ),
    SAY + "--out={out}.wav --text_file={wav}": "give either a text, as in",
    "say --text_file={wav} --model={student} --out={out}.wav": (
        "tone-0.wav: is not UTF-8 at byte"
    ),
    "say hello --model={bad}/text.keras --out={out}.wav": (
        "text.keras: is damaged or not a model"
    ),
    "synthesize --model={bad}/text.keras --input={wav} --out={out}": (
        "text.keras: is damaged or not a model"
    ),
    SYNTHESIZE + "--input={bad}/absent": "absent does not exist",
    SYNTHESIZE + "--input={bad}/empty": "neither recordings nor .npy",
    SYNTHESIZE + "--input={bad}/texts/a.wav": "a.wav: is damaged or not audio",
    SYNTHESIZE + "--input={bad}/wide.npy": "must be (frames, 80)",
    SYNTHESIZE + "--input={bad}/rank.npy": "it is (80,)",
    SYNTHESIZE + "--input={bad}/nan.npy": "nan.npy: mel holds values",
    SYNTHESIZE + "--input={bad}/pickled.npy": "is not a NumPy array file",
    SYNTHESIZE + "--input={bad}/garbage.npy": "is not a NumPy array file",
    SYNTHESIZE + "--input={bad}/cut.npy": "cut.npy: is truncated",
    SYNTHESIZE + "--input={bad}/decibels.npy": "to 0) holds decibels",
    SYNTHESIZE + "--input={bad}/complex.npy": "mel holds complex numbers",
    SYNTHESIZE + "--input={bad}/integers.wav": "divide by 32,768",
    SYNTHESIZE + "--input={bad}/one.m4a": "ffmpeg -i one.m4a one.flac",
    SYNTHESIZE: "give either --input=PATH or --text=TEXT",
    SYNTHESIZE + "--input={wav} --text=hello": "give either --input=PATH or",
    SYNTHESIZE + "--text=hello": "this model reads a mel spectrogram",
    SYNTHESIZE + "--input={wav} --speaker=ben": "has one speaker only",
    "synthesize --model={student} --input={bad}/own/a.wav --out={bad}/own": (
        "would be overwritten"
    ),
    "synthesize --model={student} --input={wav} --out={bad}/file/out": (
        "file is a file"
    ),
    "evaluate --model={bad}/text.keras --reference={wav} --out={out}": (
        "text.keras: is damaged or not a model"
    ),
    EVALUATE + "--reference={bad}/absent": "absent does not exist",
    EVALUATE + "--reference={bad}/empty": "holds no audio",
    EVALUATE + "--reference={bad}/texts": "a.wav: is damaged or not audio",
    EVALUATE + "--reference={bad}/twins": "have one name",
    EVALUATE + "--reference={wav} --model={other_teacher}": (
        "mel_mean (statistics of another corpus)"
    ),
    "evaluate --model={student} --reference={wav} --out={bad}/file/out": (
        "file is a file"
    ),
    "export --model={bad}/text.keras --out={out}": "text.keras: is damaged",
    "export --model={teacher} --out={out}": "is a teacher",
    "export --model={student} --out={bad}/file/out": "file is a file",
    EXPORT + "--out={out}.bin --format=onnx": "does not end in .onnx",
    EXPORT + "--out={out}.tflite": "give --format=tflite too",
    EXPORT + "--out={out}.tflite --format=tflite --variant=int8 "
    "--speech={wav}": "is judged on 3 seconds or more of speech",
    EXPORT + "--out={bad}/file/a.onnx --format=onnx": "file is a file",
    EXPORT + "--out={out} --speech={wav}": (
        "only --format=tflite takes --speech"
    ),
    EXPORT + "--out={out}.tflite --format=tflite --variant=int8": (
        "name recordings by --speech"
    ),
    EXPORT + "--out={out}.tflite --format=tflite --speech={bad}/empty": (
        "empty: holds neither recordings"
    ),
    "synthesize --model={bad}/text.tflite --input={wav} --out={out}": (
        "text.tflite: is not a .tflite file"
    ),
    "synthesize --model={bad}/text.onnx --input={wav} --out={out}": (
        "text.onnx: is missing, damaged or not our export"
    ),
    "synthesize --model={student} --input={recordings} --out=-": (
        "--out=- takes one text or recording"
    ),
    "benchmark --out={bad}": "give a file's name",
    "benchmark --out={bad}/file/figures.json": "file is a file",
    "demo --corpus={bad}/absent --out={out}": "absent does not exist",
    "demo --corpus={bad}/empty --out={out}": "holds no audio",
    "demo --corpus={bad}/texts --out={out}": "a.wav: is damaged or not",
    "demo --out={bad}/file/out": "file is a file",
    "demo --out={bad}": "already holds something",
}


@pytest.fixture
def places(tiny_run, other_run, tmp_path) -> dict[str, str]:
    """Good and bad paths by their names in the cases."""
    bad = tmp_path / "bad"
    for folder in ("empty", "texts", "own", "twins/b", "labels", "1"):
        (bad / folder).mkdir(parents=True)
    for text in ("file", "texts/a.wav", "garbage.npy", "1/x", *TEXTS):
        (bad / text).write_text("neither sound nor model\n")
    for model in (tiny_run.teacher, tiny_run.student):
        copied(model, bad)
    wav = tiny_run.recordings / "tone-0.wav"
    for copy in ("own/a.wav", "twins/a.wav", "twins/b/a.wav"):
        copied(wav, bad / copy)
    for number in range(4):
        label_file = bad / "labels" / f"tone-{number}.lab"
        label_file.write_text("neither times nor phones\n")
    mel = np.zeros((4, 80), np.float32)
    np.save(bad / "wide.npy", mel[:, :79])
    np.save(bad / "rank.npy", mel[0])
    np.save(bad / "nan.npy", np.where(mel == 0, np.nan, mel))
    np.save(bad / "pickled.npy", np.array([{"a": 1}], object))
    np.save(bad / "decibels.npy", np.linspace(-80, 0, 8_000).reshape(-1, 80))
    np.save(bad / "complex.npy", mel + 1j)
    (bad / "cut.npy").write_bytes((bad / "complex.npy").read_bytes()[:-1])
    (bad / "one.m4a").write_bytes(bytes(1_000))
    integers = np.arange(-16_000, 16_000, dtype=np.float32)
    soundfile.write(bad / "integers.wav", integers, 16_000, "FLOAT")
    return {
        "bad": bad,
        "out": tmp_path / "out" / "deep",
        "recordings": tiny_run.recordings,
        "wav": wav,
        "data": tiny_run.data,
        "teacher": tiny_run.teacher,
        "student": tiny_run.student,
        "other_data": other_run.data,
        "other_teacher": other_run.teacher,
    }


def arguments(case: str, places: dict) -> list[str]:
    return case.format(**places).split()


@pytest.mark.network
@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_nothing_is_written(
    case, places, tmp_path, capfd
):
    before = contents(tmp_path)
    capfd.readouterr()
    assert cli.main(arguments(case, places)) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"pwavenet {case.split()[0]}: ")
    assert error.count("\n") == 1 and error.endswith("\n")
    assert CASES[case] in error
    assert contents(tmp_path) == before


@pytest.mark.network
@pytest.mark.parametrize(
    "case",
    [
        "prepare --corpus={recordings} --out={out}",
        SYNTHESIZE + "--input={wav}",
        EVALUATE + "--reference={wav}",
        "export --model={student} --out={out}",
        "export --model={student} --out={out}.tflite --format=tflite",
        "export --model={student} --out={out}.onnx --format=onnx",
    ],
)
def test_a_full_disk_is_one_line_and_nothing_half_written(
    case, places, tmp_path, capfd
):
    """A limit on the size of files stands for the full disk."""
    out = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    capfd.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        status = cli.main(arguments(case, places))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capfd.readouterr().err
    assert status == 2
    assert error.count("\n") == 1 and error.endswith("\n")
    assert "File too large" in error
    assert "{{" not in error
    assert {path.name for path in out.rglob("*")} <= {
        "deep",
        "metrics.json",
        "sound",
    }


def started(case: str, places: dict) -> subprocess.Popen:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "pwavenet_tf", *arguments(case, places)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell's background jobs, and what they start, ignore Ctrl+C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.network
def test_tensorflow_adds_nothing_to_the_one_line(places, tmp_path):
    case = SYNTHESIZE + "--input={bad}/nan.npy"
    process = started(case, places)
    output, error = process.communicate()
    assert (process.returncode, output) == (2, "")
    assert error.count("\n") == 1
    assert error.startswith("pwavenet synthesize: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.network
@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
    ],
)
def test_an_interrupted_command_leaves_nothing(
    number, status, word, places, tmp_path
):
    mel = np.zeros((200_000, 80), np.float32)
    np.save(tmp_path / "long.npy", mel)
    before = contents(tmp_path)
    case = SYNTHESIZE + f"--input={tmp_path}/long.npy"
    process = started(case, places)
    while process.poll() is None and not (tmp_path / "out").exists():
        time.sleep(0.02)
    process.send_signal(number)
    output, error = process.communicate()
    assert (process.returncode, output) == (status, "")
    assert error == f"pwavenet synthesize: {word}\n"
    assert contents(tmp_path) == before


@pytest.mark.network
@pytest.mark.filterwarnings("always::UserWarning")
def test_odd_input_is_told_in_one_line_and_used(places, capfd):
    mel = np.tanh(np.random.default_rng(0).normal(size=(120, 80)))
    np.save(places["bad"] / "odd.npy", mel)
    case = SYNTHESIZE + "--input={bad}/odd.npy"
    assert cli.main(arguments(case, places)) == 0
    (line,) = capfd.readouterr().err.splitlines()
    name = f"{places['bad']}/odd.npy"
    assert line.startswith(f"pwavenet synthesize: warning: {name}: mel (from")
    assert line.endswith("was it scaled, as to between -1 and 1?")
    assert (places["out"] / "odd.wav").is_file()
