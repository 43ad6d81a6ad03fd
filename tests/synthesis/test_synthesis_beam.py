"""Synthesis as a Beam job, against the one without."""

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from filelock import FileLock
from tiny_run import RATE, contents, write_recordings

pytest.importorskip("apache_beam", reason="apache-beam is not installed")

from pwavenet_tf import cli  # noqa: E402
from pwavenet_tf.audio.files import write_audio  # noqa: E402
from pwavenet_tf.corpus import beam as corpus_beam
from pwavenet_tf.synthesis import beam as synthesis_beam  # noqa: E402
from pwavenet_tf.training.fit import save_model  # noqa: E402

# Other programs and processes.
pytestmark = pytest.mark.system


TWO_PROCESSES = (
    "--runner_options=--direct_num_workers=2 "
    "--direct_running_mode=multi_processing"
)


def run(capsys, *arguments):
    capsys.readouterr()
    status = cli.main([str(one) for one in arguments])
    return status, *capsys.readouterr()


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "student.keras"
    save_model(tiny_models.student(), path)
    return path


def inputs_of_all_kinds(folder: Path) -> None:
    write_recordings(folder, 2)
    (folder / "deep").mkdir()
    (folder / "tone-1.wav").rename(folder / "deep" / "tone-1.wav")
    np.save(folder / "deep/mel.npy", tiny_models.mel(frames=200)[0])
    np.savez(folder / "named.npz", mel=tiny_models.mel(frames=30)[0])


def test_the_audio_is_that_of_synthesize(student, tmp_path, capsys):
    place, out = tmp_path / "in", tmp_path / "sound"
    inputs_of_all_kinds(place)
    sampling = f"--model={student}", "--seed=5", "--temperature=0.8"
    flags = *sampling, f"--input={place}", f"--out={out}"
    status, text, error = run(capsys, "synthesize-batch", *flags)
    assert (status, error) == (0, "") and "4 of 4 files" in text
    for name in (".", "deep"):
        one = f"--input={place / name}", f"--out={tmp_path / 'oracle' / name}"
        assert run(capsys, "synthesize", *sampling, *one)[0] == 0
    made = contents(out)
    assert made.pop("synthesis.json") and made.pop("synthesis-inputs.json")
    assert made == contents(tmp_path / "oracle")


def test_a_bad_file_is_reported_and_the_rest_is_synthesized_once(
    student, tmp_path, capsys
):
    place, out = tmp_path / "in", tmp_path / "sound"
    inputs_of_all_kinds(place)
    (place / "letter.wav").write_text("Dear reader")
    flags = f"--model={student}", f"--input={place}", f"--out={out}"
    flags = "synthesize-batch", *flags
    status, text, error = run(capsys, *flags)
    assert status == 2 and "  letter.wav: is damaged or not audio" in text
    assert error.count("\n") == 1 and "1 of 5 files could not be" in error
    assert "\nletter.wav,is damaged" in (out / "failed.csv").read_text()
    # A sound is missing, another's input has changed, a worker was killed.
    before = {path: corpus_beam.stamp(path) for path in out.rglob("*.wav")}
    (out / "deep/mel.wav").unlink()
    os.utime(place / "named.npz", ns=(0, 0))
    (out / "deep" / ".unfinished-x.wav").touch()
    (out / "deep" / ".unfinished-x.wav.lock").touch()
    shutil.copy(place / "tone-0.wav", place / "letter.wav")
    status, text, _ = run(capsys, *flags)
    assert status == 0 and "5 of 5 files, 2 of an earlier run" in text
    after = {path: corpus_beam.stamp(path) for path in out.rglob("*.wav")}
    kept = {path for path in before if before[path] == after[path]}
    assert kept == {out / "tone-0.wav", out / "deep/tone-1.wav"}
    assert set(after) == set(before) | {out / "letter.wav"}
    assert not list(out.rglob(".unfinished-*"))
    assert not (out / "failed.csv").exists()
    status, _, error = run(capsys, *flags, "--seed=1")
    assert status == 2 and "of another model, input or setting" in error


def test_a_manifest_lists_the_inputs(student, tmp_path, capsys):
    inputs_of_all_kinds(tmp_path / "in")
    manifest = tmp_path / "in" / "list.csv"
    manifest.write_text("path\ndeep/mel.npy\ngone.wav\n")
    out = f"--out={tmp_path / 'sound'}"
    status, text, _ = run(
        *(capsys, "synthesize-batch", f"--model={student}"),
        *(f"--input={manifest}", out),
    )
    assert status == 2 and "  gone.wav: no such file" in text
    sounds = list((tmp_path / "sound").rglob("*.wav"))
    assert sounds == [tmp_path / "sound/deep/mel.wav"]


def test_the_same_folder_is_the_same_however_it_is_named(
    student, tmp_path, monkeypatch, capsys
):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_recordings(tmp_path / name / "in", 1)
    flags = f"--model={student}", f"--out={tmp_path / 'sound'}"
    flags = "synthesize-batch", *flags
    monkeypatch.chdir(tmp_path / "one")
    assert run(capsys, *flags, "--input=in")[0] == 0
    status, text, _ = run(capsys, *flags, f"--input={tmp_path / 'one/in'}")
    assert status == 0 and "1 of an earlier run" in text
    monkeypatch.chdir(tmp_path / "other")
    status, _, error = run(capsys, *flags, "--input=in")
    assert status == 2 and "of another model, input or setting" in error


def test_changed_inputs_are_synthesized_again(tmp_path, capsys):
    model, place = tmp_path / "student.keras", tmp_path / "in"
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, inputs=("linguistic", "speaker")
    )
    save_model(tiny_models.student(conditioning=conditioning), model)
    write_recordings(place, 4)
    (place / "labels").mkdir()
    for number in range(4):
        (place / f"labels/tone-{number}.lab").write_text("0.0 0.3 a\n")
    manifest = place / "list.csv"
    rows = [f"tone-{number}.wav,anna\n" for number in range(4)]
    manifest.write_text("path,speaker\n" + "".join(rows))
    flags = f"--model={model}", f"--input={manifest}"
    flags = "synthesize-batch", *flags, f"--out={tmp_path / 'sound'}"
    assert run(capsys, *flags)[0] == 0
    before = contents(tmp_path / "sound")
    # Another recording, but an older one.
    write_audio(place / "tone-1.wav", np.full(RATE, 0.1, "float32"), RATE)
    os.utime(place / "tone-1.wav", ns=(0, 0))
    (place / "labels/tone-2.lab").write_text("0.0 0.3 b\n")
    rows[3] = rows[3].replace("anna", "ben")
    manifest.write_text("path,speaker\n" + "".join(rows))
    status, text, _ = run(capsys, *flags)
    assert status == 0 and "4 of 4 files, 1 of an earlier run" in text
    after = contents(tmp_path / "sound")
    changed = {name for name in after if after[name] != before[name]}
    assert {name for name in changed if name.endswith(".wav")} == {
        f"tone-{number}.wav" for number in (1, 2, 3)
    }
    shutil.rmtree(tmp_path / "sound")
    assert run(capsys, *flags)[0] == 0
    assert contents(tmp_path / "sound") == after


def test_audio_without_a_digest_of_its_input_is_synthesized_again(
    student, tmp_path, capsys
):
    """As where a run was killed before it had written that down."""
    write_recordings(tmp_path / "in", 1)
    flags = f"--model={student}", f"--input={tmp_path / 'in'}"
    flags = "synthesize-batch", *flags, f"--out={tmp_path / 'sound'}"
    assert run(capsys, *flags)[0] == 0
    sound = tmp_path / "sound/tone-0.wav"
    made = sound.read_bytes()
    sound.write_bytes(b"stale")
    (tmp_path / "sound/synthesis-inputs.json").write_text("{")
    assert run(capsys, *flags)[0] == 0 and sound.read_bytes() == made


def test_a_second_run_is_refused_while_one_runs(student, tmp_path, capsys):
    write_recordings(tmp_path / "in", 1)
    out = tmp_path / "sound"
    flags = f"--model={student}", f"--input={tmp_path / 'in'}", f"--out={out}"
    assert run(capsys, "synthesize-batch", *flags)[0] == 0
    with FileLock(tmp_path / ".running-sound"):
        status, _, error = run(capsys, "synthesize-batch", *flags)
    assert status == 2 and "is at work there" in error
    assert run(capsys, "synthesize-batch", *flags)[0] == 0


def test_a_worker_loads_the_model_once(student, tmp_path, monkeypatch):
    inputs_of_all_kinds(tmp_path / "in")
    loaded, names = [], []

    class Counted(synthesis_beam.FileSynthesizer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            loaded.append(self)

        def synthesize(self, utterance):
            names.append(utterance.name)
            return super().synthesize(utterance)

    monkeypatch.setattr(synthesis_beam, "FileSynthesizer", Counted)
    job = synthesis_beam.SynthesisJob(student, tmp_path / "in")
    assert (
        synthesis_beam.synthesize_on_beam(job, tmp_path / "out").failures == ()
    )
    # And one before the job, to see that it can be loaded at all.
    assert len(loaded) == 2 and len(names) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runner=Nonesuch",), "--runner=Nonesuch cannot be used"),
        (
            ("--runner_options=--direct_running_mode=x",),
            "--runner_options: argument --direct_running_mode: invalid choice",
        ),
        (("--runner_options='",), "No closing quotation"),
        (("--runner=",), "--runner is empty"),
        (("--runner_options=-x=1",), "-x=1 is none of Beam's options"),
        (("--speaker=ben",), "it has one speaker only"),
        (("--out={place}/in/sound",), "lies within"),
        (("--out={place}/full",), "already holds something"),
        (("--input={place}/in/tone-0.wav",), "use pwavenet synthesize"),
        (("--input={place}/empty",), "holds neither recordings nor"),
        (("--input={place}/twice",), "would both become"),
        (("--model={place}/in/tone-0.wav",), "is damaged or not a model"),
        (("--temperature=nan",), "--temperature=nan is not a number from 0.0"),
    ],
)
def test_bad_input_is_one_line(student, tmp_path, capsys, arguments, message):
    for name in ("empty", "full", "twice"):
        (tmp_path / name).mkdir()
    (tmp_path / "full/letter").touch()
    for suffix in (".wav", ".npy"):
        (tmp_path / "twice/one").with_suffix(suffix).touch()
    write_recordings(tmp_path / "in", 1)
    flags = {
        "--model": student,
        "--input": tmp_path / "in",
        "--out": tmp_path / "out",
    }
    for one in arguments:
        name, _, value = one.partition("=")
        flags[name] = value.format(place=tmp_path)
    given = [f"{name}={value}" for name, value in flags.items()]
    status, text, error = run(capsys, "synthesize-batch", *given)
    assert (status, text) == (2, "")
    assert error.startswith("pwavenet synthesize-batch: ") and message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("out/*.wav"))


@pytest.mark.slow
def test_two_processes_synthesize_the_same_audio(student, tmp_path):
    place = tmp_path / "in"
    inputs_of_all_kinds(place)
    (place / "letter.wav").write_text("Dear reader")
    flags = "synthesize-batch", f"--model={student}", f"--input={place}"
    assert cli.main([*flags, f"--out={tmp_path / 'a'}"]) == 2
    assert cli.main([*flags, f"--out={tmp_path / 'b'}", TWO_PROCESSES]) == 2
    sound = contents(tmp_path / "a")
    assert sum(name.endswith(".wav") for name in sound) == 4
    assert sound == contents(tmp_path / "b")


@pytest.mark.parametrize("command", ["prepare", "synthesize-batch"])
def test_without_beam_the_message_has_how_to_install_it(
    command, student, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    write_recordings(tmp_path / "in", 1)
    flags = {
        "prepare": ["--corpus={}/in", "--runner=DirectRunner"],
        "synthesize-batch": [f"--model={student}", "--input={}/in"],
    }[command]
    flags = [flag.format(tmp_path) for flag in flags]
    status, _, error = run(capsys, command, *flags, f"--out={tmp_path}/out")
    assert status == 2 and error.count("\n") == 1
    assert "pip install 'pwavenet_tf[beam]'" in error
