"""NSynth's layouts, and the notes that the package computes itself."""

import json

import numpy as np
import pytest
import tensorflow as tf

from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus import notes, nsynth
from pwavenet_tf.corpus.audit import audit
from pwavenet_tf.corpus.audit.verdict import Limits
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.layouts import find_layout
from pwavenet_tf.corpus.prepare import prepare

RATE = 16_000
NOTES = {
    "brass_acoustic_006-060-100": ("brass", 60, 100),
    "mallet_acoustic_001-072-025": ("mallet", 72, 25),
}


def described(name: str) -> dict:
    """All that NSynth publishes of a note."""
    family, pitch, velocity = NOTES[name]
    return {
        "note": 201_034,
        "note_str": name,
        "instrument": 417,
        "instrument_str": name[:-8],
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": RATE,
        "qualities": [0, 1] + [0] * 8,
        "qualities_str": ["dark"],
        "instrument_family": 1,
        "instrument_family_str": family,
        "instrument_source": 0,
        "instrument_source_str": "acoustic",
    }


def audio_of(name: str) -> np.ndarray:
    hertz = 440 * 2 ** ((NOTES[name][1] - 69) / 12)
    tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    return np.round(8_000 * tone).astype("float32") / 32_768


@pytest.fixture
def folder(tmp_path):
    """The JSON/WAV layout, with a recording that it does not describe."""
    place = tmp_path / "nsynth-test"
    (place / "audio").mkdir(parents=True)
    content = {name: described(name) for name in NOTES}
    (place / "examples.json").write_text(json.dumps(content, indent=4))
    for name in NOTES:
        write_audio(place / "audio" / f"{name}.wav", audio_of(name), RATE)
    write_audio(place / "another.wav", audio_of(name), RATE)
    return place


@pytest.fixture
def records(tmp_path):
    """The TFRecord layout."""
    path = tmp_path / "nsynth-test.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name in NOTES:
            values = described(name) | {"audio": audio_of(name).tolist()}
            features = {key: feature(value) for key, value in values.items()}
            example = tf.train.Example(
                features=tf.train.Features(feature=features)
            )
            writer.write(example.SerializeToString())
    return path


def feature(value) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], str):
        encoded = tf.train.BytesList(value=[one.encode() for one in values])
        return tf.train.Feature(bytes_list=encoded)
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def found_in(layout) -> dict:
    """Family, pitch and velocity of the notes of a layout."""
    described = nsynth.read_notes(layout.folder / "examples.json")
    return {
        one.path.stem: (
            one.speaker,
            one.pitch,
            described[one.path.stem].velocity,
        )
        for one in layout.sources
    }


def test_json_gives_family_pitch_and_velocity_of_wav_files(folder) -> None:
    layout = find_layout(folder)
    assert layout.kind == "NSynth" and found_in(layout) == NOTES
    assert layout.speakers == ("brass", "mallet")
    assert str(layout) == (
        "NSynth: 2 recordings, 2 speakers, 1 other audio file passed over"
    )


def test_records_are_unpacked_once_next_to_their_file(records) -> None:
    layout = find_layout(records)
    assert layout.folder == records.with_suffix("")
    assert layout.kind == "NSynth" and found_in(layout) == NOTES
    for source in layout.sources:
        np.testing.assert_array_equal(
            read_audio(source.path, RATE), audio_of(source.path.stem)
        )
    before = [one.path.stat().st_mtime_ns for one in layout.sources]
    again = find_layout(records)
    assert again == layout
    assert before == [one.path.stat().st_mtime_ns for one in again.sources]


def test_a_notes_known_pitch_stands_for_the_estimated_one(
    folder, tmp_path
) -> None:
    chosen = preset("nsynth-small")
    prepare(folder, tmp_path / "data", chosen, ("mel", "pitch"))
    corpus = Corpus(tmp_path / "data")
    for split in ("training", "validation"):
        for name, _, features in corpus.utterances(split):
            _, pitch, _ = NOTES[name.split("/")[1].removesuffix(".wav")]
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            expected = np.log(hertz / corpus.card.mean_pitch_hz)
            found = features["pitch"]
            np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
            np.testing.assert_array_equal(found[:, 1], 1.0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "no attribute"),
        ('{"a": {"pitch": 60, "velocity": 1}}', "instrument_family_str"),
        (
            json.dumps({"a": described(next(iter(NOTES))) | {"pitch": 200}}),
            "pitch is 200, not from 0 to 127",
        ),
    ],
)
def test_other_json_is_refused_with_its_fault(folder, content, reason) -> None:
    (folder / "examples.json").write_text(content)
    with pytest.raises(UserError, match=f"does not describe.*{reason}"):
        find_layout(folder)


def test_other_records_are_refused_and_leave_nothing(tmp_path, records) -> None:
    other = tmp_path / "other.tfrecord"
    with tf.io.TFRecordWriter(str(other)) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(UserError, match="record 1 holds no note of NSynth"):
        find_layout(other)
    records.write_bytes(records.read_bytes()[:-100])
    with pytest.raises(UserError, match="holds no note of NSynth"):
        find_layout(records)
    (tmp_path / "empty.tfrecord").touch()
    with pytest.raises(UserError, match="holds no records"):
        find_layout(tmp_path / "empty.tfrecord")
    assert not list(tmp_path.glob("*/"))


def test_records_are_not_unpacked_over_other_files(records) -> None:
    folder = records.with_suffix("")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=str(folder)):
        find_layout(records)
    assert [one.name for one in folder.iterdir()] == ["notes.txt"]


def test_a_folder_with_another_examples_json_is_a_plain_one(tmp_path) -> None:
    name = next(iter(NOTES))
    write_audio(tmp_path / "one.wav", audio_of(name), RATE)
    (tmp_path / "examples.json").write_text("[]")
    assert find_layout(tmp_path).kind == "plain folder"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"note_str": "../x"}, "its name or its samples are invalid"),
        ({"sample_rate": 0}, "its sample rate is 0"),
        ({"sample_rate": 2**40}, "its sample rate is 1099511627776"),
    ],
)
def test_a_note_that_cannot_be_a_file_is_refused(
    tmp_path, wrong, reason
) -> None:
    path = tmp_path / "bad.tfrecord"
    values = described(next(iter(NOTES))) | {"audio": [0.0]} | wrong
    features = {key: feature(value) for key, value in values.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    with pytest.raises(UserError, match=reason):
        find_layout(path)
    assert not (tmp_path / "x.wav").exists()


@pytest.fixture(scope="module")
def own_notes(tmp_path_factory):
    place = tmp_path_factory.mktemp("notes") / "notes"
    notes.synthesize_notes(place)
    return place


def test_own_notes_pass_the_audit_in_nsynths_layout(own_notes) -> None:
    layout = find_layout(own_notes)
    assert layout.kind == "NSynth"
    assert layout.speakers == ("bell", "organ", "reed", "string")
    assert len(layout.sources) == 4 * 13 * 2
    found = audit(layout, Limits(), RATE, check_transcripts=False)
    assert not found.quarantined


def test_own_notes_are_the_same_every_time_and_louder_when_struck(
    own_notes,
) -> None:
    random = np.random.default_rng(0)
    stem = "organ_000-048-050"
    soft = notes.synthesize_note(nsynth.Note("organ", 48, 50), RATE, random)
    heard = read_audio(own_notes / "audio" / f"{stem}.wav", RATE)
    np.testing.assert_allclose(heard, soft, atol=1 / 32_768)
    loud = notes.synthesize_note(nsynth.Note("organ", 48, 100), RATE, random)
    assert loud.max() / soft.max() == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("family", notes.FAMILIES)
@pytest.mark.parametrize("pitch", [48, 84])
def test_own_notes_sound_at_their_pitch(family, pitch) -> None:
    """The lowest partial of the spectrum, by the Fourier transform."""
    random = np.random.default_rng(0)
    audio = notes.synthesize_note(nsynth.Note(family, pitch, 100), RATE, random)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    lowest = np.flatnonzero(spectrum > 0.05 * spectrum.max())[0]
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    assert lowest * RATE / len(audio) == pytest.approx(hertz, abs=4.0)
