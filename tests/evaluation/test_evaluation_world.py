"""Claims about the baseline WORLD."""

import numpy as np
import pytest
from test_evaluation_quality import RATE, gliding_speech

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.audio.metrics import griffin_lim
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.perceptual_measures import (
    world_copy_synthesis,
)
from pwavenet_tf.evaluation.quality import measure_all


def test_world_keeps_length_level_and_speech():
    speech = gliding_speech()
    copy = world_copy_synthesis(speech, RATE)
    assert (copy.shape, copy.dtype) == (speech.shape, np.float32)
    measured = measure_all(speech, copy, RATE, fast=True)
    assert abs(measured["level_difference"]) < 2
    assert measured["stoi"] > 0.8
    np.testing.assert_array_equal(copy, world_copy_synthesis(speech, RATE))


@pytest.mark.parametrize("samples", [1, 50, 801, 4_000])
def test_world_takes_short_and_silent_audio(samples):
    for audio in (gliding_speech()[-samples:], np.zeros(samples)):
        copy = world_copy_synthesis(audio, RATE)
        assert copy.shape == (samples,)
        assert np.isfinite(copy).all()


def test_world_refuses_what_is_no_audio():
    with pytest.raises(UserError, match="the recording"):
        world_copy_synthesis(np.zeros(0), RATE)


@pytest.mark.slow
def test_baselines_measure_as_they_were_measured_elsewhere(shared_data):
    """At 16 kHz, 12 other recordings: WORLD PESQ 2.56, STOI 0.970.

    Griffin-Lim from a mel spectrogram of powers has 1.82 and 0.959; from the
    contract's, of magnitudes, more.
    """
    pytest.importorskip("pesq", reason="PESQ is not installed")
    folder = shared_data / "kathleen" / "wavs"
    if not folder.is_dir():
        pytest.skip("the recordings of kathleen are absent")
    contract = AudioContract()
    found = {"WORLD": [], "Griffin-Lim": []}
    log_mel, paths = LogMel(contract), sorted(folder.glob("*7_1.flac"))
    for path in paths[:: len(paths) // 12][:12]:
        audio = read_audio(path, RATE)
        mel = np.asarray(log_mel(audio))
        for name, copy in (
            ("WORLD", world_copy_synthesis(audio, RATE)),
            ("Griffin-Lim", griffin_lim(mel, contract)),
        ):
            found[name].append(measure_all(audio, copy, RATE, fast=True))
    means = {
        name: {key: np.mean([one[key] for one in each]) for key in each[0]}
        for name, each in found.items()
    }
    assert means["WORLD"]["pesq_wide_band"] == pytest.approx(2.56, abs=0.15)
    assert means["WORLD"]["stoi"] == pytest.approx(0.970, abs=0.006)
    assert means["Griffin-Lim"]["stoi"] == pytest.approx(0.965, abs=0.01)
    assert 1.8 < means["Griffin-Lim"]["pesq_wide_band"] < 3.0
