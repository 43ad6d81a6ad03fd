"""Claims about the conditioning sensitivity of a teacher."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from pwavenet_tf.corpus.describe import Description
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.evaluation.likelihood import Likelihood
from pwavenet_tf.evaluation.recordings import ReferenceRecording
from pwavenet_tf.evaluation.scores import score_all

HOP = tiny_models.HOP
TO_MEL_ONLY = dataclasses.replace(tiny_models.EVERYTHING, inputs=("mel",))


def reference(number: int, frames: int, speaker: str) -> ReferenceRecording:
    """A recording of random audio and descriptions."""
    features = tiny_models.features(frames=frames, seed=number)
    generator = np.random.default_rng(number)
    end = frames * HOP / 16_000
    middle = end * generator.uniform(0.2, 0.8)
    symbols = generator.permutation(["a", "b"])
    return ReferenceRecording(
        Path(f"{number}.wav"),
        f"{number}.wav",
        tiny_models.audio(frames=frames, seed=number)[0],
        Description(
            features["mel"][0],
            [Phone(symbols[0], 0, middle), Phone(symbols[1], middle, end)],
            features["pitch"][0],
            speaker,
        ),
    )


@pytest.fixture(scope="module")
def recordings():
    return [
        reference(number, frames, speaker)
        for number, (frames, speaker) in enumerate(
            [(30, "ben"), (24, "anna"), (37, "ben")]
        )
    ]


@pytest.fixture(scope="module")
def teacher():
    return tiny_models.teacher(conditioning=tiny_models.EVERYTHING)


@pytest.fixture(scope="module")
def scoring(teacher, recordings):
    return score_all(teacher, recordings, "teacher")


def bits(teacher, audio, features) -> float:
    """Of the whole recording, in one pass."""
    inputs = {
        key: np.asarray(value)[None]
        for key, value in (features | {"audio": audio}).items()
    }
    log_prob = teacher.distribution(inputs).log_prob(audio[None])
    return -float(np.sum(log_prob, dtype="float64")) / math.log(2)


@pytest.mark.network
@pytest.mark.parametrize(
    "kind, arrays",
    [
        ("mel", ["mel"]),
        ("linguistic", ["phones", "timing"]),
        ("pitch", ["pitch"]),
    ],
)
def test_the_penalty_is_that_of_another_recordings_input_alone(
    teacher, recordings, scoring, kind, arrays
):
    added = samples = 0
    for index, one in enumerate(recordings):
        own = one.features(teacher)
        other = recordings[(index + 1) % 3].features(teacher)
        wrong = dict(own)
        for key in arrays:
            fitted = list(other[key][: len(own[key])])
            while len(fitted) < len(own[key]):
                fitted.append(other[key][-1])
            wrong[key] = np.array(fitted)
        added += bits(teacher, one.audio, wrong)
        added -= bits(teacher, one.audio, own)
        samples += len(one.audio)
    found = scoring.metrics[f"swapped_{kind}_penalty"]
    assert found == pytest.approx(added / samples, abs=2e-5)
    assert abs(found) > 3e-4


def test_the_speakers_are_compared_under_every_name(
    teacher, recordings, scoring
):
    added = {"anna": [], "ben": []}
    samples = {"anna": 0, "ben": 0}
    preferred = 0
    for one in recordings:
        true = one.description.speaker
        as_anna, as_ben = (
            bits(
                teacher,
                one.audio,
                one.features(teacher) | {"speaker": np.int32(number)},
            )
            for number in (0, 1)
        )
        wrong = as_ben - as_anna if true == "anna" else as_anna - as_ben
        added[true].append(wrong)
        samples[true] += len(one.audio)
        preferred += wrong > 0
    speakers = scoring.sensitivity.speakers
    assert speakers.recordings == 3
    for true, wrong in (("anna", "ben"), ("ben", "anna")):
        assert speakers.matrix[true][true] == 0
        assert speakers.matrix[true][wrong] == pytest.approx(
            sum(added[true]) / samples[true], abs=1e-4
        )
    assert scoring.metrics["swapped_speaker_penalty"] == pytest.approx(
        sum(map(sum, added.values())) / sum(samples.values()), abs=1e-4
    )
    assert scoring.metrics["right_speaker_preferred"] == preferred / 3


def test_only_the_conditioning_of_the_teacher_is_swapped(recordings):
    teacher = tiny_models.teacher(conditioning=TO_MEL_ONLY)
    found = score_all(teacher, recordings, "teacher").sensitivity
    assert list(found.penalties) == ["mel"]


def test_a_deaf_teacher_pays_nothing(recordings):
    teacher = tiny_models.teacher(conditioning=tiny_models.EVERYTHING)
    for weight in (
        *teacher.conditioner.trainable_variables,
        teacher.stack.sinusoids.kernel,
    ):
        weight.assign(np.zeros(weight.shape))
    found = score_all(teacher, recordings, "teacher").metrics
    penalties = {
        name: value for name, value in found.items() if "penalty" in name
    }
    assert len(penalties) == 5
    assert set(penalties.values()) == {0.0}
    # A tie is no preference.
    assert found["right_speaker_preferred"] == 0


def test_one_recording_is_no_comparison(teacher, recordings):
    scoring = score_all(teacher, recordings[:1], "teacher")
    assert scoring.sensitivity is None
    assert "swapped_mel_penalty" not in scoring.metrics


def test_long_lists_cost_no_more_than_their_limits(teacher, monkeypatch):
    """Eight recordings swap; speakers take turns until the time is up."""
    many = [reference(n, 8, "anna" if n < 20 else "ben") for n in range(30)]
    scored = []
    original = Likelihood.__call__

    def counting(self, audio, features):
        scored.append(len(audio))
        return original(self, audio, features)

    monkeypatch.setattr(Likelihood, "__call__", counting)
    monkeypatch.setattr(
        "pwavenet_tf.evaluation.conditioning._SPEAKER_SECONDS",
        12 * 8 * HOP / 16_000,
    )
    scoring = score_all(teacher, many, "teacher")
    assert scoring.sensitivity.recordings == 8
    assert scoring.sensitivity.speakers.recordings == 12
    assert len(scored) == 30 + 4 * 8 + 12
    assert set(scoring.sensitivity.speakers.matrix) == {"anna", "ben"}
