"""The commands end to end, as a user runs them."""

import json

import numpy as np
import pytest
import soundfile
from tiny_run import tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.cli import demo
from pwavenet_tf.models.loading import load_model


def run(command: str) -> None:
    assert cli.main(command.split()) == 0


@pytest.mark.network
def test_the_same_seed_gives_the_same_file_and_another_another(
    tiny_run, tmp_path
):
    wav = tiny_run.recordings / "tone-1.wav"
    for model in (tiny_run.teacher, tiny_run.student):
        for out, options in (
            ("a", "--seed=3"),
            ("b", "--seed=3"),
            ("c", "--seed=4"),
            ("d", "--seed=3 --temperature=0.5"),
        ):
            place = tmp_path / model.stem / out
            run(
                f"synthesize --model={model} --input={wav} --out={place} "
                f"{options}"
            )
        first, *others = (
            (tmp_path / model.stem / out / "tone-1.wav").read_bytes()
            for out in "abcd"
        )
        assert [first == other for other in others] == [True, False, False]


def test_a_folder_becomes_a_folder_of_sound(tiny_run, tmp_path, capsys):
    """Recordings and mel files alike, each of its own length."""
    student = load_model(tiny_run.student)
    folder, out = tmp_path / "inputs", tmp_path / "sound"
    write_recordings(folder, 2, seed=3)
    audio = read_audio(folder / "tone-0.wav", 16_000)
    np.save(folder / "mel.npy", LogMel(student.audio)(audio))
    run(f"synthesize --model={tiny_run.student} --input={folder} --out={out}")
    assert "3 files" in capsys.readouterr().out
    lengths = {path.name: soundfile.info(path).frames for path in out.iterdir()}
    # 0.4 and 0.44 seconds are 32 and 35.2 frames of 200 samples.
    assert lengths == {
        "mel.wav": 6_400,
        "tone-0.wav": 6_400,
        "tone-1.wav": 7_200,
    }
    outputs = [(out / name).read_bytes() for name in ("mel.wav", "tone-0.wav")]
    assert outputs[0] == outputs[1]


@pytest.mark.network
def test_evaluate_and_export_print_where_their_files_are(
    tiny_run, tmp_path, capsys
):
    report, served = tmp_path / "report", tmp_path / "served"
    (tmp_path / "held_out").mkdir()
    recording = tiny_run.recordings / "tone-2.wav"
    (tmp_path / "held_out" / "a.wav").write_bytes(recording.read_bytes())
    (tmp_path / "held_out" / "metadata.csv").write_text("a|The very text.\n")
    run(
        f"evaluate --model={tiny_run.student} --out={report} "
        f"--reference={tmp_path / 'held_out'}"
    )
    run(f"export --model={tiny_run.student} --out={served}")
    shown = capsys.readouterr().out
    for path in (
        report / "metrics.json",
        report / "report.html",
        served / "1",
    ):
        assert str(path) in shown
        assert path.exists()
    assert "The very text." in (report / "report.html").read_text("utf-8")
    assert (served / "1" / "saved_model.pb").is_file()


@pytest.mark.slow
def test_the_commands_lead_from_recordings_to_a_served_model(tmp_path, capsys):
    """At the nano preset's full size, with a few steps each."""
    write_recordings(tmp_path / "recordings", 4)
    teacher = tmp_path / "run" / "teacher.keras"
    student = tmp_path / "run" / "student.keras"
    recording = tmp_path / "recordings" / "tone-0.wav"
    data, models = tmp_path / "data", tmp_path / "run"
    run(f"prepare --corpus={tmp_path / 'recordings'} --out={data}")
    run(f"train-teacher --data={data} --out={models} --steps=3")
    run(f"distill --data={data} --teacher={teacher} --out={models} --steps=2")
    for model in (teacher, student):
        out = tmp_path / model.stem
        run(f"synthesize --model={model} --input={recording} --out={out}")
        assert soundfile.info(out / "tone-0.wav").frames == 6_400
    run(
        f"evaluate --model={teacher} --model={student} --reference={recording} "
        f"--out={tmp_path / 'report'}"
    )
    run(f"export --model={student} --out={tmp_path / 'served'}")
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert np.isfinite(metrics["teacher"]["bits_per_sample"])
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()
    # Each step but the last names the next one.
    shown = capsys.readouterr().out
    for following in ("train-teacher", "distill", "synthesize"):
        assert f"  pwavenet {following} --" in shown


@pytest.mark.slow
def test_the_demo_leaves_sound_report_and_saved_model(
    tmp_path, capsys, monkeypatch
):
    """Every stage and step of it, on its own corpus, with small models."""
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(demo, "preset", lambda name: tiny_preset())
    out = tmp_path / "demo"
    run(f"demo --out={out}")
    last_screen = capsys.readouterr().out.partition("6/6")[2]
    for path in (
        out / "sound",
        out / "report.html",
        out / "served" / "voice" / "1",
    ):
        assert str(path) in last_screen
        assert path.exists()
    assert {path.name for path in (out / "run").iterdir()} == {
        *("teacher.keras", "teacher.csv", "teacher.backup"),
        *("student.keras", "student.csv", "student.backup"),
        "progress.png",
    }
    # Three sentences by the recording, two models and the baselines.
    assert len(list((out / "sound").iterdir())) == 3 * 5
    assert list(out.rglob(".unfinished*")) == []
