"""Pure tensor functions: 16-bit samples, noise and the spectrogram.

Audio is scaled by x = j / 32768 for the 16-bit PCM value j, so that the bin
of a value is `2 * HALF_BIN` wide. Everything here is float32.
"""

import math

from keras import ops

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, LOWEST_SAMPLE
from pwavenet_tf.core.uniforms import open_unit_interval

HALF_BIN = 1.0 / 65_536.0
LOG_BIN_WIDTH = math.log(2.0 * HALF_BIN)
MU_LAW_CODES = 256

# Of a whole, in float32.
_NEGLIGIBLE = 1e-9


def soft_floor(x, floor: float):
    """A smooth maximum of `x` and `floor`, whose gradient never vanishes."""
    return floor + ops.softplus(x - floor)


def standard_logistic(uniform):
    """Logistic(0, 1) noise from uniforms in [0, 1), by inversion."""
    inside = open_unit_interval(uniform)
    return ops.log(inside) - ops.log1p(-inside)


def standard_normal(uniform):
    """Normal(0, 1) noise from uniforms in [0, 1), by inversion."""
    inside = open_unit_interval(uniform)
    return math.sqrt(2.0) * ops.erfinv(2.0 * inside - 1.0)


def quantise(x):
    """Rounds to the nearest 16-bit PCM value, as a float, and clips."""
    rounded = ops.round(x * 32_768.0) / 32_768.0
    return ops.clip(rounded, LOWEST_SAMPLE, HIGHEST_SAMPLE)


def delayed(x, samples: int = 1):
    """Delays `(batch, time)` by some samples, starting with zeros."""
    length = ops.shape(x)[1]
    return ops.pad(x, [[0, 0], [samples, 0]])[:, :length]


def pre_emphasis(audio, coefficient: float):
    """y_t = x_t - a x_{t-1}, `(batch, time)`, with silence before the first.

    The coefficient a is from 0, which changes nothing, to below 1.
    """
    return audio - coefficient * delayed(audio) if coefficient else audio


def de_emphasis(series, coefficient: float, before=None):
    """x_t = y_t + a x_{t-1}: the inverse of `pre_emphasis`.

    The recursion as a product of shifts, 1 / (1 - a z⁻¹) = Π_k (1 + a^(2^k)
    z^(-2^k)): a dozen additions of whole series, in any graph, at any length.

    y is `(batch, time)`, one sample at least; `before` is x of the sample
    before the first, `(batch, 1)`, or silence if left out.
    """
    if not coefficient:
        return series
    x, shift, power = series, 1, coefficient
    if before is not None:
        first = x[:, :1] + coefficient * before
        x = ops.concatenate([first, x[:, 1:]], axis=1)
    while power > _NEGLIGIBLE:
        x = x + power * delayed(x, shift)
        shift, power = 2 * shift, power * power
    return x


def de_emphasis_memory(coefficient: float) -> int:
    """Samples after which `de_emphasis` has forgotten one, in float32."""
    if not coefficient:
        return 0
    return math.ceil(math.log(_NEGLIGIBLE) / math.log(coefficient))


def mu_law_compressed(audio):
    """y = sign(x) ln(1 + 255 |x|) / ln 256, in [-1, 1] as x is; float32."""
    audio = ops.cast(audio, "float32")
    compressed = ops.log1p((MU_LAW_CODES - 1.0) * ops.abs(audio))
    return ops.sign(audio) * compressed / math.log(MU_LAW_CODES)


def mu_law_encode(audio):
    """The 8-bit μ-law code of audio, int32 in 0..255 (1609.03499, section 2.2).

    y = sign(x) ln(1 + 255 |x|) / ln 256, quantised to 256 uniform steps. What
    lies beyond [-1, 1) takes the last code. It has no gradient.
    """
    half = MU_LAW_CODES / 2.0
    codes = ops.floor(half * (mu_law_compressed(audio) + 1.0))
    return ops.cast(ops.clip(codes, 0.0, MU_LAW_CODES - 1.0), "int32")


def mu_law_decode(codes):
    """The audio at the centre of μ-law codes: the inverse of `mu_law_encode`.

    float32 in (-1, 1), not rounded to 16-bit PCM values.
    """
    centre = (ops.cast(codes, "float32") + 0.5) * (2.0 / MU_LAW_CODES) - 1.0
    expanded = ops.expm1(math.log(MU_LAW_CODES) * ops.abs(centre))
    return ops.sign(centre) * expanded / (MU_LAW_CODES - 1.0)


def weighted_mean(values, weight=None):
    """Mean of `values` where `weight` is 1, both `(batch, time)`."""
    if weight is None:
        return ops.mean(values)
    weight = ops.cast(weight, values.dtype)
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), 1.0)


def stft_magnitude(audio, window_length: int, hop_length: int, fft_length: int):
    """|STFT| under a periodic Hann window, all lengths in samples.

    `(batch, time)`, at least `fft_length`, to `(batch, frames, fft_length // 2
    + 1)`. The root has 1e-12 added under it, so that silence has a gradient.
    """
    real, imaginary = ops.stft(
        audio,
        sequence_length=window_length,
        sequence_stride=hop_length,
        fft_length=fft_length,
        window="hann",
        center=False,
    )
    return ops.sqrt(real * real + imaginary * imaginary + 1e-12)
