"""Claims about scores: exact bits, and a calibration that means something."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pwavenet_tf.audio.signal import quantise
from pwavenet_tf.core.config import HEADS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.likelihood import (
    INTERVALS,
    Likelihood,
    Score,
    StudentLikelihood,
    Windows,
    likelihood_of,
    share_inside,
)
from pwavenet_tf.models.distributions import MixtureOfLogistics
from pwavenet_tf.synthesis.teacher import generate


@pytest.fixture(scope="module")
def teacher():
    return tiny_models.teacher()


def in_one_pass(teacher, audio, mel) -> Score:
    """The score of a recording, from the whole of it at once."""
    padding = mel.shape[0] * tiny_models.HOP - len(audio)
    padded = np.pad(audio, (0, padding))[None]
    distribution = teacher.distribution({"audio": padded, "mel": mel[None]})
    below, up_to = (
        np.float64(edge)[0, : len(audio)]
        for edge in distribution.cumulative(padded)
    )
    log_prob = np.float64(distribution.log_prob(padded))[0, : len(audio)]
    width = up_to - below
    inside = []
    for mass in INTERVALS:
        lowest, highest = 0.5 - mass / 2, 0.5 + mass / 2
        cut = np.clip(up_to, lowest, highest) - np.clip(below, lowest, highest)
        # Far in the tails a value has no width in float32.
        inside.append(np.sum(cut[width > 0] / width[width > 0]))
    return Score(-log_prob.sum(), len(audio), tuple(inside))


@pytest.mark.network
@pytest.mark.parametrize("frames", [1, 5, 80, 81, 200])
def test_scores_in_windows_are_those_of_one_pass(teacher, frames):
    mel = tiny_models.mel(frames=frames)[0]
    # The last frame is seldom a full one.
    audio = tiny_models.audio(frames=frames)[0][:-7]
    found = Likelihood(teacher)(audio, mel)
    expected = in_one_pass(teacher, audio, mel)
    assert found.samples == len(audio)
    assert found.bits_per_sample == pytest.approx(
        expected.nats / math.log(2) / len(audio), rel=1e-5
    )
    # A single value's share hangs on a small difference of float32 numbers.
    assert list(found.calibration.values()) == pytest.approx(
        list(expected.calibration.values()), abs=1e-3
    )


def test_the_test_of_windows_sees_several(teacher):
    assert len(list(Windows.of(teacher, 80).over(2_000, 10))) == 3


@pytest.mark.network
def test_the_size_of_windows_does_not_change_the_score(teacher):
    mel = tiny_models.mel(frames=70)[0]
    audio = tiny_models.audio(frames=70)[0]
    whole, small = (
        Likelihood(teacher, chunk_frames=frames)(audio, mel)
        for frames in (80, 9)
    )
    assert small.nats == pytest.approx(whole.nats, rel=1e-6)


def test_another_mel_is_another_score(teacher):
    audio = tiny_models.audio(frames=5)[0]
    likelihood = Likelihood(teacher)
    own, other = (
        likelihood(audio, tiny_models.mel(1, 5, seed)[0]) for seed in (0, 1)
    )
    assert abs(own.bits_per_sample - other.bits_per_sample) > 1e-3


def test_scores_add_up_as_their_samples_do():
    first = Score(10.0, 5, tuple(range(9)))
    second = Score(2.0, 15, tuple(range(2, 11)))
    total = first + second
    assert total.bits_per_sample == pytest.approx(12 / 20 / math.log(2))
    assert (total.inside_50, total.inside_90) == (10 / 20, 18 / 20)


@pytest.mark.network
def test_a_diverged_teacher_is_named_as_such():
    teacher = tiny_models.teacher()
    teacher.output_parameters.bias.assign(
        np.full(teacher.output_parameters.bias.shape, np.nan)
    )
    with pytest.raises(UserError, match="not finite.*earlier checkpoint"):
        Likelihood(teacher)(tiny_models.audio()[0], tiny_models.mel()[0])


@given(
    st.lists(st.integers(0, 1_000), min_size=1, max_size=30).filter(any),
    st.sampled_from(INTERVALS),
)
def test_the_expected_share_inside_is_the_mass_for_any_distribution(
    weights, mass
):
    """However coarse: even where one value has all of the probability."""
    pmf = np.array(weights) / sum(weights)
    up_to = np.cumsum(pmf)
    share = share_inside(up_to - pmf, up_to, mass)
    assert ((share >= 0) & (share <= 1)).all()
    assert np.dot(pmf, share) == pytest.approx(mass, abs=1e-12)


def test_a_value_of_no_width_is_inside_or_outside():
    edge = np.array([0.2, 0.3, 0.7, 0.8])
    np.testing.assert_array_equal(share_inside(edge, edge, 0.5), [0, 1, 1, 0])


def own_samples(teacher, streams: int = 4, frames: int = 200):
    mel = tiny_models.mel(streams, frames, seed=3)
    return generate(teacher, mel, seed=5), mel


def score_of(teacher, audio, mel) -> Score:
    likelihood = Likelihood(teacher)
    first, *others = (likelihood(*one) for one in zip(audio, mel, strict=True))
    return sum(others, start=first)


@pytest.mark.network
@pytest.mark.parametrize("head", HEADS)
def test_a_models_own_samples_are_calibrated(head):
    teacher = tiny_models.teacher(head=head)
    score = score_of(teacher, *own_samples(teacher))
    assert score.samples == 16_000
    for mass, inside in score.calibration.items():
        # Under the model the shares are independent, each with this mean
        # and at most this variance.
        error = math.sqrt(mass * (1 - mass) / score.samples)
        assert abs(inside - mass) < 4 * error, mass


@pytest.mark.network
def test_a_model_that_claims_twice_the_deviation_is_not_calibrated():
    """Its intervals hold what twice as wide ones of the truth hold."""
    teacher = tiny_models.teacher(head="gaussian")
    audio, mel = own_samples(teacher)
    true = score_of(teacher, audio, mel)
    bias = teacher.output_parameters.bias
    bias.assign(bias.numpy() + [0.0, math.log(2)])
    wide = score_of(teacher, audio, mel)
    for mass, inside in wide.calibration.items():
        expected = 2 * stats.norm.cdf(2 * stats.norm.ppf(0.5 + mass / 2)) - 1
        error = math.sqrt(expected * (1 - expected) / wide.samples)
        assert abs(inside - expected) < 4 * error + 2e-3, mass
    # KL between Gaussians of standard deviations s and 2 s: ln 2 - 3 / 8.
    added = wide.bits_per_sample - true.bits_per_sample
    assert added == pytest.approx((math.log(2) - 3 / 8) / math.log(2), abs=0.02)


def test_students_and_teachers_are_scored_each_in_its_way(teacher):
    assert isinstance(likelihood_of(teacher, 40), Likelihood)
    student = tiny_models.student()
    assert isinstance(likelihood_of(student, 40), StudentLikelihood)


@pytest.mark.network
def test_a_students_bits_are_those_of_a_teachers_head_at_the_same_place():
    """Of one logistic, with the noise from TFP's inverse."""
    student = tiny_models.calmer(tiny_models.student())
    mel = tiny_models.mel(1, 3)
    # The last frame is not a full one.
    audio = tiny_models.audio(1, 3)[:, :-7]
    padded = np.pad(audio, ((0, 0), (0, 7)))

    @tf.function
    def parameters():
        distribution = student.distribution({"mel": mel})
        noise = distribution.bijector.inverse(tf.constant(padded))
        return student({"mel": mel, "noise": noise})

    found = parameters()
    # Raw scales above the head's soft floor: ln s = -10.4 + softplus(raw).
    above = found["log_scale"].numpy() + 10.4
    raw = np.log(np.expm1(above)) - 10.4 + 4.0
    location = found["location"].numpy()
    head = MixtureOfLogistics(
        np.stack([0 * raw, location, raw], axis=-1).astype("float32")
    )
    expected = -np.mean(head.log_prob(padded)[0, :-7]) / math.log(2)
    below, up_to = (np.float64(e)[0, :-7] for e in head.cumulative(padded))
    score = StudentLikelihood(student)(audio[0], mel[0])
    assert score.samples == audio.size == 53
    assert score.bits_per_sample == pytest.approx(expected, rel=1e-4)
    for mass, inside in score.calibration.items():
        share = np.mean(share_inside(below, up_to, mass))
        # A value at the interval's edge may fall to either side.
        assert inside == pytest.approx(share, abs=0.5 / 53), mass


@pytest.mark.network
@pytest.mark.parametrize("noise", ["logistic", "gaussian"])
def test_a_students_own_samples_are_calibrated(noise):
    student = tiny_models.calmer(tiny_models.student(noise=noise))
    mel = tiny_models.mel(1, 400)
    output = student({"mel": mel})
    audio = quantise(output["audio"]).numpy()[0]
    score = StudentLikelihood(student)(audio, mel[0])
    assert score.samples == 8_000
    for mass, inside in score.calibration.items():
        error = math.sqrt(mass * (1 - mass) / score.samples)
        assert abs(inside - mass) < 4 * error, mass
    # The entropy of the noise, over PCM steps of 2^-15.
    expected = np.mean(output["log_scale"]) + student.noise_family.entropy
    bits = expected / math.log(2) + 15
    assert score.bits_per_sample == pytest.approx(bits, abs=0.05)


def test_what_a_student_can_not_have_made_is_outside_and_has_no_bits():
    """Wild flows whose inverse is unstable."""
    student = tiny_models.student()
    audio, mel = tiny_models.audio(1, 40)[0], tiny_models.mel(1, 40)[0]
    score = StudentLikelihood(student)(audio, mel)
    assert score.bits_per_sample == math.inf
    assert score.inside_90 < 0.5
