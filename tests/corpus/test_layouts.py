"""Layouts of corpora, known by themselves."""

import shutil

import numpy as np
import pytest
import soundfile

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.describe import FeatureExtractor
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.prepare import prepare

NANO = preset("nano")


def touched(folder, *names):
    """Files of which only the name counts."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def texts(folder, **contents):
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def speakers_and_texts(layout):
    return {one.name: (one.speaker, one.text) for one in layout.sources}


def test_a_plain_folder_has_its_outermost_folders_as_speakers(tmp_path):
    touched(tmp_path, "anna/a.wav", "anna/deep/b.flac", "c.mp3", "x.txt")
    layout = find_layout(tmp_path)
    assert layout.kind == "plain folder"
    assert speakers_and_texts(layout) == {
        "anna/a.wav": ("anna", None),
        "anna/deep/b.flac": ("anna", None),
        "c.mp3": (None, None),
    }
    assert layout.speakers == ("anna",)
    assert str(layout) == "plain folder: 3 recordings, 1 speaker"


def test_a_plain_folder_may_have_a_table_of_texts(tmp_path):
    touched(tmp_path, "a.wav", "b.wav")
    (tmp_path / "metadata.csv").write_text("a|It is 2.|It is two.\nz|No|No\n")
    layout = find_layout(tmp_path)
    assert layout.kind == "plain folder"
    assert speakers_and_texts(layout) == {
        "a.wav": (None, "It is two."),
        "b.wav": (None, None),
    }
    assert layout.unrecorded == ("metadata.csv:2: z",)


def test_lj_speech_is_known(tmp_path):
    touched(tmp_path, "wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav", "README")
    (tmp_path / "metadata.csv").write_text(
        "LJ001-0001|In 1476.|In fourteen seventy-six.\n"
        "LJ001-0002|Yes|\nLJ001-0003|Gone|Gone\n"
    )
    layout = find_layout(tmp_path)
    assert layout.kind == "LJ Speech"
    assert speakers_and_texts(layout) == {
        "wavs/LJ001-0001.wav": (None, "In fourteen seventy-six."),
        "wavs/LJ001-0002.wav": (None, "Yes"),
    }
    assert layout.unrecorded == ("metadata.csv:3: LJ001-0003",)
    assert str(layout) == (
        "LJ Speech: 2 recordings, 2 with a transcript, 1 transcript without "
        "a recording"
    )


def test_vctk_of_one_microphone_is_known(tmp_path):
    touched(
        tmp_path,
        "wav48/p225/p225_001.wav",
        "wav48/p225/p225_002.wav",
        "wav48/p315/p315_001.wav",
    )
    texts(
        tmp_path,
        **{
            "txt/p225/p225_001.txt": "Please call Stella.\n",
            "txt/p225/p225_003.txt": "Six spoons",
            "txt/p226/p226_001.txt": "Please call Stella.",
        },
    )
    layout = find_layout(tmp_path)
    assert layout.kind == "VCTK"
    assert speakers_and_texts(layout) == {
        "wav48/p225/p225_001.wav": ("p225", "Please call Stella."),
        "wav48/p225/p225_002.wav": ("p225", None),
        "wav48/p315/p315_001.wav": ("p315", None),
    }
    assert layout.unrecorded == (
        "txt/p225/p225_003.txt",
        "txt/p226/p226_001.txt",
    )


def test_vctk_of_two_microphones_is_every_utterance_once(tmp_path):
    place = "wav48_silence_trimmed"
    touched(
        tmp_path,
        f"{place}/p225/p225_001_mic1.flac",
        f"{place}/p225/p225_001_mic2.flac",
        f"{place}/p280/p280_001_mic1.flac",
        f"{place}/s5/s5_001_mic2.flac",
        f"{place}/s5/s5_001_mic1.flac",
    )
    texts(tmp_path, **{"txt/p225/p225_001.txt": "Please call Stella."})
    layout = find_layout(tmp_path)
    assert speakers_and_texts(layout) == {
        f"{place}/p225/p225_001_mic2.flac": ("p225", "Please call Stella."),
        f"{place}/p280/p280_001_mic1.flac": ("p280", None),
        f"{place}/s5/s5_001_mic2.flac": ("s5", None),
    }
    assert layout.passed_over == 2
    assert "2 other audio files passed over" in str(layout)


@pytest.mark.parametrize("within", ["train-clean-100/84/", "84/", ""])
def test_libritts_is_known_whole_or_in_part(tmp_path, within):
    corpus = tmp_path / "84" if not within else tmp_path
    stem = f"{within}121123/84_121123_000007_000001"
    touched(corpus, f"{stem}.wav", f"{within}121123/84_121123_000008.wav")
    texts(
        corpus,
        **{
            f"{stem}.normalized.txt": "Maximilian.\n",
            f"{stem}.original.txt": "MAX.",
            f"{within}121123/84_9.normalized.txt": "Lost.",
        },
    )
    layout = find_layout(corpus)
    assert layout.kind == "LibriTTS"
    assert speakers_and_texts(layout) == {
        f"{stem}.wav": ("84", "Maximilian."),
        f"{within}121123/84_121123_000008.wav": ("84", None),
    }
    assert layout.unrecorded == (f"{within}121123/84_9.normalized.txt",)


MANIFEST = 'path,speaker,text\na/1.wav,anna,"Well, yes"\nb.flac,,\n'


@pytest.mark.parametrize("itself", [True, False])
def test_a_manifest_is_the_corpus_or_in_it(tmp_path, itself):
    touched(tmp_path, "a/1.wav", "b.flac", "c.wav", "wavs/d.wav")
    name = "list.csv" if itself else "manifest.csv"
    (tmp_path / name).write_text(MANIFEST)
    # Something else that would be known.
    (tmp_path / "metadata.csv").write_text("1|No|No\n")
    layout = find_layout(tmp_path / name if itself else tmp_path)
    assert layout.kind == "manifest"
    assert speakers_and_texts(layout) == {
        "a/1.wav": ("anna", "Well, yes"),
        "b.flac": (None, None),
    }
    assert layout.passed_over == (0 if itself else 2)
    assert all(one.path.is_file() for one in layout.sources)


def test_a_manifest_may_name_what_is_elsewhere_or_not_there(tmp_path):
    outside = tmp_path / "outside" / "o.wav"
    touched(tmp_path, "outside/o.wav", "outside/p.wav", "in/i.wav")
    (tmp_path / "in" / "manifest.csv").write_text(
        f"text;path\nOne;{outside}\nTwo;../outside/p.wav\nThree;gone.wav\n"
    )
    layout = find_layout(tmp_path / "in")
    assert speakers_and_texts(layout) == {
        str(outside): (None, "One"),
        "../outside/p.wav": (None, "Two"),
        "gone.wav": (None, "Three"),
    }
    assert layout.unrecorded == ("manifest.csv:4: gone.wav",)
    assert layout.passed_over == 1


def test_one_recording_is_a_corpus_of_one(tmp_path):
    touched(tmp_path, "a.wav", "b.wav")
    (tmp_path / "metadata.csv").write_text("a|Yes\nb|No\n")
    layout = find_layout(tmp_path / "a.wav")
    assert speakers_and_texts(layout) == {"a.wav": (None, "Yes")}
    assert layout.unrecorded == ()


def test_a_place_without_audio_is_an_error(tmp_path):
    for place in (tmp_path, tmp_path / "absent", tmp_path / "absent.csv"):
        with pytest.raises(UserError, match=str(place)):
            find_layout(place)


# What is made of it


def recorded_corpus(folder, *names):
    """Recordings that can be prepared."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(number)
        soundfile.write(path, random.normal(0, 0.1, 6_400), 16_000)
    return folder


def test_prepare_takes_speakers_from_the_layout(tmp_path):
    place = "wav48_silence_trimmed"
    corpus = recorded_corpus(
        tmp_path / "in",
        *(
            f"{place}/{who}/{who}_00{number}_{microphone}.flac"
            for who in ("p225", "p226")
            for number in (1, 2)
            for microphone in ("mic1", "mic2")
        ),
    )
    texts(corpus, **{"txt/p225/p225_001.txt": "Please call Stella."})
    inputs = ("mel", "speaker")
    card = prepare(corpus, tmp_path / "out", NANO, inputs)
    recordings = card.training + card.validation
    assert {one.speaker for one in recordings} == {"p225", "p226"}
    assert len(recordings) == 4
    assert all(one.file.endswith("_mic2.flac") for one in recordings)
    wins = prepare(
        corpus, tmp_path / "b", NANO, inputs, speaker_pattern="_00([12])_"
    )
    assert {one.speaker for one in wins.training} == {"1", "2"}


def test_prepare_takes_what_the_manifest_names(tmp_path):
    corpus = recorded_corpus(
        tmp_path / "in", "1.wav", "2.wav", "3.wav", "4.wav"
    )
    manifest = corpus / "some.csv"
    manifest.write_text(
        "path,speaker\n1.wav,anna\n2.wav,anna\n4.wav,ben\ngone.wav,ben\n"
    )
    card = prepare(manifest, tmp_path / "out", NANO, ("mel", "speaker"))
    held = {one.file: one.speaker for one in card.training + card.validation}
    assert held == {"1.wav": "anna", "2.wav": "anna", "4.wav": "ben"}
    assert [one.file for one in card.refused] == ["gone.wav"]
    assert card.refused[0].reason == "no such file (some.csv:5)"


def test_phones_come_from_the_layouts_text(tmp_path, shared_data):
    pytest.importorskip("espeakng_loader")
    speech = shared_data / "formats" / "LJ001-0002.wav"
    stem = "84/1/84_1_2"
    (tmp_path / "84/1").mkdir(parents=True)
    shutil.copy(speech, tmp_path / f"{stem}.wav")
    texts(
        tmp_path,
        **{f"{stem}.normalized.txt": "in being comparatively modern."},
    )
    extractor = FeatureExtractor(
        NANO.audio, ("linguistic", "speaker"), tmp_path
    )
    from pwavenet_tf.audio.files import read_audio

    found = extractor(f"{stem}.wav", read_audio(speech, 16_000))
    assert found.speaker == "84"
    assert len(found.phones) > 15
