"""256 probabilities of the μ-law code: the 2016 WaveNet's output."""

from keras import ops

from pwavenet_tf.audio.signal import (
    MU_LAW_CODES,
    mu_law_decode,
    mu_law_encode,
    quantise,
)
from pwavenet_tf.models.distributions.head import Head

# Probabilities are sampled in whole units of this size: sums of integers
# are exact in any order, so that no compiler's order of summation can give a
# code a sliver of probability that it does not have.
_UNITS = 2.0**30

# The least temperature that is divided by; far below what changes a sample.
_LEAST_TEMPERATURE = 1e-20


class MuLaw(Head):
    """A categorical distribution over 8-bit μ-law codes (1609.03499).

    Args:
        parameters: The network's raw output, `(..., 256)`: logits of the
            codes. Computed with in float32.
    """

    # One channel of a one-hot input is 1: it picks one row of the kernel.
    input_std = 1.0

    @classmethod
    def channels(cls, components: int) -> int:
        return MU_LAW_CODES

    @classmethod
    def input_channels(cls) -> int:
        return MU_LAW_CODES

    @classmethod
    def network_input(cls, audio):
        return ops.one_hot(
            mu_law_encode(audio), MU_LAW_CODES, axis=-1, dtype="float32"
        )

    def __init__(self, parameters) -> None:
        self.parameters = self.logits = ops.cast(parameters, "float32")

    def log_prob(self, audio):
        codes = mu_law_encode(audio)
        logits = self.logits
        if len(codes.shape) != len(logits.shape) - 1:
            broadcast = ops.zeros_like(codes, dtype="float32")
            logits = logits + ops.expand_dims(broadcast, -1)
            codes = codes + ops.zeros_like(logits[..., 0], dtype="int32")
        return -ops.sparse_categorical_crossentropy(
            codes, logits, from_logits=True
        )

    def cumulative(self, audio):
        codes = ops.expand_dims(mu_law_encode(audio), -1)
        probabilities = ops.softmax(self.logits, axis=-1)
        every = ops.arange(MU_LAW_CODES, dtype="int32")
        below, up_to = (
            ops.sum(ops.where(included, probabilities, 0.0), axis=-1)
            for included in (every < codes, every <= codes)
        )
        return ops.minimum(below, 1.0), ops.minimum(up_to, 1.0)

    def sample(self, uniforms, temperature=1.0):
        """Samples codes and decodes them: see `Head.sample`.

        The temperature divides the logits; 0 takes the likeliest code.
        """
        temperature = ops.maximum(
            ops.cast(temperature, "float32"), _LEAST_TEMPERATURE
        )
        # The likeliest code keeps logit 0 at any temperature.
        logits = self.logits - ops.max(self.logits, axis=-1, keepdims=True)
        probabilities = ops.softmax(logits / temperature, axis=-1)
        units = ops.cast(ops.round(probabilities * _UNITS), "int32")
        up_to = ops.cumsum(units, axis=-1)
        total = up_to[..., -1]
        sampled = ops.floor(uniforms[..., 0] * ops.cast(total, "float32"))
        sampled = ops.minimum(ops.cast(sampled, "int32"), total - 1)
        passed = ops.cast(up_to <= ops.expand_dims(sampled, -1), "int32")
        return quantise(mu_law_decode(ops.sum(passed, axis=-1)))

    def mean(self):
        """The mean of the decoded codes, `(...)`."""
        values = mu_law_decode(ops.arange(MU_LAW_CODES, dtype="int32"))
        return ops.sum(ops.softmax(self.logits, axis=-1) * values, axis=-1)
