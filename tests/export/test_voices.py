"""The voices that come with the package: found, loaded, exported, described."""

import json

import pytest
import soundfile

import pwavenet_tf
from pwavenet_tf import cli, voices
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.loading import (
    load_acoustic_model,
    load_student,
    load_teacher,
)
from pwavenet_tf.synthesis.files import features_at
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler

NAMES = voices.voice_names()


def test_there_is_kathleen() -> None:
    assert "kathleen" in NAMES


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_student_and_teacher_belong_together(name) -> None:
    student = load_student(voices.voice_file(name))
    teacher = load_teacher(voices.voice_file(f"{name}/teacher"))
    student.audio.require_equal(teacher.audio, "the student", "the teacher")
    assert isinstance(pwavenet_tf.load_voice(name), Synthesizer)
    assert isinstance(pwavenet_tf.load_voice(f"{name}/teacher"), CachedSampler)


@pytest.mark.parametrize("name", NAMES)
def test_card_describes_the_models_that_lie_next_to_it(name) -> None:
    card = voices.voice_card(name)
    student = load_student(voices.voice_file(name))
    teacher = load_teacher(voices.voice_file(f"{name}/teacher"))
    acoustic_model = load_acoustic_model(
        voices.voice_file(name).with_name(voices.ACOUSTIC_MODEL)
    )
    assert card["sample_rate"] == student.audio.sample_rate
    assert card["parameters"] == {
        "student": student.count_params(),
        "teacher": teacher.count_params(),
        "acoustic_model": acoustic_model.count_params(),
    }
    acoustic_model.audio.require_equal(student.audio, "one", "the other")
    for key in ("summary", "data", "licence", "training", "limits"):
        assert card[key]
    systems = set(card["measures"])
    assert {"student", "teacher", "Griffin-Lim", "WORLD"} <= systems


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_sample_is_reproduced_by_the_voice(name) -> None:
    audio, rate = soundfile.read(voices.voice_sample(name), dtype="float32")
    voice = pwavenet_tf.load_voice(name)
    assert rate == voice.contract.sample_rate
    (features,) = features_at(voices.voice_sample(name), voice).values()
    again = voice(features, seed=1)
    assert again.shape[0] >= len(audio)
    assert 0.25 < again.std() / audio.std() < 4.0


def test_voices_are_listed_without_tensorflow(capsys) -> None:
    assert cli.main(["voices"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in listed] == NAMES


def test_one_card_is_shown_whole(capsys) -> None:
    assert cli.main(["voices", NAMES[0]]) == 0
    text = capsys.readouterr().out
    shown = json.loads(text[: text.rindex("A sample is")])
    assert shown == voices.voice_card(NAMES[0])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--voice=cathleen"], "no voice is named 'cathleen'; there are"),
        (["--voice=kathleen/singer"], "has a student and a teacher; give"),
        ([], "--model or --voice is missing; add"),
        (
            ["--voice=kathleen", f"--model={__file__}"],
            "give either --model or --voice, not both",
        ),
    ],
)
def test_mistakes_end_in_one_line(flags, words, tmp_path, capsys) -> None:
    asked = [f"--out={tmp_path / 'out'}", f"--input={__file__}", *flags]
    assert cli.main(["synthesize", *asked]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_no_voice_is_refused() -> None:
    with pytest.raises(UserError, match="no voice is named"):
        voices.voice_file("nobody")


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_a_voice_speaks_a_text_as_loudly_as_its_sample(name) -> None:
    pytest.importorskip("espeakng_loader")
    sample, rate = soundfile.read(voices.voice_sample(name), dtype="float32")
    audio = pwavenet_tf.load_voice(name).say("Good morning, everybody.")
    assert 1.0 < len(audio) / rate < 3.0
    assert 0.25 < audio.std() / sample.std() < 4.0


@pytest.mark.network
def test_synthesize_takes_a_voice(tmp_path) -> None:
    sample = voices.voice_sample("kathleen")
    out = tmp_path / "out"
    asked = ["--voice=kathleen", f"--input={sample}", f"--out={out}"]
    assert cli.main(["synthesize", *asked]) == 0
    audio, rate = soundfile.read(out / "sample.wav")
    assert rate == 16_000 and audio.std() > 0.001


@pytest.mark.slow
def test_export_takes_a_voice(tmp_path) -> None:
    """Parity with the student is checked by the export itself."""
    for suffix in ("tflite", "onnx"):
        out = tmp_path / f"kathleen.{suffix}"
        asked = ["--voice=kathleen", f"--out={out}", f"--format={suffix}"]
        assert cli.main(["export", *asked]) == 0
    saved = f"--out={tmp_path / 'kathleen'}"
    assert cli.main(["export", "--voice=kathleen", saved]) == 0
