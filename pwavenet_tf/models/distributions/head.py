"""What every output head of the teacher offers."""

import abc

from keras import ops


class Head(abc.ABC):
    """The distribution of one audio sample, given by a network's output.

    Audio is scaled by x = j / 32768 for the 16-bit level j. Everything is
    computed in float32, whatever the type of the parameters.

    Args:
        parameters: The network's raw output, `(..., channels)`, where
            `channels` is what the class method of that name says.

    Attributes:
        parameters: The parameters.
        input_deviation: The standard deviation that a first layer should
            expect of `network_input`, so that kernels drawn with its inverse
            give outputs of about unit deviation.
    """

    # That of usual recordings, full scale being 1.
    input_deviation: float = 0.1

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
    def draws(cls, components: int) -> int:
        """The number of uniforms that one drawn sample takes.

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
        """What the network reads of past audio.

        Args:
            audio: `(...)`, in [-1, 1).

        Returns:
            `(..., input_channels)`, float32.
        """
        return ops.expand_dims(ops.cast(audio, "float32"), -1)

    @abc.abstractmethod
    def __init__(self, parameters) -> None: ...

    @abc.abstractmethod
    def log_prob(self, levels):
        """ln P of the level that the audio is on, nats.

        Args:
            levels: `(...)`, 16-bit levels in [-1, 1); further leading axes
                broadcast.

        Returns:
            `(...)`. Where the head is coarser than 16 bits, as `MuLaw`, this
            is the probability of the whole code that the level belongs to.
        """

    @abc.abstractmethod
    def cumulative(self, levels):
        """P(X < level) and P(X <= level).

        Args:
            levels: As in `log_prob`.

        Returns:
            Two tensors `(...)` in [0, 1]. Their difference is the exponential
            of `log_prob`.
        """

    @abc.abstractmethod
    def sample(self, uniforms, temperature=1.0):
        """Draws audio by inversion.

        Args:
            uniforms: `(..., draws)` in [0, 1).
            temperature: Scales the randomness: 1 draws from the distribution
                itself, 0 takes its mode or mean.

        Returns:
            `(...)`: 16-bit levels in [-1, 1), distributed as the pmf.
        """

    @abc.abstractmethod
    def mean(self):
        """The mean before rounding and clipping, `(...)`."""


class ContinuousHead(Head):
    """A head that judges any real number: a student can be distilled from it.

    Its levels have the mass of a density's bins, so that what lies between
    them and beyond them has a probability and a gradient too.
    """

    @classmethod
    @abc.abstractmethod
    def moved(cls, parameters, by):
        """Parameters of the distribution of `x + by`, x being as they say.

        Args:
            parameters: Raw, `(..., channels)`.
            by: `(...)`, float32.

        Returns:
            `(..., channels)`.
        """

    @abc.abstractmethod
    def log_prob_unbounded(self, x):
        """ln of the mass in a level-wide bin around any real `x`, nats.

        Distillation asks this of the student's samples, which are neither
        rounded nor clipped: the edge levels' tails must not reward samples
        beyond the range.

        Args:
            x: `(...)`, or with further leading axes that broadcast.

        Returns:
            The shape of `x`; differentiable once.
        """

    @abc.abstractmethod
    def log_prob_and_slopes(self, x):
        """`log_prob_unbounded` with its gradient, from one pass.

        Args:
            x: `(draws, batch, time)`.

        Returns:
            The value and its derivative by `x`, both `(draws, batch, time)`;
            its derivative by the raw parameters, summed over the draws,
            `(batch, time, channels)`.
        """
