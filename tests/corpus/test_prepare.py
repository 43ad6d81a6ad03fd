import hashlib
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from pwavenet_tf.audio import mel as features_module
from pwavenet_tf.audio.files import read_audio, to_pcm16
from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.describe import FeatureExtractor
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.corpus.records import UTTERANCES_PER_SHARD
from pwavenet_tf.corpus.statistics import SMALLEST_STD

NANO = preset("nano")
SPEECH = Path("../shared/data/ljspeech-mini/wavs")


def record(path, seconds=0.4, rate=16_000, level=0.1):
    """Writes noise that rises and falls, different for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(path.name) + sum(path.name.encode()))
    noise = random.normal(0, level, round(seconds * rate))
    envelope = np.sin(np.linspace(0, 9, len(noise))) ** 2
    soundfile.write(path, np.clip(noise * envelope, -1, 0.99), rate)


def recordings(folder, count, **settings):
    for number in range(count):
        record(folder / f"clip-{number}.wav", **settings)
    return folder


def names(entries):
    return [entry.file for entry in entries]


def digest(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
    }


def test_every_recording_is_in_exactly_one_split(tmp_path):
    source = recordings(tmp_path / "in", 21)
    card = prepare(source, tmp_path / "out", NANO)
    both = names(card.training) + names(card.validation)
    assert sorted(both) == sorted(path.name for path in source.iterdir())
    assert len(card.validation) == 3 and not card.refused
    corpus = Corpus(tmp_path / "out")
    for split in ("training", "validation"):
        stored = {name for name, _, _ in corpus.utterances(split)}
        assert stored == set(names(card.recordings(split)))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_small_corpus_holds_one_recording_out(tmp_path, count):
    card = prepare(recordings(tmp_path / "in", count), tmp_path / "out", NANO)
    assert len(card.validation) == 1 and len(card.training) == count - 1


def test_a_pattern_decides_who_is_held_out(tmp_path):
    source = recordings(tmp_path / "in", 12, seconds=0.25)
    card = prepare(
        source, tmp_path / "out", NANO, validation_pattern=r"-\d*[17]\."
    )
    held_out = ["clip-1.wav", "clip-11.wav", "clip-7.wav"]
    assert names(card.validation) == held_out
    assert len(card.training) == 9


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "give a regular expression"),
        ("nobody", "is found in 0 of 3 recordings' paths"),
        ("clip", "is found in 3 of 3 recordings' paths"),
    ],
)
def test_a_pattern_that_divides_nothing_is_refused(
    tmp_path, pattern, words, monkeypatch
):
    """Before features are extracted, which may take an hour."""
    monkeypatch.setattr(FeatureExtractor, "__call__", pytest.fail)
    source = recordings(tmp_path / "in", 3, seconds=0.25)
    with pytest.raises(UserError, match=words):
        prepare(source, tmp_path / "out", NANO, validation_pattern=pattern)
    assert not (tmp_path / "out").exists()


def test_every_tenth_in_shuffled_order_is_held_out(tmp_path):
    """The same ones as ever: figures stay comparable."""
    source = recordings(tmp_path / "in", 21, seconds=0.25)
    card = prepare(source, tmp_path / "out", NANO)
    shuffled = sorted(
        (path.name for path in source.iterdir()),
        key=lambda name: hashlib.sha256(name.encode()).digest(),
    )
    assert names(card.validation) == sorted(shuffled[::10])


def test_preparing_again_elsewhere_gives_the_same_bytes(tmp_path):
    source = recordings(tmp_path / "in", 12)
    shutil.copytree(source, tmp_path / "elsewhere" / "copy")
    prepare(source, tmp_path / "a", NANO)
    prepare(tmp_path / "elsewhere" / "copy", tmp_path / "b", NANO)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_levels_and_mel_are_those_of_the_recording(tmp_path):
    source = recordings(tmp_path / "in", 3)
    record(source / "stereo.flac", rate=44_100)
    prepare(source, tmp_path / "out", NANO)
    corpus = Corpus(tmp_path / "out")
    for split in ("training", "validation"):
        for name, audio, features in corpus.utterances(split):
            levels = to_pcm16(read_audio(source / name, 16_000))
            np.testing.assert_array_equal(audio * 32768, levels)
            expected = log_mel_spectrogram(audio[None], corpus.contract)[0]
            assert features.keys() == {"mel"}
            np.testing.assert_allclose(features["mel"], expected, atol=1e-4)


def test_mel_of_a_long_recording_does_not_show_its_blocks(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(features_module, "_CHUNK_FRAMES", 7)
    prepare(
        recordings(tmp_path / "in", 2, seconds=1.23), tmp_path / "out", NANO
    )
    corpus = Corpus(tmp_path / "out")
    for _, audio, features in corpus.utterances("training"):
        expected = log_mel_spectrogram(audio[None], corpus.contract)[0]
        np.testing.assert_allclose(features["mel"], expected, atol=1e-4)


def test_statistics_are_those_of_the_training_frames_alone(tmp_path):
    source = recordings(tmp_path / "in", 5)
    card = prepare(source, tmp_path / "out", NANO)
    frames = []
    for one in card.training:
        audio = to_pcm16(read_audio(source / one.file)).astype("f4") / 32768
        frames.append(log_mel_spectrogram(audio[None], NANO.audio)[0])
    frames = np.concatenate(frames)
    assert len(card.contract.mel_mean) == 80
    np.testing.assert_allclose(card.contract.mel_mean, frames.mean(0), 1e-4)
    np.testing.assert_allclose(card.contract.mel_deviation, frames.std(0), 1e-3)


def test_bands_that_never_vary_are_not_blown_up(tmp_path):
    """An 8 kHz recording has nothing above 4 kHz."""
    source = recordings(tmp_path / "in", 3, rate=8_000, level=1e-3)
    card = prepare(source, tmp_path / "out", NANO)
    assert min(card.contract.mel_deviation) == SMALLEST_STD


def test_bad_files_are_refused_with_their_reasons_and_stop_nothing(tmp_path):
    source = recordings(tmp_path / "in", 4)
    (source / "letter.wav").write_text("Dear reader, this is not audio.")
    (source / "nothing.wav").touch()
    whole = (source / "clip-0.wav").read_bytes()
    (source / "cut.wav").write_bytes(whole[: len(whole) // 2])
    record(source / "deep" / "short.wav", seconds=0.2)
    soundfile.write(source / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(
        source / "broken.wav", np.full(16_000, np.nan), 16_000, "FLOAT"
    )
    card = prepare(source, tmp_path / "out", NANO)
    assert len(card.training) + len(card.validation) == 4
    reasons = {one.file: one.reason for one in card.refused}
    assert list(reasons) == sorted(reasons)
    for file, message in {
        "letter.wav": "not audio",
        "nothing.wav": "empty file",
        "cut.wav": "truncated",
        "deep/short.wav": "shorter than 0.25 s",
        "silent.wav": "silent",
        "broken.wav": "NaN",
    }.items():
        assert message in reasons.pop(file)
    assert not reasons
    assert str(tmp_path) not in (tmp_path / "out/corpus.json").read_text()


def test_too_few_usable_recordings_are_an_error_that_tells_why(tmp_path):
    source = recordings(tmp_path / "in", 1)
    (source / "letter.wav").write_text("Dear reader, this is not audio.")
    with pytest.raises(UserError, match="1 of 2 recordings.*letter.wav: is"):
        prepare(source, tmp_path / "out", NANO)
    assert [source] == list(tmp_path.iterdir())


def test_empty_or_missing_folder_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    for source in ("in", "absent"):
        with pytest.raises(UserError, match=source):
            prepare(tmp_path / source, tmp_path / "out", NANO)
    assert not (tmp_path / "out").exists()


def test_output_that_holds_something_is_refused(tmp_path):
    source = recordings(tmp_path / "in", 2)
    out = tmp_path / "out"
    out.mkdir()
    prepare(source, out, NANO)
    before = digest(out)
    with pytest.raises(UserError, match="already holds something"):
        prepare(source, out, NANO)
    assert digest(out) == before


def test_no_room_for_the_shards_leaves_nothing(tmp_path):
    source = recordings(tmp_path / "in", 4)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match="out: cannot be written"):
            prepare(source, tmp_path / "new" / "out", NANO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.network
def test_killed_halfway_there_is_no_corpus(tmp_path):
    source = recordings(tmp_path / "in", 3)
    # Endless work: a folder of a great many names for one recording.
    for number in range(3_000):
        (source / f"more-{number}.wav").symlink_to(source / "clip-0.wav")
    script = (
        "from pathlib import Path; import sys;"
        "from pwavenet_tf.core.presets import preset;"
        "from pwavenet_tf.corpus.prepare import prepare;"
        "prepare(Path(sys.argv[1]), Path(sys.argv[2]), preset('nano'))"
    )
    out = tmp_path / "out"
    child = subprocess.Popen(
        [sys.executable, "-c", script, source, out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".unfinished-*/training*")):
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    assert not out.exists() and list(tmp_path.glob(".unfinished-*"))
    for link in source.glob("more-*"):
        link.unlink()
    prepare(source, out, NANO)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_many_recordings_fill_several_shards(tmp_path):
    source = recordings(tmp_path / "in", 75, seconds=0.25)
    card = prepare(source, tmp_path / "out", NANO)
    assert len(card.training) == 67 > UTTERANCES_PER_SHARD
    assert card.training_shards == (
        "training-00000-of-00002.tfrecord",
        "training-00001-of-00002.tfrecord",
    )
    assert card.validation_shards == ("validation-00000-of-00001.tfrecord",)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "corpus.json",
        *card.training_shards,
        *card.validation_shards,
    }
    in_shards = sum(
        1
        for shard in card.training_shards
        for _ in tf.data.TFRecordDataset(str(tmp_path / "out" / shard))
    )
    assert in_shards == 67


@pytest.mark.skipif(
    not SPEECH.is_dir(), reason="../shared/data/ljspeech-mini is absent"
)
def test_real_speech_is_prepared(tmp_path):
    card = prepare(SPEECH, tmp_path / "out", NANO)
    assert not card.refused
    assert len(card.training) == 23 and len(card.validation) == 3
    seconds = card.seconds("training") + card.seconds("validation")
    assert abs(seconds - 182) < 1
    # Held-out speech of the same reader is normalised by the others' figures.
    mel = np.concatenate(
        [
            features["mel"]
            for _, _, features in Corpus(tmp_path / "out").utterances(
                "validation"
            )
        ]
    )
    assert np.abs(mel.mean(0)).max() < 0.5
    assert mel.std(0).min() > 0.7 and mel.std(0).max() < 1.4
