"""A mixture of discretised logistics over 16-bit audio.

ln P, with its gradient in closed form, is the largest tensor computation
after the network: some thirty intermediate results for each component of
each sample. Three things make it several times faster and smaller than
automatic differentiation of the plain formula: the gradient recomputes what
it needs instead of keeping it, one row of the batch is worked on at a time,
so that all of it fits the cache, and components come before time, so that
inner loops run over long axes.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from pwavenet_tf.audio.signal import (
    HALF_BIN,
    quantise,
    soft_floor,
    standard_logistic,
)
from pwavenet_tf.core.uniforms import open_unit_interval
from pwavenet_tf.models.distributions.head import (
    LARGEST_LOG_SCALE,
    LOG_SCALE_CENTRE,
    ContinuousHead,
    at_edges,
)

# About one 16-bit step (ln 2^-15 = -10.4): the finest scale that 16-bit
# audio can represent. One value for training, sampling and distillation.
LOG_SCALE_FLOOR = -10.4

# No scale is so wide that its inverse, times half a bin, is no longer a
# normal float32.
_LEAST_INVERSE_SCALE = 1e-30

# Raw log-scales of the narrowest and the broadest untrained component.
_INITIAL_LOG_SCALES = (-3.0, 1.5)


class _Components(NamedTuple):
    """Each component's mass as exp(exponent) * factor, `(..., K, time)`."""

    log_weights: Any
    exponent: Any
    factor: Any
    raw_scales: Any
    inverse_scales: Any
    half_bin: Any
    position: Any
    decay: Any
    denominator: Any
    twice_sinh: Any
    twice_cosh: Any
    is_lowest: Any
    is_highest: Any


def mixture_log_prob(x, parameters, tails: bool):
    """ln of the mass in the 16-bit bin around `x`, nats.

    With c = (x - μ) / s and d = h / s, where h is half a bin, the mass of
    a component is σ(c + d) - σ(c - d) = sinh d / (cosh c + cosh d), which
    has no difference of almost equal numbers: value and gradient are accurate
    far into the tails.

    With `tails` the lowest value takes all of the mass below it and the highest
    all of the mass above. Parameters are raw, `(..., 3 * components)`; x is
    `(...)`, or has further leading axes that broadcast. All is float32; it is
    differentiable once in both.
    """
    x = x + ops.zeros_like(parameters[..., 0])
    rank = len(parameters.shape) - 1
    extra = len(x.shape) - rank
    if tuple(x.shape[extra:]) != tuple(parameters.shape[:-1]):
        like = ops.expand_dims(ops.zeros_like(x[(0,) * extra]), -1)
        parameters = parameters + like
    return _LOG_PROBS[tails](x, parameters)


def _with_gradient(tails: bool):
    @ops.custom_gradient
    def log_prob(x, parameters):
        values = _by_rows(functools.partial(_value, tails), parameters, x)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            function = functools.partial(_value_and_gradient, tails)
            return _by_rows(function, parameters, x, upstream)[1:]

        return values, gradient

    return log_prob


def _by_rows(function, parameters, *series):
    """Applies a function to one row of the batch after the other."""
    rank = len(parameters.shape) - 1
    if rank < 2:
        return function(parameters, *series)
    series = [ops.moveaxis(values, -rank, 0) for values in series]
    results = ops.map(
        lambda row: function(parameters[row], *(s[row] for s in series)),
        ops.arange(ops.shape(parameters)[0], dtype="int32"),
    )
    if not isinstance(results, tuple):
        return ops.moveaxis(results, 0, -rank)
    value, by_x, by_parameters = results
    value, by_x = (ops.moveaxis(one, 0, -rank) for one in (value, by_x))
    return value, by_x, by_parameters


def _value(tails: bool, parameters, x):
    each, axis = _components(tails, parameters, x)
    terms, largest = _terms(each, axis)
    return _log_sum(largest, ops.sum(terms, axis=axis, keepdims=True), axis)


def _log_sum(largest, total, axis: int):
    return ops.squeeze(largest + ops.log(total), axis)


def _terms(each: _Components, axis: int):
    """The addends of the mixture, over exp(their largest exponent)."""
    exponent = each.log_weights + each.exponent
    largest = ops.max(exponent, axis=axis, keepdims=True)
    return ops.exp(exponent - largest) * each.factor, largest


def _value_and_gradient(tails: bool, parameters, x, upstream):
    """The value; its gradients by `x` and `parameters`, times `upstream`.

    As for any mixture, that of ln P is the mean of the components' own,
    weighted by their posterior probabilities.
    """
    each, axis = _components(tails, parameters, x)
    terms, largest = _terms(each, axis)
    total = ops.sum(terms, axis=axis, keepdims=True)
    posterior = terms * (ops.expand_dims(upstream, axis) / total)
    by_position, by_width = _derivatives(tails, each)
    by_location = posterior * by_position * each.inverse_scales
    by_scale = posterior * (by_width - each.position * by_position)
    gradients = [posterior, -by_location, by_scale]
    extra = tuple(range(len(x.shape) - len(parameters.shape) + 1))
    if extra:
        gradients = [ops.sum(one, axis=extra) for one in gradients]
    prior = ops.exp(each.log_weights)
    total_posterior = ops.sum(gradients[0], axis=0, keepdims=True)
    gradients[0] = gradients[0] - prior * total_posterior
    above_floor = each.raw_scales + (LOG_SCALE_CENTRE - LOG_SCALE_FLOOR)
    gradients[2] = gradients[2] * ops.sigmoid(above_floor)
    by_parameters = ops.moveaxis(ops.concatenate(gradients, axis=0), 0, -1)
    by_x = ops.sum(by_location, axis=axis)
    return _log_sum(largest, total, axis), by_x, by_parameters


def _components(tails: bool, parameters, x) -> tuple[_Components, int]:
    """Every component's mass, and the axis that the components are on."""
    axis = -len(parameters.shape)
    logits, locations, raw = ops.split(
        ops.moveaxis(parameters, -1, 0), 3, axis=0
    )
    # exp(-soft_floor(raw + centre, floor)), without its logarithms.
    below_floor = (LOG_SCALE_FLOOR - LOG_SCALE_CENTRE) - raw
    inverse_scales = _LEAST_INVERSE_SCALE + (
        math.exp(-LOG_SCALE_FLOOR) * ops.sigmoid(below_floor)
    )
    half_bin = HALF_BIN * inverse_scales
    # At the floor d is one half, where these two terms of the series of
    # sinh d / d leave out 3e-6.
    square = half_bin * half_bin
    series = 2.0 + square * (1.0 / 3.0 + square * (1.0 / 60.0))
    twice_sinh = half_bin * series
    twice_cosh = ops.sqrt(4.0 + twice_sinh * twice_sinh)
    x = ops.expand_dims(x, axis)
    position = (x - locations) * inverse_scales
    is_lowest = is_highest = None
    if tails:
        # The mass of an edge value is σ of the position of its inner edge.
        is_lowest, is_highest = at_edges(x)
        edge = ops.cast(is_lowest, "float32") - ops.cast(is_highest, "float32")
        position = position + edge * half_bin
    distance = ops.abs(position)
    decay = ops.exp(-distance)
    exponent, numerator, middle = -distance, twice_sinh, twice_cosh + decay
    if tails:
        exponent = ops.where(is_lowest, ops.minimum(position, 0.0), exponent)
        exponent = ops.where(is_highest, -ops.maximum(position, 0.0), exponent)
        at_edge = ops.logical_or(is_lowest, is_highest)
        numerator = ops.where(at_edge, 1.0, numerator)
        middle = ops.where(at_edge, 1.0, middle)
    denominator = 1.0 + decay * middle
    return _Components(
        ops.log_softmax(logits, axis=0),
        exponent,
        numerator / denominator,
        raw,
        inverse_scales,
        half_bin,
        position,
        decay,
        denominator,
        twice_sinh,
        twice_cosh,
        is_lowest,
        is_highest,
    ), axis


def _derivatives(tails: bool, each: _Components):
    """Of ln mass: ∂/∂c, and the part of ∂/∂(ln s) that is not -c ∂/∂c."""
    inside = ops.sign(each.position) * (each.decay * each.decay - 1.0)
    by_width = each.half_bin * (
        each.decay * each.twice_sinh / each.denominator
        - each.twice_cosh / each.twice_sinh
    )
    if not tails:
        return inside / each.denominator, by_width
    positive = each.position > 0.0
    lowest = ops.where(positive, each.decay, 1.0)
    highest = ops.where(positive, -1.0, -each.decay)
    by_position = ops.where(each.is_highest, highest, inside)
    by_position = ops.where(each.is_lowest, lowest, by_position)
    at_edge = ops.logical_or(each.is_lowest, each.is_highest)
    return by_position / each.denominator, ops.where(at_edge, 0.0, by_width)


_LOG_PROBS = {tails: _with_gradient(tails) for tails in (True, False)}


class MixtureOfLogistics(ContinuousHead):
    """A mixture of logistics over 16-bit audio (PixelCNN++, 1701.05517).

    P(j) = Σ_i π_i [σ((j + ½ - μ_i) / s_i) - σ((j - ½ - μ_i) / s_i)], on the
    scale x = j / 32768, where the lowest and the highest value take the
    tails (Parallel WaveNet, 1711.10433, section 2).

    Args:
        parameters: The network's raw output, `(..., 3 * components)`:
            mixture logits, locations, log-scales. Computed with in float32.
    """

    kinds = 3

    @classmethod
    def channels(cls, components: int) -> int:
        return 3 * components

    @classmethod
    def initial_bias(cls, components: int) -> list[float]:
        """One location for all, and scales from narrow to broad.

        Components with different locations first fit a histogram of speech,
        independent of the past; with one location they all follow the past.
        """
        if components == 1:
            return [0.0] * 3
        log_scales = np.linspace(*_INITIAL_LOG_SCALES, components)
        return [0.0] * 2 * components + log_scales.tolist()

    @classmethod
    def uniforms_per_sample(cls, components: int) -> int:
        return components + 1

    def __init__(self, parameters) -> None:
        self.parameters = ops.cast(parameters, "float32")
        logits, self.locations, raw = ops.split(self.parameters, 3, axis=-1)
        self.log_weights = ops.log_softmax(logits, axis=-1)
        self.log_scales = soft_floor(raw + LOG_SCALE_CENTRE, LOG_SCALE_FLOOR)

    def log_prob(self, audio):
        return mixture_log_prob(audio, self.parameters, tails=True)

    def log_prob_unbounded(self, x):
        return mixture_log_prob(x, self.parameters, tails=False)

    def log_prob_and_gradients(self, x):
        function = functools.partial(_value_and_gradient, False)
        return _by_rows(function, self.parameters, x, ops.ones_like(x))

    def cumulative(self, audio):
        inverse_scale = ops.exp(-self.log_scales)
        centred = ops.expand_dims(audio, -1) - self.locations

        def mass_up_to(edge):
            each = ops.sigmoid(edge * inverse_scale)
            mass = ops.sum(ops.exp(self.log_weights) * each, axis=-1)
            return ops.minimum(mass, 1.0)

        is_lowest, is_highest = at_edges(audio)
        below = ops.where(is_lowest, 0.0, mass_up_to(centred - HALF_BIN))
        up_to = ops.where(is_highest, 1.0, mass_up_to(centred + HALF_BIN))
        return below, up_to

    def sample(self, uniforms, temperature=1.0):
        """Samples 16-bit PCM values.

        Args:
            uniforms: `(..., components + 1)` in [0, 1): one for each
                component's Gumbel noise, one for the logistic.
            temperature: Scales all of the noise: 1 samples from the
                distribution itself, 0 takes the likeliest component's mean.

        Returns:
            `(...)`: PCM values in [-1, 1), exactly distributed as the pmf.
        """
        gumbel = -ops.log(-ops.log(open_unit_interval(uniforms[..., :-1])))
        scores = self.log_weights + temperature * gumbel
        chosen = ops.one_hot(
            ops.argmax(scores, axis=-1), scores.shape[-1], dtype="float32"
        )
        location = ops.sum(self.locations * chosen, axis=-1)
        log_scale = ops.sum(self.log_scales * chosen, axis=-1)
        log_scale = ops.minimum(log_scale, LARGEST_LOG_SCALE)
        noise = standard_logistic(uniforms[..., -1])
        return quantise(location + temperature * ops.exp(log_scale) * noise)

    def mean(self):
        return ops.sum(ops.exp(self.log_weights) * self.locations, axis=-1)
