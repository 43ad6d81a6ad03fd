"""From files to sound files."""

import dataclasses
import io
import itertools
import os
import threading
import zipfile

import numpy as np
import pytest
import soundfile
import tiny_models

from pwavenet_tf.audio.files import to_pcm16, write_audio
from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.describe import FeatureExtractor
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.corpus.text_front_end import features_of_text
from pwavenet_tf.synthesis.files import (
    find_inputs,
    inputs_to_extract,
    read_features,
    synthesize_to_file,
    synthesize_to_pipe,
)
from pwavenet_tf.synthesis.student import Synthesizer, synthesizer_of
from pwavenet_tf.synthesis.teacher import generate


@pytest.fixture(scope="module")
def student():
    return tiny_models.student()


def read(path, model, speaker=None):
    synthesizer = synthesizer_of(model)
    inputs = inputs_to_extract(synthesizer, find_speaker=False)
    describe = FeatureExtractor(model.audio, inputs, path.parent)
    return read_features(path, synthesizer, describe, speaker)


@pytest.mark.network
def test_the_file_holds_the_synthesizers_audio_rounded(student, tmp_path):
    mel = tiny_models.mel(frames=401)[0]
    counts = []
    path = tmp_path / "deep" / "sound.wav"
    synthesize_to_file(
        synthesizer_of(student), {"mel": mel}, path, 5, 0.7, counts.append
    )
    samples, rate = soundfile.read(path, dtype="int16")
    audio = Synthesizer(student)(mel, seed=5, temperature=0.7)
    np.testing.assert_array_equal(samples, to_pcm16(audio))
    assert rate == student.audio.sample_rate
    assert soundfile.info(path).subtype == "PCM_16"
    assert len(counts) > 1
    assert sum(counts) == len(samples) == 401 * tiny_models.HOP
    assert list(tmp_path.rglob("*.wav")) == [path]


@pytest.mark.network
def test_a_teachers_file_is_what_it_generates(tmp_path):
    teacher = tiny_models.teacher(dilations=(1, 2))
    mel = tiny_models.mel(frames=3)[0]
    synthesize_to_file(
        synthesizer_of(teacher), {"mel": mel}, tmp_path / "sound.wav", 5, 0.7
    )
    samples, _ = soundfile.read(tmp_path / "sound.wav", dtype="int16")
    audio = generate(teacher, mel, seed=5, temperature=0.7)
    np.testing.assert_array_equal(samples, to_pcm16(audio))


def test_an_interrupted_synthesis_leaves_no_file(student, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    mel = tiny_models.mel(frames=401)[0]
    path = tmp_path / "deep" / "sound.wav"
    with pytest.raises(KeyboardInterrupt):
        synthesize_to_file(
            synthesizer_of(student), {"mel": mel}, path, progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_a_recording_and_its_mel_file_are_one_input(student, tmp_path):
    audio = tiny_models.audio(frames=30)[0]
    write_audio(tmp_path / "a.wav", audio, tiny_models.CONTRACT.sample_rate)
    mel = log_mel_spectrogram(audio[None], tiny_models.CONTRACT)[0].numpy()
    np.save(tmp_path / "a.npy", mel)
    of_recording, of_file = (
        read(tmp_path / name, student)["mel"] for name in ("a.wav", "a.npy")
    )
    assert of_recording.shape == (30, tiny_models.MELS)
    np.testing.assert_array_equal(of_recording, of_file)
    np.save(tmp_path / "batch.npy", mel[None].astype(np.float64))
    of_batch = read(tmp_path / "batch.npy", student)["mel"]
    np.testing.assert_array_equal(of_batch, of_file)


def test_a_recording_and_its_features_by_name_are_one_input(tmp_path):
    """Phones from its label file, pitch from its audio, speaker by name."""
    model = tiny_models.student(conditioning=tiny_models.EVERYTHING)
    write_audio(tmp_path / "a.wav", tiny_models.audio(frames=30)[0], 16_000)
    (tmp_path / "labels").mkdir()
    phones = [Phone("b", 0.0, 0.02), Phone("?", 0.02, 0.0375)]
    write_labels(tmp_path / "labels" / "a.csv", phones)
    found = read(tmp_path / "a.wav", model, "ben")
    assert found["speaker"] == 1
    # 30 frames of 1.25 ms: b is the second phone, ? is unknown.
    np.testing.assert_array_equal(found["phones"][0], [0, 2, 0])
    np.testing.assert_array_equal(found["phones"][-1], [2, 0, 0])
    np.savez(tmp_path / "b.npz", **found)
    again = read(tmp_path / "b.npz", model)
    assert set(again) == set(found)
    for name in found:
        np.testing.assert_array_equal(again[name], found[name])


def test_without_a_speaker_those_to_choose_from_are_named(tmp_path):
    model = tiny_models.student(
        conditioning=dataclasses.replace(
            tiny_models.EVERYTHING, inputs=("mel", "speaker")
        )
    )
    write_audio(tmp_path / "a.wav", tiny_models.audio(frames=9)[0], 16_000)
    with pytest.raises(UserError, match="a.wav: .* --speaker.*: anna, ben"):
        read(tmp_path / "a.wav", model)


def test_the_recordings_own_speaker_is_used_where_a_pattern_finds_one(tmp_path):
    model = tiny_models.student(
        conditioning=dataclasses.replace(
            tiny_models.EVERYTHING, inputs=("mel", "speaker")
        )
    )
    path = tmp_path / "1_ben_2.wav"
    write_audio(path, tiny_models.audio(frames=9)[0], 16_000)
    describe = FeatureExtractor(
        model.audio,
        inputs_to_extract(synthesizer_of(model), find_speaker=True),
        tmp_path,
        speaker_pattern="_(.+)_",
    )
    assert read_features(path, synthesizer_of(model), describe)["speaker"] == 1


def test_a_speaker_for_a_model_of_one_speaker_is_refused(student, tmp_path):
    np.save(tmp_path / "a.npy", tiny_models.mel(frames=4)[0])
    with pytest.raises(UserError, match="one speaker only"):
        read(tmp_path / "a.npy", student, "ben")


def test_a_text_becomes_phones_and_pitch_around_the_models_mean():
    pytest.importorskip("espeakng_loader", reason="espeak-ng is not installed")
    conditioning = dataclasses.replace(
        preset("nano").conditioning,
        inputs=("linguistic", "pitch"),
        phones=("sil", "h", "l"),
        mean_pitch_hz=200.0,
    )
    features = features_of_text("hello", AudioContract(), conditioning)
    phones = [phone for phone, _ in itertools.groupby(features["phones"][:, 1])]
    assert [phone for phone in phones if phone > 1] == [2, 3]
    assert 20 < len(features["phones"]) < 120
    voiced = features["pitch"][:, 1] > 0
    assert abs(features["pitch"][voiced, 0].mean()) < 1e-4
    assert features["pitch"][voiced, 0].std() > 0.01


def test_a_text_for_a_model_that_reads_a_mel_spectrogram_is_refused():
    with pytest.raises(UserError, match="reads a mel spectrogram"):
        features_of_text("hello", AudioContract(), tiny_models.ON_MEL)


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("mel.npy", "text")
    return content.getvalue()


def bad_arrays() -> dict[str, np.ndarray | bytes]:
    """Contents of `.npy` files, by what the message must have."""
    mel = tiny_models.mel(frames=4)[0]
    holed = mel.copy()
    holed[2, 3] = np.nan
    saved = io.BytesIO()
    np.save(saved, mel)
    return {
        "but it is (4, 5)": mel[:, :5],
        "but it is (4,)": mel[:, 0],
        "but it is (0, 6)": mel[:0],
        "but it is (1, 1, 4, 6)": mel[None, None],
        "holds a batch of 2": np.stack([mel, mel]),
        "not finite": holed,
        "are not finite numbers": mel.astype(str),
        "is not a NumPy": np.array([{"a": 1}] * 6, dtype=object)[None],
        "not a NumPy array": b"garbage",
        "a NumPy array": b"",
        "is truncated": saved.getvalue()[:-8],
        "NumPy array file": b"PK\x03\x04 garbage",
        "save one with numpy.save": archive(),
    }


@pytest.mark.parametrize("complaint", bad_arrays())
def test_a_bad_mel_file_is_named(complaint, student, tmp_path):
    content, path = bad_arrays()[complaint], tmp_path / "bad.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(UserError) as caught:
        read(path, student)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)


def test_inputs_are_recordings_and_mels_in_order(tmp_path):
    for name in ("c.npy", "b.FLAC", "a.wav", "notes.txt"):
        (tmp_path / name).touch()
    found = [path.name for path in find_inputs(tmp_path)]
    assert found == ["a.wav", "b.FLAC", "c.npy"]
    assert find_inputs(tmp_path / "c.npy") == [tmp_path / "c.npy"]


def test_inputs_that_would_become_one_file_are_named(tmp_path):
    for first, second in itertools.combinations(
        ("a.flac", "a.npy", "a.wav"), 2
    ):
        folder = tmp_path / f"{first}-{second}"
        folder.mkdir()
        for name in (first, second):
            (folder / name).touch()
        with pytest.raises(UserError) as caught:
            find_inputs(folder)
        assert f"{folder / first} and {folder / second}" in str(caught.value)


def test_a_folder_without_inputs_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="neither recordings nor"):
        find_inputs(tmp_path)
    with pytest.raises(UserError, match="absent: no such file"):
        find_inputs(tmp_path / "absent")


@pytest.mark.network
def test_a_pipe_gets_the_file_before_it_is_complete(student, tmp_path):
    """Through a pipe, which is not seekable, so the header is final."""
    mel = tiny_models.mel(frames=401)[0]
    path = tmp_path / "sound.wav"
    synthesize_to_file(synthesizer_of(student), {"mel": mel}, path, 5, 0.7)
    end, listener = os.pipe()
    received, early = [], []

    def listen():
        with open(end, "rb", buffering=0) as file:
            while part := file.read(1 << 16):
                received.append(part)

    thread = threading.Thread(target=listen)
    thread.start()
    with open(listener, "wb") as file:
        synthesize_to_pipe(
            synthesizer_of(student), {"mel": mel}, file, 5, 0.7, early.append
        )
    thread.join()
    header, streamed = 44, b"".join(received)
    written = path.read_bytes()
    assert streamed[:header] == written[:header]
    # Blocks of another length may round a sample to the level next to it.
    difference = np.subtract(
        np.frombuffer(streamed[header:], "<i2"),
        np.frombuffer(written[header:], "<i2"),
        dtype=np.int32,
    )
    assert np.abs(difference).max() <= 1
    assert len(early) > 40


def test_nobody_synthesizes_into_a_closed_pipe(student):
    end, listener = os.pipe()
    os.close(end)
    with (
        pytest.raises(BrokenPipeError),
        open(listener, "wb", buffering=0) as file,
    ):
        features = {"mel": tiny_models.mel(frames=9)[0]}
        synthesize_to_pipe(synthesizer_of(student), features, file)
