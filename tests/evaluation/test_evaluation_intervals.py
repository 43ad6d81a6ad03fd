"""Claims about means over recordings and their intervals."""

import math

import numpy as np
import pytest
import scipy.stats

from pwavenet_tf.evaluation.intervals import Interval, Series
from pwavenet_tf.evaluation.per_recording import differences, joined

DRAWS = np.random.default_rng(1)


def test_the_interval_is_scipys_percentile_bootstrap():
    values = DRAWS.gamma(2.0, size=30)
    mean, low, high = Series.of(values).interval
    expected = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        random_state=np.random.default_rng(2),
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.03 * width)
    assert high == pytest.approx(expected.high, abs=0.03 * width)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Of 300 samples of 40 Gaussians: 95 % but for chance and small samples."""
    samples = DRAWS.normal(3.0, 1.0, (300, 40))
    inside = [
        low <= 3.0 <= high
        for _, low, high in (Series.of(one).interval for one in samples)
    ]
    assert 0.90 <= np.mean(inside) <= 0.98


def test_pairs_are_surer_than_what_they_are_made_of():
    """Recordings differ by far more than the systems do."""
    recordings = DRAWS.normal(0.0, 10.0, 25)
    ours = Series.of(recordings + 0.5 + 0.1 * DRAWS.normal(size=25))
    theirs = Series.of(recordings)
    difference = (ours - theirs).interval
    assert 0.4 < difference.low < 0.5 < difference.high < 0.6
    assert ours.interval.low < theirs.interval.high


def test_weights_make_it_a_mean_over_samples():
    values, weights = np.array([1.0, 4.0]), [3, 1]
    mean, low, high = Series.of(values, weights).interval
    assert (mean, low, high) == pytest.approx((1.75, 1.0, 4.0))


def test_what_could_not_be_measured_does_not_count():
    values = DRAWS.normal(size=12)
    gaps = Series.of(np.insert(values, [0, 5, 12], math.nan))
    mean, low, high = gaps.interval
    assert mean == pytest.approx(values.mean())
    whole = Series.of(values).interval
    assert high - low == pytest.approx(whole.high - whole.low, rel=0.1)


@pytest.mark.parametrize(
    "values", [[], [math.nan], [2.0], [2.0, math.nan], [1.0, math.inf]]
)
def test_fewer_than_two_finite_values_have_no_interval(values):
    mean, low, high = Series.of(values).interval
    assert math.isnan(low) and math.isnan(high)
    known = [value for value in values if not math.isnan(value)]
    assert mean == np.mean(known) if known else math.isnan(mean)


def test_intervals_are_the_same_each_time():
    values = DRAWS.normal(size=20)
    first = Series.of(values).interval
    Series.of(values[:7]).interval  # noqa: B018
    assert Series.of(values).interval == first


def test_each_model_is_held_against_every_other_system():
    each = {
        name: {"stoi": Series.of([0.5 + place, 0.7 + place])}
        for place, name in enumerate(("recording", "a", "b", "Griffin-Lim"))
    }
    bits = {
        name: {"bits_per_sample": Series.of([8.0, 9.0 + place], [2, 1])}
        for place, name in enumerate("ab")
    }
    values = joined(each, bits)
    assert list(values["a"]) == ["stoi", "bits_per_sample"]
    found = differences(values, ["a", "b"], {"a": 16, "b": 16})
    assert list(found["a"]) == ["recording", "b", "Griffin-Lim"]
    assert found["a"]["b"]["stoi"] == pytest.approx(Interval(-1, -1, -1))
    assert found["b"]["a"]["bits_per_sample"].mean == pytest.approx(1 / 3)
    codes = differences(values, ["a", "b"], {"a": 16, "b": 8})
    assert list(codes["a"]["b"]) == ["stoi"]
