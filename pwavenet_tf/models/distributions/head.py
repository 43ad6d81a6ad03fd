"""The interface of the teacher's output heads."""

import abc
from typing import Any

from keras import ops

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, LOWEST_SAMPLE
from pwavenet_tf.audio.signal import HALF_BIN

# Raw log-scales near zero then mean a scale of e^-4, about that of speech.
LOG_SCALE_CENTRE = -4.0

# Beyond this a scale is infinite for audio, but not yet for float32.
LARGEST_LOG_SCALE = 40.0


def at_edges(audio):
    """Where 16-bit audio is the lowest and where the highest PCM value."""
    is_lowest = audio < LOWEST_SAMPLE + HALF_BIN
    return is_lowest, audio > HIGHEST_SAMPLE - HALF_BIN


class Head(abc.ABC):
    """The distribution of one audio sample, given by a network's output.

    Audio is scaled by x = j / 32768 for the 16-bit PCM value j. Everything is
    computed in float32, whatever the type of the parameters. `components` is
    the size of a mixture; other heads ignore it.

    Args:
        parameters: The network's raw output, `(..., channels)`, where
            `channels` is that of the class method.

    Attributes:
        parameters: The parameters.
        input_std: The standard deviation that a first layer should expect of
            `network_input`, so that kernels initialised with its inverse
            give outputs of about unit standard deviation.
    """

    parameters: Any
    # That of usual recordings, full scale being 1.
    input_std: float = 0.1

    @classmethod
    @abc.abstractmethod
    def channels(cls, components: int) -> int:
        """The number of raw network outputs for one audio sample."""

    @classmethod
    def initial_bias(cls, components: int) -> list[float]:
        """The raw output that an untrained network should give."""
        return [0.0] * cls.channels(components)

    @classmethod
    def uniforms_per_sample(cls, components: int) -> int:
        """The number of uniforms that `sample` takes for one sample."""
        return 1

    @classmethod
    def input_channels(cls) -> int:
        """The number of channels of `network_input`."""
        return 1

    @classmethod
    def network_input(cls, audio):
        """The network's input for past audio `(...)` in [-1, 1).

        `(..., input_channels)`, float32.
        """
        return ops.expand_dims(ops.cast(audio, "float32"), -1)

    @abc.abstractmethod
    def __init__(self, parameters) -> None: ...

    @abc.abstractmethod
    def log_prob(self, audio):
        """ln P of 16-bit audio, nats.

        Args:
            audio: `(...)`, 16-bit PCM values in [-1, 1); further leading axes
                broadcast.

        Returns:
            `(...)`. Where the head is coarser than 16 bits, as `MuLaw`, this
            is the probability of the whole code that the value belongs to.
        """

    @abc.abstractmethod
    def cumulative(self, audio):
        """P(X < x) and P(X <= x) of 16-bit audio x, as in `log_prob`.

        Two tensors `(...)` in [0, 1], whose difference is the exponential of
        `log_prob`.
        """

    @abc.abstractmethod
    def sample(self, uniforms, temperature=1.0):
        """Samples audio by inversion.

        Args:
            uniforms: `(..., uniforms_per_sample)` in [0, 1).
            temperature: Scales the randomness: 1 samples from the
                distribution itself, 0 takes its mode or mean.

        Returns:
            `(...)`: 16-bit PCM values in [-1, 1), distributed as the pmf.
        """

    @abc.abstractmethod
    def mean(self):
        """The mean before rounding and clipping, `(...)`."""


class ContinuousHead(Head):
    """A head defined for any real number: a student can be distilled from it.

    PCM values have the mass of bins of a density, so that numbers between and
    beyond them have a probability and a gradient too.

    Attributes:
        kinds: How many raw parameters a component has; the last two are its
            location and its log-scale.
    """

    kinds: int

    @classmethod
    def shifted(cls, parameters, offset):
        """Parameters of the distribution of `x + offset`, from those of x.

        Both raw, `(..., channels)`; the offset `(...)`, float32.
        """
        *others, location, raw = ops.split(parameters, cls.kinds, axis=-1)
        location = location + ops.expand_dims(offset, -1)
        return ops.concatenate([*others, location, raw], axis=-1)

    @classmethod
    def placed(cls, parameters, offset, log_gain):
        """Raw parameters of the distribution of `offset + gain * u`.

        From those of u, `(..., channels)`, of which, unlike raw ones, zeros
        stand for a location of 0 and a scale of 1; offset and ln gain are
        `(...)`, float32.
        """
        *others, location, log_scale = ops.split(parameters, cls.kinds, axis=-1)
        log_gain = ops.expand_dims(log_gain, -1)
        location = ops.expand_dims(offset, -1) + ops.exp(log_gain) * location
        raw = log_scale + log_gain - LOG_SCALE_CENTRE
        return ops.concatenate([*others, location, raw], axis=-1)

    @abc.abstractmethod
    def log_prob_unbounded(self, x):
        """ln of the mass in a 16-bit bin around any real `x`, nats.

        Distillation takes it of the student's samples, which are neither
        rounded nor clipped: the tails of the edge values must not reward
        samples beyond the range. Further leading axes of x broadcast; it is
        differentiable once.
        """

    @abc.abstractmethod
    def log_prob_and_gradients(self, x):
        """`log_prob_unbounded` with its gradient, from one pass.

        The value and its derivative by x, all `(samples, batch, time)`; its
        derivative by the raw parameters, summed over the samples, `(batch,
        time, channels)`.
        """
