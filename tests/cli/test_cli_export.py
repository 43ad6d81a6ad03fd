"""`pwavenet export` in every format, and `synthesize` from what it wrote."""

import io
import json

import numpy as np
import pytest
import soundfile

from pwavenet_tf import cli
from pwavenet_tf.export.lite.card import read_card
from pwavenet_tf.export.voices import load_voice
from pwavenet_tf.synthesis.files import features_at, synthesize_to_pipe


@pytest.mark.network
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_an_exported_file_has_the_students_output(
    suffix, tiny_run, tmp_path, capsys
) -> None:
    needed = {
        "onnx": ("onnx", "onnxruntime", "tf2onnx"),
        "tflite": ("ai_edge_litert",),
    }
    for package in needed[suffix]:
        pytest.importorskip(package)
    voice = tmp_path / f"voice.{suffix}"
    model = f"--model={tiny_run.student}"
    asked = ["export", model, f"--out={voice}", f"--format={suffix}"]
    assert cli.main(asked) == 0
    assert f"is in {voice}" in capsys.readouterr().out
    outputs = []
    for path in (tiny_run.student, voice):
        out = tmp_path / path.suffix[1:]
        asked = ["synthesize", f"--model={path}", f"--out={out}"]
        wav = tiny_run.recordings / "tone-0.wav"
        assert cli.main([*asked, f"--input={wav}", "--seed=4"]) == 0
        outputs.append(soundfile.read(out / "tone-0.wav", dtype="int16")[0])
    stream = io.BytesIO()
    wav = tiny_run.recordings / "tone-0.wav"
    (features,) = features_at(wav, load_voice(voice)).values()
    synthesize_to_pipe(load_voice(voice), features, stream, 4)
    kept = (tmp_path / suffix / "tone-0.wav").read_bytes()
    assert stream.getvalue() == kept
    difference = outputs[1].astype(int) - outputs[0]
    assert np.abs(difference).max() <= 1
    assert np.abs(outputs[0]).max() > 100


@pytest.mark.network
def test_speech_is_what_a_tflite_is_compared_on(
    tiny_run, tmp_path, capsys
) -> None:
    pytest.importorskip("ai_edge_litert")
    voice = tmp_path / "voice.tflite"
    wav = tiny_run.recordings / "tone-1.wav"
    asked = [
        "export",
        f"--model={tiny_run.student}",
        f"--out={voice}",
        "--format=tflite",
        "--variant=float16",
        "--block_frames=5",
        f"--speech={wav}",
    ]
    assert cli.main(asked) == 0
    seconds = soundfile.info(wav).duration
    card = read_card(voice)
    assert card["quality"]["on_speech"]
    assert card["quality"]["seconds"] == pytest.approx(seconds, abs=0.02)
    assert (card["variant"], card["block_frames"]) == ("float16", 5)
    assert "seconds of speech" in capsys.readouterr().out


@pytest.mark.network
def test_the_saved_models_next_version_is_printed(tiny_run, tmp_path, capsys):
    out = tmp_path / "voice"
    for version in ("1", "2"):
        asked = ["export", f"--model={tiny_run.student}", f"--out={out}"]
        assert cli.main(asked) == 0
        assert f"is in {out / version};" in capsys.readouterr().out
        card = out / version / "assets.extra" / "model_card.json"
        assert json.loads(card.read_text("utf-8"))["format"] == 1
