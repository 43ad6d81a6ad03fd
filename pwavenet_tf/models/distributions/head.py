"""The interface of the teacher's output heads."""

import abc
from typing import Any

from keras import ops


class Head(abc.ABC):
    """The distribution of one audio sample, given by a network's output.

    Audio is scaled by x = j / 32768 for the 16-bit PCM value j. Everything is
    computed in float32, whatever the type of the parameters.

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
        """The number of raw network outputs for one audio sample.

        Args:
            components: The size of a mixture; other heads ignore it.
        """

    @classmethod
    def initial_bias(cls, components: int) -> list[float]:
        """The raw output that an untrained network should give.

        Args:
            components: The size of a mixture; other heads ignore it.
        """
        return [0.0] * cls.channels(components)

    @classmethod
    def uniforms_per_sample(cls, components: int) -> int:
        """The number of uniforms that `sample` takes for one sample.

        Args:
            components: The size of a mixture; other heads ignore it.
        """
        return 1

    @classmethod
    def input_channels(cls) -> int:
        """The number of channels of `network_input`."""
        return 1

    @classmethod
    def network_input(cls, audio):
        """The network's input for past audio.

        Args:
            audio: `(...)`, in [-1, 1).

        Returns:
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
        """P(X < x) and P(X <= x) of 16-bit audio x.

        Args:
            audio: As in `log_prob`.

        Returns:
            Two tensors `(...)` in [0, 1]. Their difference is the exponential
            of `log_prob`.
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
    """

    @classmethod
    @abc.abstractmethod
    def shifted(cls, parameters, offset):
        """Parameters of the distribution of `x + offset`.

        Args:
            parameters: Raw, of x, `(..., channels)`.
            offset: `(...)`, float32.

        Returns:
            `(..., channels)`.
        """

    @classmethod
    @abc.abstractmethod
    def placed(cls, parameters, offset, log_gain):
        """Parameters of the distribution of `offset + gain * u`.

        Args:
            parameters: Of u, `(..., channels)`; unlike raw ones, zeros stand
                for a location of 0 and a scale of 1.
            offset: `(...)`, float32.
            log_gain: ln gain, `(...)`, float32.

        Returns:
            Raw parameters, `(..., channels)`.
        """

    @abc.abstractmethod
    def log_prob_unbounded(self, x):
        """ln of the mass in a 16-bit bin around any real `x`, nats.

        Distillation takes it of the student's samples, which are neither
        rounded nor clipped: the tails of the edge values must not reward
        samples beyond the range.

        Args:
            x: `(...)`, or with further leading axes that broadcast.

        Returns:
            The shape of `x`; differentiable once.
        """

    @abc.abstractmethod
    def log_prob_and_gradients(self, x):
        """`log_prob_unbounded` with its gradient, from one pass.

        Args:
            x: `(samples, batch, time)`.

        Returns:
            The value and its derivative by `x`, both `(samples, batch, time)`;
            its derivative by the raw parameters, summed over the samples,
            `(batch, time, channels)`.
        """
