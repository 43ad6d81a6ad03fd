"""Masses of 16-bit PCM values: against the heads, and that they add up."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.models.distributions import Gaussian, MixtureOfLogistics
from pwavenet_tf.models.inverse import DiscretisedMass

PCM_VALUES = np.arange(-32_768, 32_768) / 32_768
LOG_CDF = {
    "logistic": scipy.special.log_expit,
    "gaussian": scipy.special.log_ndtr,
}


@pytest.mark.parametrize("family", LOG_CDF)
@settings(max_examples=25)
@given(st.floats(-1.2, 1.2), st.floats(-14.0, 1.0))
def test_masses_of_all_pcm_values_sum_to_one(family, location, log_scale):
    """Also where the scale is a fraction of a bin."""
    mass = DiscretisedMass(PCM_VALUES, location, log_scale, LOG_CDF[family])
    assert np.sum(np.exp(mass.log_prob)) == pytest.approx(1.0, abs=1e-9)
    below, up_to = mass.cumulative
    np.testing.assert_allclose(below[1:], up_to[:-1], rtol=1e-12)
    assert (below[0], up_to[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(up_to - below, np.exp(mass.log_prob), atol=1e-12)


@settings(max_examples=40)
@given(st.integers(-32_768, 32_767), st.floats(-1.0, 1.0), st.floats(-8.0, 0.0))
def test_masses_equal_those_of_the_teachers_heads(value, location, log_scale):
    """Far into the tails: up to hundreds of nats."""
    audio = np.float32([value / 32_768])
    # Both heads' raw scale of zero is e^-4, above a soft floor.
    for family, head, floor in (
        ("logistic", MixtureOfLogistics, -10.4),
        ("gaussian", Gaussian, -9.0),
    ):
        above = np.log(np.expm1(max(log_scale - floor, 1e-3)))
        raw = [location, floor + above + 4.0]
        raw = [0.0, *raw] if family == "logistic" else raw
        teacher = head(np.float32([raw]))
        scales = getattr(teacher, "log_scales", None)
        log_scale_of = teacher.log_scale if scales is None else scales[..., 0]
        locations = np.float32(location)
        mass = DiscretisedMass(audio, locations, log_scale_of, LOG_CDF[family])
        expected = teacher.log_prob(audio).numpy()
        if np.isfinite(expected).all():
            np.testing.assert_allclose(
                mass.log_prob, expected, rtol=1e-4, atol=2e-4
            )


@pytest.mark.parametrize("family", LOG_CDF)
def test_the_far_tails_are_alike_and_finite(family):
    """The log mass of a value thousands of scales away follows the tail."""
    for distance in (1e1, 1e3, 1e5):
        location = np.array([distance, -distance]) * np.exp(-7.0)
        scales = np.full(2, -7.0)
        mass = DiscretisedMass(np.zeros(2), location, scales, LOG_CDF[family])
        left, right = mass.log_prob
        assert left == pytest.approx(right, rel=1e-12)
        expected = {"logistic": distance, "gaussian": distance**2 / 2}[family]
        assert -left == pytest.approx(expected, rel=1.0)
        assert np.isfinite(left)


@pytest.mark.parametrize("family", LOG_CDF)
@pytest.mark.parametrize("location", [np.inf, np.nan, 1e30])
def test_a_location_beyond_all_bounds_has_no_mass(family, location):
    mass = DiscretisedMass(np.zeros(1), [location], [-7.0], LOG_CDF[family])
    assert mass.log_prob < -1e20
    assert [edge[0] for edge in mass.cumulative] == [0.0, 0.0]
