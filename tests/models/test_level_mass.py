"""Masses of 16-bit levels: against the heads, and that they add up."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.models.distributions import Gaussian, MixtureOfLogistics
from pwavenet_tf.models.inverse import LevelMass

LEVELS = np.arange(-32_768, 32_768) / 32_768
LOG_CDF = {
    "logistic": scipy.special.log_expit,
    "gaussian": scipy.special.log_ndtr,
}


@pytest.mark.parametrize("family", LOG_CDF)
@given(st.floats(-1.2, 1.2), st.floats(-14.0, 1.0))
def test_all_levels_together_have_all_of_the_mass(family, location, log_scale):
    """Also where the scale is a fraction of a level."""
    mass = LevelMass(LEVELS, location, log_scale, LOG_CDF[family])
    assert np.sum(np.exp(mass.log_prob)) == pytest.approx(1.0, abs=1e-9)
    below, up_to = mass.cumulative
    np.testing.assert_allclose(below[1:], up_to[:-1], rtol=1e-12)
    assert (below[0], up_to[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(up_to - below, np.exp(mass.log_prob), atol=1e-12)


@given(st.integers(-32_768, 32_767), st.floats(-1.0, 1.0), st.floats(-8.0, 0.0))
def test_masses_are_those_of_the_teachers_heads(level, location, log_scale):
    """Far into the tails: up to hundreds of nats."""
    levels = np.float32([level / 32_768])
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
        places = np.float32(location)
        found = LevelMass(levels, places, log_scale_of, LOG_CDF[family])
        expected = teacher.log_prob(levels).numpy()
        if np.isfinite(expected).all():
            np.testing.assert_allclose(
                found.log_prob, expected, rtol=1e-4, atol=2e-4
            )


@pytest.mark.parametrize("family", LOG_CDF)
def test_the_far_tails_are_alike_and_finite(family):
    """A level thousands of scales away has its density's few nats."""
    for distance in (1e1, 1e3, 1e5):
        location = np.array([distance, -distance]) * np.exp(-7.0)
        scales = np.full(2, -7.0)
        mass = LevelMass(np.zeros(2), location, scales, LOG_CDF[family])
        left, right = mass.log_prob
        assert left == pytest.approx(right, rel=1e-12)
        slope = {"logistic": distance, "gaussian": distance**2 / 2}[family]
        assert -left == pytest.approx(slope, rel=1.0)
        assert np.isfinite(left)


@pytest.mark.parametrize("family", LOG_CDF)
@pytest.mark.parametrize("location", [np.inf, np.nan, 1e30])
def test_what_is_beyond_all_bounds_is_impossible(family, location):
    mass = LevelMass(np.zeros(1), [location], [-7.0], LOG_CDF[family])
    assert mass.log_prob < -1e20
    assert [edge[0] for edge in mass.cumulative] == [0.0, 0.0]
