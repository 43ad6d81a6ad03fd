"""The comparison with TFP compares like with like, and its figures hold."""

import numpy as np
import pytest
import tensorflow as tf

from pwavenet_tf.cli.benchmark import likelihood


def test_both_compute_the_same_value_and_gradient() -> None:
    raw, levels = likelihood._inputs((2, 50))
    ours, by_raw = value_and_gradient("ours", raw, levels)
    theirs, by_raw_of_tfp = value_and_gradient("TFP", raw, levels)
    assert abs(ours - theirs) <= 1e-4
    # TFP's own gradient in float32 is no better than this.
    scale = np.abs(by_raw_of_tfp).max()
    np.testing.assert_allclose(by_raw, by_raw_of_tfp, 1e-2, 1e-3 * scale)


def value_and_gradient(name, raw, levels):
    value, (by_raw, by_levels) = likelihood._case(name, "graph")(raw, levels)
    assert by_levels.shape == levels.shape
    return value.numpy(), by_raw.numpy()


def test_our_value_is_within_1e_4_nat_of_tfp_in_float64() -> None:
    raw, levels = likelihood._inputs((2, 500))
    exact = likelihood._tfp_log_prob(raw, levels, tf.float64)
    ours = likelihood._ours_log_prob(raw, levels)
    assert likelihood._difference(ours, exact) <= 1e-4


@pytest.mark.slow
def test_compiled_ours_is_faster_and_smaller() -> None:
    """With room for what else the machine does: twice is usual for both."""
    found = {row.setting: row.median for row in likelihood.measure(False)}
    assert found["ours, float32, difference"] <= 1e-4
    for compiler, least in (("XLA", 1.5), ("graph", 1.0)):
        for rest in (compiler, f"{compiler}, memory"):
            assert found[f"TFP, {rest}"] > least * found[f"ours, {rest}"]
