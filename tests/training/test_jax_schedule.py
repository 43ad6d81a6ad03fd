"""A run by time follows the recipe that a run by steps follows."""

import numpy as np
import pytest

from pwavenet_tf.core.presets import preset
from pwavenet_tf.training.fit import _optimizer
from pwavenet_tf.training.jax.schedule import Budget, Schedule, momenta


@pytest.mark.parametrize("steps", [1, 7, 100, 4_000, 50_000])
def test_by_steps_the_learning_rate_is_that_of_train_teacher(steps):
    settings = preset("nano").teacher_training
    expected = _optimizer(settings, steps)._learning_rate
    some = np.unique(np.linspace(0, steps - 1, 50).astype(int))
    rates = Schedule.of_steps(settings.learning_rate, steps).rates(some / steps)
    wanted = [float(expected(step)) for step in some]
    np.testing.assert_allclose(rates, wanted, 1e-4, 1e-9)


def test_by_time_it_rises_for_a_twentieth_and_falls_to_zero():
    schedule = Schedule(2e-3)
    rates = schedule.rates(np.linspace(0, 1, 1_001))
    assert np.argmax(rates) == 50
    assert rates[50] == np.float32(2e-3)
    assert 0 < rates[0] <= 0.01 * 2e-3 * 1.001
    assert (np.diff(rates[:51]) > 0).all() and (np.diff(rates[51:]) < 0).all()
    assert abs(rates[-1]) < 1e-9
    # A call that overshoots the end does not learn backwards.
    assert abs(schedule.rates(np.array([1.2]))[0]) < 1e-9


def test_the_average_ends_as_that_of_a_run_whose_steps_are_known():
    for steps in (1, 30, 4_000):
        expected = _optimizer(
            preset("nano").teacher_training, steps
        ).ema_momentum
        assert momenta(0, steps)[-1] == pytest.approx(expected, abs=1e-6)
    assert momenta(10_000_000, 1)[0] == np.float32(0.9999)
    joined = np.concatenate([momenta(0, 70), momenta(70, 30)])
    np.testing.assert_array_equal(joined, momenta(0, 100))


def test_the_average_reaches_over_the_last_twentieth():
    """Of the numbers 1, 2 … t it is 20/21 t: their mean age is t/21."""
    steps = 20_000
    average = 0.0
    for number, kept in enumerate(momenta(0, steps), 1):
        average = kept * average + (1.0 - kept) * number
    assert average == pytest.approx(steps * 20 / 21, rel=1e-3)


def test_a_run_ends_by_what_comes_first_and_resumes_at_its_share():
    by_both = Budget(minutes=2.0, steps=100)
    assert by_both.share(30.0, 10) == 0.25
    assert by_both.share(30.0, 60) == 0.6
    assert by_both.share(500.0, 0) == 1.0
    went_on = Budget(minutes=2.0, steps=None, share_before=0.75)
    assert went_on.share(15.0, 10**6) == 0.875
    assert went_on.share(30.0, 0) == 1.0
    assert Budget(None, 50, 0.5).share(1e9, 10) == pytest.approx(0.7)
