"""The claim that a teacher of several speakers distinguishes them."""

import dataclasses

import pytest

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.presets import doubling, preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.describe import FeatureExtractor
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.evaluation.conditioning import conditioning_sensitivity
from pwavenet_tf.evaluation.likelihood import Likelihood
from pwavenet_tf.evaluation.recordings import ReferenceRecording
from pwavenet_tf.training.runs import train_teacher

# The recordings' own rate: what is upsampled has nothing above 4 kHz that
# could distinguish the speakers.
AUDIO = AudioContract(
    sample_rate=8_000,
    hop_length=100,
    window_length=400,
    fft_length=512,
    highest_hz=4_000.0,
)
PATTERN = "_(.+)_"


def small_preset(steps: int):
    nano = preset("nano")
    return dataclasses.replace(
        nano,
        audio=AUDIO,
        conditioning=dataclasses.replace(
            nano.conditioning, inputs=("speaker",), upsampling=(10, 10)
        ),
        teacher=dataclasses.replace(
            nano.teacher,
            dilations=doubling(9),
            residual_channels=32,
            gate_channels=32,
            skip_channels=32,
        ),
        teacher_training=dataclasses.replace(
            nano.teacher_training,
            batch_size=8,
            clip_length=2_000,
            learning_rate=4e-3,
            steps=steps,
        ),
    )


@pytest.mark.slow
def test_the_right_speaker_beats_each_wrong_one_on_held_out_takes(
    shared_data, tmp_path
) -> None:
    """All 30 pairs of six speakers of the Free Spoken Digit Dataset."""
    recordings = shared_data / "fsdd"
    settings = small_preset(steps=900)
    prepare(
        recordings,
        tmp_path / "data",
        settings,
        ("mel", "speaker"),
        speaker_pattern=PATTERN,
    )
    corpus = Corpus(tmp_path / "data")
    teacher = train_teacher(corpus, settings, tmp_path / "run")
    describe = FeatureExtractor(
        corpus.contract, ("speaker",), recordings, speaker_pattern=PATTERN
    )
    references = [
        ReferenceRecording(
            recordings / name, name, audio, describe(name, audio)
        )
        for name, audio, _ in corpus.utterances("validation")
    ]
    likelihood = Likelihood(teacher)
    scores = [
        likelihood(one.audio, one.features(teacher)) for one in references
    ]
    found = conditioning_sensitivity(
        teacher, likelihood, references, scores, "teacher"
    ).speakers
    assert len(found.matrix) == 6
    costs = {
        (true, wrong): bits
        for true, row in found.matrix.items()
        for wrong, bits in row.items()
        if wrong != true
    }
    assert len(costs) == 30
    assert min(costs.values()) > 0.0, costs
    assert found.penalty > 0.1
