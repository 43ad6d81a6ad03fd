"""The conditioning features of one recording."""

import dataclasses

import numpy as np
import pytest

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.pitch import pitch_track
from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.describe import (
    FeatureExtractor,
    model_features,
    recorded_features,
)
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import SILENCE, Phone, phone_frames

CONTRACT = preset("nano").audio
RATE = CONTRACT.sample_rate
EVERYTHING = ("mel", "linguistic", "pitch", "speaker")
PHONES = [Phone("a", 0.1, 0.25), Phone("b", 0.25, 0.5)]
FRAMES = 51


def tone(seconds=0.63):
    """It ends within a hop."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 6))
    noise = np.random.default_rng(0).normal(0, 1e-3, len(time))
    return (0.1 * wave + noise).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    write_labels(tmp_path / "labels" / "anna" / "one.csv", PHONES)
    return tmp_path


def extracted(folder, inputs=EVERYTHING, name="anna/one.wav", **settings):
    return FeatureExtractor(CONTRACT, inputs, folder, **settings)(name, tone())


def test_everything_that_is_asked_for_is_found(folder):
    found = extracted(folder)
    expected = log_mel_spectrogram(tone()[None], CONTRACT)[0]
    np.testing.assert_allclose(found.mel, expected, atol=1e-4)
    assert [one.symbol for one in found.phones] == [SILENCE, "a", "b", SILENCE]
    assert (found.phones[0].start, found.phones[-1].end) == (0, 0.63)
    np.testing.assert_array_equal(found.pitch, pitch_track(tone(), CONTRACT))
    assert found.speaker == "anna"


@pytest.mark.parametrize(
    "inputs", [(), ("mel",), ("pitch",), ("speaker",), ("mel", "pitch")]
)
def test_nothing_else_is_looked_for(tmp_path, inputs):
    """Here neither labels nor texts are there to be found."""
    found = extracted(tmp_path, inputs)
    assert found.mel.shape == (FRAMES, CONTRACT.mels)
    assert found.phones is None
    assert (found.pitch is not None) == ("pitch" in inputs)
    assert (found.speaker is not None) == ("speaker" in inputs)


def test_another_folder_of_labels_goes_first(folder, tmp_path):
    other = tmp_path / "other"
    write_labels(other / "one.csv", [Phone("z", 0, 0.6)])
    found = extracted(folder, labels=other)
    assert [one.symbol for one in found.phones] == ["z", SILENCE]


def test_without_a_label_file_the_text_is_aligned(tmp_path):
    pytest.importorskip("espeakng_loader")
    (tmp_path / "metadata.csv").write_text("one|2 mice|two mice\n")
    symbols = [
        phone.symbol
        for phone in extracted(tmp_path, ("linguistic",)).phones
        if phone.symbol != SILENCE
    ]
    # The normalised text: t, u, m, ai, s in any notation.
    assert symbols[0].startswith("t") and symbols[-1] == "s"
    assert "m" in symbols and len(symbols) == 5


def test_a_label_file_goes_before_the_text(folder):
    (folder / "metadata.csv").write_text("one|nonsense\n")
    symbols = {one.symbol for one in extracted(folder).phones}
    assert symbols == {SILENCE, "a", "b"}


def test_without_labels_and_text_both_remedies_are_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("another|text\n")
    with pytest.raises(UserError) as caught:
        extracted(tmp_path, ("linguistic",))
    for message in ("anna/one.wav", str(tmp_path / "labels"), "metadata.csv"):
        assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_labels_are_an_error(folder):
    (folder / "labels" / "anna" / "one.csv").write_text("start,end,phone\nx")
    with pytest.raises(UserError, match="one.csv:2: "):
        extracted(folder)


def test_a_bad_pattern_is_an_error_before_any_recording(tmp_path):
    with pytest.raises(UserError, match="0 groups"):
        FeatureExtractor(
            CONTRACT, ("speaker",), tmp_path, speaker_pattern="_.+_"
        )


def test_features_are_the_oracles_frame_by_frame(folder):
    found = extracted(folder)
    ids = {SILENCE: 1, "b": 2, "a": 3}
    features = recorded_features(found, ids, CONTRACT)
    assert features.keys() == {"mel", "phones", "timing", "pitch"}
    assert {len(value) for value in features.values()} == {FRAMES}
    expected = phone_frames(found.phones, ids, FRAMES, CONTRACT)
    for key in ("phones", "timing"):
        np.testing.assert_array_equal(features[key], expected[key])
    # Frame 20 is centred on 0.25625 s, just within b.
    assert features["phones"][19:21, 1].tolist() == [3, 2]


def a_conditioning(**changes):
    known = {
        "inputs": EVERYTHING,
        "phones": (SILENCE, "b"),
        "speakers": ("ben", "anna"),
        "mean_pitch_hz": 100.0,
    }
    return Conditioning(channels=4, **(known | changes))


def test_a_model_reads_it_by_its_own_lists_and_statistics(folder):
    mean = np.linspace(-6, -2, CONTRACT.mels)
    contract = dataclasses.replace(
        CONTRACT, mel_mean=mean, mel_deviation=mean**2 / 9
    )
    found = FeatureExtractor(contract, EVERYTHING, folder)(
        "anna/one.wav", tone()
    )
    features = model_features(found, contract, a_conditioning())
    assert features["speaker"] == 1 and features["speaker"].dtype == np.int32
    # The phone a is unknown to it.
    assert set(features["phones"][:, 1]) == {0, 1, 2}
    logarithm, voicing = features["pitch"].T
    np.testing.assert_allclose(logarithm[voicing > 0], np.log(1.5), atol=0.01)
    plain = log_mel_spectrogram(tone()[None], CONTRACT)[0]
    np.testing.assert_allclose(
        features["mel"],
        (plain - contract.mel_mean) / contract.mel_deviation,
        atol=1e-3,
    )


def test_an_unknown_speaker_is_refused_with_those_who_are_known(folder):
    found = extracted(folder, speaker_pattern="/(.+)[.]wav")
    with pytest.raises(UserError, match="one is not known.*ben, anna"):
        model_features(found, CONTRACT, a_conditioning())


def test_a_model_without_speakers_does_not_mind_one(folder):
    conditioning = a_conditioning(inputs=("mel",), speakers=())
    features = model_features(extracted(folder), CONTRACT, conditioning)
    assert "speaker" not in features


@pytest.mark.parametrize(
    "times",
    [(0.0, 120.0, 240.0), (50.0, 50.2, 50.4), (0.0, 1e-7, 2e-7)],
    ids=["milliseconds", "of another recording", "seconds read as 100 ns"],
)
def test_labels_that_do_not_fit_the_recording_are_refused(tmp_path, times):
    phones = [Phone("a", times[0], times[1]), Phone("b", times[1], times[2])]
    write_labels(tmp_path / "labels" / "x.csv", phones)
    extractor = FeatureExtractor(CONTRACT, ("linguistic",), tmp_path)
    with pytest.raises(UserError, match="are the times in seconds"):
        extractor("x.wav", np.zeros(8_000, "float32"))
