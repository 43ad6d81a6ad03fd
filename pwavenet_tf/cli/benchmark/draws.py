"""What the inner draws of distillation cost, and what they are good for.

Run as a module with a number of draws, it prints the peak memory that they
take.
"""

import functools
import sys
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    peak_growth,
    print_figures,
)
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.distillation.kl import cross_entropy
from pwavenet_tf.models.distributions import MixtureOfLogistics
from pwavenet_tf.models.noise import LogisticNoise

DRAWS = (1, 4, 16, 64)
_COMPONENTS = 10
_SHAPE = (2, 10_000)
# So long that what else a process holds does not matter.
_LONG = (2, 40_000)
_SHORT = (1, 200)
_ESTIMATES = 400


def measure(quick: bool) -> Iterator[Row]:
    """The cross-entropy's estimate by 1, 4, 16 and 64 draws.

    The variance is over that of one draw, which is scoring the student's own
    sample; the time is of value and gradient at `(2, 10000)` under XLA; the
    memory, the growth of a fresh process's peak at `(2, 40000)`.
    """
    single = None
    for draws in DRAWS[:2] if quick else DRAWS:
        variance = _variance(draws)
        single = single or variance
        yield Row(f"{draws}, variance", (variance / single,), "")
        step, inputs = _step(draws), _inputs(_SHAPE)
        key = keras.random.SeedGenerator(0).next()
        run = functools.partial(_run, step, key, inputs)
        (values,) = timings(run, quick=quick)
        yield Row(f"{draws}, value and gradient", values)
        grown = figures_apart(__name__, str(draws))["bytes"]
        yield Row(f"{draws}, memory", (grown,), "bytes")


def _run(step: Callable, key, inputs: list[tf.Tensor]) -> None:
    step(key, *inputs)[0].numpy()


def _inputs(shape: tuple[int, int]) -> list[tf.Tensor]:
    """The teacher's raw parameters, and the student's μ and ln s."""
    random = np.random.default_rng(0)
    raw = random.normal(size=(*shape, 3, _COMPONENTS))
    raw[..., 1, :] *= 0.05
    location = random.normal(0.0, 0.05, shape)
    values = (raw.reshape(*shape, -1), location, np.full(shape, -4.0))
    return [tf.constant(one, tf.float32) for one in values]


def _value(draws: int) -> Callable:
    def value(key, raw, location, log_scale):
        teacher = MixtureOfLogistics(raw)
        each = cross_entropy(
            teacher, location, log_scale, LogisticNoise, draws, key
        )
        return tf.reduce_mean(each)

    return value


def _step(draws: int) -> Callable:
    @tf.function(jit_compile=True)
    def step(key, *inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = _value(draws)(key, *inputs)
        return value, tape.gradient(value, inputs)

    return step


def _variance(draws: int) -> float:
    estimate = tf.function(_value(draws), jit_compile=True)
    seed, inputs = keras.random.SeedGenerator(0), _inputs(_SHORT)
    return float(
        np.var([estimate(seed.next(), *inputs) for _ in range(_ESTIMATES)])
    )


def _peak_growth(draws: int) -> int:
    step, inputs = _step(draws), _inputs(_LONG)
    key = keras.random.SeedGenerator(0).next()
    step.experimental_get_compiler_ir(key, *inputs)(stage="optimized_hlo")
    return peak_growth(lambda: _run(step, key, inputs))


if __name__ == "__main__":
    print_figures(bytes=_peak_growth(int(sys.argv[1])))
