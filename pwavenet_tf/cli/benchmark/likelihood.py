"""The mixture's log-probability against TFP's: value, time and memory.

Run as a module with the names of an implementation and of a compiler, it
prints the peak memory of that one case.
"""

import functools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    peak_growth,
    print_figures,
)
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.models.distributions import MixtureOfLogistics
from pwavenet_tf.models.tfp import tfb, tfd

_SHAPE = (8, 8_000)
_TINY_SHAPE = (2, 16)
_COMPONENTS = 10
_IMPLEMENTATIONS = ("ours", "TFP")
_COMPILERS = ("graph", "XLA")


def measure(quick: bool) -> Iterator[Row]:
    """Compares the value and the gradient of our log-probability with TFP's.

    Ours is `MixtureOfLogistics.log_prob`; TFP's a `MixtureSameFamily` of
    `QuantizedDistribution` of shifted logistics, on the same 16-bit values
    and parameters, at `(8, 8000)` with ten components. Each run computes the
    value and its gradient with respect to parameters and audio, in a
    `tf.function` and in one compiled by XLA; differences are from TFP in
    float64; the memory is the growth of a fresh process's peak.
    """
    raw, pcm = _inputs(_SHAPE)
    oracle = _tfp_log_prob(raw, pcm, tf.float64)
    for name, found in (
        ("ours", _ours_log_prob(raw, pcm)),
        ("TFP", _tfp_log_prob(raw, pcm)),
    ):
        largest = _difference(found, oracle)
        yield Row(f"{name}, float32, difference", (largest,), "nat")
    for compiler in _COMPILERS[:1] if quick else _COMPILERS:
        cases = [_case(name, compiler) for name in _IMPLEMENTATIONS]
        runs = [functools.partial(_run, one, raw, pcm) for one in cases]
        taken = zip(_IMPLEMENTATIONS, timings(*runs, quick=quick), strict=True)
        for name, values in taken:
            yield Row(f"{name}, {compiler}", values)
            grown = figures_apart(__name__, name, compiler)["bytes"]
            yield Row(f"{name}, {compiler}, memory", (grown,), "bytes")


def _run(case: Callable, raw, pcm) -> None:
    case(raw, pcm)[0].numpy()


def _inputs(shape: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Raw parameters as of a trained teacher, and audio that they fit."""
    random = np.random.default_rng(0)
    pcm = np.round(random.normal(0.0, 3_000.0, shape)) / 32_768.0
    log_scales = random.uniform(-9.0, -3.0, (*shape, _COMPONENTS))
    offsets = random.logistic(0.0, np.exp(log_scales))
    logits = random.normal(size=log_scales.shape)
    locations = pcm[..., None] + offsets
    raw = np.concatenate([logits, locations, log_scales + 4.0], axis=-1)
    return tf.constant(raw, tf.float32), tf.constant(pcm, tf.float32)


def _ours_log_prob(raw, pcm):
    return MixtureOfLogistics(raw).log_prob(pcm)


def _tfp_log_prob(raw, pcm, dtype=tf.float32):
    """TFP's own recipe for discretised logistics, in units of PCM values."""
    ours = MixtureOfLogistics(raw)
    logistic = tfd.Logistic(
        32_768.0 * tf.cast(ours.locations, dtype),
        32_768.0 * tf.exp(tf.cast(ours.log_scales, dtype)),
    )
    quantized = tfd.QuantizedDistribution(
        tfd.TransformedDistribution(logistic, tfb.Shift(tf.cast(-0.5, dtype))),
        low=tf.cast(-32_768.0, dtype),
        high=tf.cast(32_767.0, dtype),
    )
    weights = tfd.Categorical(logits=tf.cast(ours.log_weights, dtype))
    mixture = tfd.MixtureSameFamily(weights, quantized)
    return mixture.log_prob(32_768.0 * tf.cast(pcm, dtype))


def _difference(found, oracle) -> float:
    return float(np.abs(found.numpy() - oracle.numpy()).max())


def _case(implementation: str, compiler: str) -> Callable:
    log_prob = {"ours": _ours_log_prob, "TFP": _tfp_log_prob}[implementation]

    @tf.function(jit_compile=compiler == "XLA")
    def value_and_gradients(raw, pcm):
        with tf.GradientTape() as tape:
            tape.watch((raw, pcm))
            value = tf.reduce_mean(log_prob(raw, pcm))
        gradients = tape.gradient(
            value,
            (raw, pcm),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return value, gradients

    return value_and_gradients


def _peak_growth(implementation: str, compiler: str) -> int:
    """By how many bytes the first run at full size raises the peak.

    The first, as TensorFlow keeps the memory of its tensors for the next
    run; all that is made once is made at a tiny size before.
    """
    case = _case(implementation, compiler)
    inputs = _inputs(_SHAPE)
    if compiler == "XLA":
        case.experimental_get_compiler_ir(*inputs)(stage="optimized_hlo")
    else:
        case = case.get_concrete_function(
            tf.TensorSpec([None, None, 3 * _COMPONENTS]),
            tf.TensorSpec([None, None]),
        )
    case(*_inputs(_TINY_SHAPE))
    return peak_growth(lambda: _run(case, *inputs))


if __name__ == "__main__":
    print_figures(bytes=_peak_growth(*sys.argv[1:]))
