"""`pwavenet say`: a text as a WAV file or through a pipe."""

import dataclasses
import io
import wave

import numpy as np
import pytest
import soundfile
import tiny_models

from pwavenet_tf import cli
from pwavenet_tf.corpus.phones import reader
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone
from pwavenet_tf.export.voices import load_voice
from pwavenet_tf.training.fit import save_model

CONTRACT = tiny_models.NORMALISED


class Spelling:
    """In place of espeak-ng: each letter is a phone."""

    read: list[str] = []

    def __init__(self, language: str) -> None:
        assert language == "en-us"

    def synthesize(self, text: str) -> "Spelling":
        self.read.append(text)
        self.phones = [Phone(one, 0.0, 0.1) for one in text]
        return self


@pytest.fixture(autouse=True)
def read(monkeypatch) -> list[str]:
    """The sentences that were read."""
    monkeypatch.setattr(reader, "Espeak", Spelling)
    monkeypatch.setattr(Spelling, "read", [])
    return Spelling.read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A vocoder with its acoustic model beside it, and one without."""
    place = tmp_path_factory.mktemp("voice")
    model = tiny_models.acoustic_model(phones=(SILENCE, "a", "b"))
    kernel = model.output_projection.kernel
    kernel.assign(0.3 * kernel.numpy())
    reads_f0 = dataclasses.replace(
        tiny_models.ON_MEL, inputs=("mel", "sinusoids"), harmonics=2
    )
    vocoder = tiny_models.calmer(
        tiny_models.student(audio=CONTRACT, conditioning=reads_f0)
    )
    save_model(model, place / "acoustic.keras")
    save_model(vocoder, place / "student.keras")
    save_model(vocoder, place / "alone" / "student.keras")
    return place


def say(folder, *flags: str) -> int:
    return cli.main(["say", *flags, f"--model={folder / 'student.keras'}"])


def complaint(capfd, *arguments) -> str:
    """The one line that a mistake ends in."""
    capfd.readouterr()
    assert say(*arguments) == 2
    shown = capfd.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    assert shown.err.startswith("pwavenet say: ")
    return shown.err


@pytest.mark.network
def test_a_text_becomes_a_wav_file(folder, tmp_path, capfd, read) -> None:
    out = tmp_path / "deep" / "hello.wav"
    flags = ["--seed=3", "--rate=1.5", "--pitch=0.8", "--temperature=0.5"]
    assert say(folder, "Abab. Bab.", f"--out={out}", *flags) == 0
    assert read == ["Abab.", "Bab."]
    samples, rate = soundfile.read(out, dtype="float32")
    voice = load_voice(folder / "student.keras")
    audio = voice.say(
        "Abab. Bab.", rate=1.5, pitch=0.8, seed=3, temperature=0.5
    )
    assert rate == CONTRACT.sample_rate
    np.testing.assert_allclose(samples, audio, atol=1 / 32_768)
    seconds = len(audio) / rate
    assert f"The sound is {out}: {seconds:.1f} s." in capfd.readouterr().out


@pytest.mark.network
def test_a_text_file_is_read_as_utf_8_with_or_without_its_mark(
    folder, tmp_path, read
) -> None:
    path, sounds = tmp_path / "text.txt", []
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text("Äbäb – ab.\r\n\r\nBab.", encoding)
        out = tmp_path / f"{encoding}.wav"
        assert say(folder, f"--text_file={path}", f"--out={out}") == 0
        sounds.append(out.read_bytes())
    assert read == ["Äbäb, ab.", "Bab."] * 2
    assert sounds[0] == sounds[1]


@pytest.mark.network
def test_a_text_may_begin_with_a_dash_if_its_flag_is_written(
    folder, tmp_path, read
) -> None:
    out = tmp_path / "a.wav"
    assert say(folder, "--text=-5 ab", f"--out={out}") == 0
    assert read == ["-5 ab"]


@pytest.mark.network
def test_a_pipe_gets_what_the_file_gets(folder, tmp_path, capfdbinary) -> None:
    out = tmp_path / "a.wav"
    assert say(folder, "Abab. Bab.", f"--out={out}") == 0
    capfdbinary.readouterr()
    assert say(folder, "Abab. Bab.", "--out=-") == 0
    piped = capfdbinary.readouterr().out
    with wave.open(io.BytesIO(piped)) as sound:
        assert sound.getframerate() == CONTRACT.sample_rate
    assert piped[44:] == out.read_bytes()[44:]


@pytest.mark.network
def test_the_acoustic_model_may_lie_elsewhere(folder, tmp_path, capfd) -> None:
    out = f"--out={tmp_path / 'a.wav'}"
    line = complaint(capfd, folder / "alone", "Ab.", out)
    assert "has no acoustic.keras beside it" in line
    assert "--acoustic_model=FILE" in line
    given = f"--acoustic_model={folder / 'acoustic.keras'}"
    assert say(folder / "alone", "Ab.", out, given) == 0
    assert (tmp_path / "a.wav").is_file()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--out=a.wav"], 'give either a text, as in pwavenet say "Good'),
        (["Ab.", "--text_file={text}", "--out=a.wav"], "give either a text"),
        (["", "--out=a.wav"], "the text holds nothing to say"),
        (["😀 ...", "--out=a.wav"], "the text holds nothing to say"),
        (["--text_file={empty}", "--out=a.wav"], "empty.txt holds nothing to"),
        (
            ["--text_file={latin}", "--out=a.wav"],
            "latin.txt: is not UTF-8 at byte 3; save it as UTF-8",
        ),
        (["--text_file={text}.md", "--out=a.wav"], "does not exist"),
        (["Ab.", "--out=a.mp3"], "--out=a.mp3 is a WAV file; let it end in"),
        (["Ab."], "--out is missing; add --out=FILE.wav"),
        (["Ab.", "--out=a.wav", "--rate=3"], "--rate=3 is not a number from"),
        (["Ab.", "--out=a.wav", "--pitch=0"], "--pitch=0 is not a number fro"),
        (["Ab.", "more", "--out=a.wav"], "'more' is not a flag"),
        (
            ["Ab.", "--out=a.wav", "--voice=kathleen"],
            "give either --model or --voice",
        ),
        (
            ["Ab.", "--out=a.wav", "--acoustic_model={text}"],
            "text.txt: is damaged or not a model",
        ),
        (
            ["Ab.", "--out=a.wav", "--acoustic_model={model}"],
            "holds a ParallelWaveNet, not an acoustic model; name an",
        ),
        (["привет", "--out=a.wav"], "not in the script of the voice's languag"),
        (["привет", "--out=-"], "not in the script of the voice's language"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    flags, words, folder, tmp_path, monkeypatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("Ab.")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes("Abä.".encode()[:2] + b" \xe4.")
    before = sorted(tmp_path.iterdir())
    places = {
        name: tmp_path / f"{name}.txt" for name in ("text", "empty", "latin")
    } | {"model": folder / "student.keras"}
    flags = [flag.format(**places) for flag in flags]
    assert words in complaint(capfd, folder, *flags)
    assert sorted(tmp_path.iterdir()) == before
