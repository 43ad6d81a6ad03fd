"""Every command where folders and files have the characters of patterns."""

import json
import shlex
import shutil

import pytest
from tiny_run import copied, tiny_preset

from pwavenet_tf import cli
from pwavenet_tf.cli.commands import train_teacher

AWKWARD = "my [v1] {a,b} *? 100% #1"

COMMANDS = {
    "audit": "--corpus={recordings} --out={out}/audit",
    "audit, manifest": "--corpus={recordings}/{name}.csv --out={out}/audit",
    "prepare": "--corpus={recordings} --out={out}/data",
    "train-teacher": (
        "--data={data} --out={out} --steps=1 --batch_size=1 "
        "--clip_length=400 --tensorboard={out}/board"
    ),
    "synthesize": "--model={student} --input={recordings} --out={out}",
    "evaluate": (
        "--model={student} --reference={recordings}/{name}.wav --out={out}"
    ),
    "evaluate, ratings": "--ratings={answers}/*.json --out={out}",
    "evaluate, folder": "--ratings={answers} --out={out}",
    "export": "--model={student} --out={out}/voice",
    "export, tflite": (
        "--model={student} --out={out}/{name}.tflite --format=tflite "
        "--speech={recordings}"
    ),
    "export, onnx": "--model={student} --out={out}/{name}.onnx --format=onnx",
    "export-corpus": "--data={data} --out={out}/arrays",
    "export-corpus, compact": "--data={data} --out={out}/arrays --compact",
}
EXTRAS = {"tflite": "ai_edge_litert", "onnx": "tf2onnx"}


def answers(listener: str) -> dict:
    return {
        "format": "pwavenet listening test",
        "version": 1,
        "kind": "ab",
        "test": "0123456789abcdef",
        "systems": ["recording", "student"],
        "reference": "recording",
        "sentences": ["one"],
        "listener": listener,
        "seed": 1,
        "planned": 1,
        "trials": [
            {"sentence": "one", "a": "recording", "b": "student", "choice": "a"}
        ],
    }


@pytest.fixture
def places(tiny_run, tmp_path) -> dict[str, str]:
    place = tmp_path / AWKWARD
    places = {name: place / name for name in ("recordings", "data", "answers")}
    shutil.copytree(tiny_run.recordings, places["recordings"])
    shutil.copytree(tiny_run.data, places["data"])
    places["student"] = copied(tiny_run.student, place)
    odd = places["recordings"] / f"{AWKWARD}.wav"
    (places["recordings"] / "tone-0.wav").rename(odd)
    rows = [f'"{one.name}"' for one in places["recordings"].iterdir()]
    manifest = "\n".join(["path", *rows, ""])
    (places["recordings"] / f"{AWKWARD}.csv").write_text(manifest)
    places["answers"].mkdir()
    for name in ("aa11", "bb22"):
        content = json.dumps(answers(name))
        (places["answers"] / f"{name}.json").write_text(content)
    return places | {
        "out": place / "out",
        "name": AWKWARD,
    }


@pytest.mark.network
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_paths_as_they_are(
    command, places, monkeypatch, capsys
):
    monkeypatch.setattr(train_teacher, "preset", lambda _: tiny_preset())
    name, _, variant = command.partition(", ")
    if variant in EXTRAS:
        pytest.importorskip(EXTRAS[variant])
    flags = [one.format(**places) for one in COMMANDS[command].split()]
    capsys.readouterr()
    assert cli.main([name, *flags]) == 0, capsys.readouterr().err
    assert any(path.is_file() for path in places["out"].rglob("*"))
    shown = capsys.readouterr().out
    if command == "export":
        assert "Move it before use" in shown
    for line in shown.splitlines():
        if line.startswith("  pwavenet"):
            flags = dict(word.split("=", 1) for word in shlex.split(line)[2:])
            assert flags["--data"] in map(str, places["out"].parent.rglob("*"))
