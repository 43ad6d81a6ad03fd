"""The student's flows, block after block, exactly as in one pass."""

from typing import NamedTuple

import tensorflow as tf

from pwavenet_tf.flow_network import FlowNetwork
from pwavenet_tf.layers import CausalConvolution
from pwavenet_tf.ops import de_emphasis
from pwavenet_tf.student import ParallelWaveNet


class FlowState(NamedTuple):
    """What the flows remember between two blocks; zeros at the beginning.

    The network pads its convolutions with zeros, so at the beginning it is
    zeros too, not what the layers would make of silence.

    Attributes:
        past: `(batch, sum of the layers' reaches, residual channels)`: the
            last inputs of every dilated convolution, one layer behind the
            other.
        newest: `(batch, flows)`: the last sample that each flow read; with
            pre-emphasis one more, the last sample of the audio.
    """

    past: tf.Tensor
    newest: tf.Tensor


class StreamedFlows:
    """Takes noise through all flows, block after block.

    Each layer keeps as many of its inputs as its dilated convolution reaches
    back, so that no sample is ever computed twice (Fast WaveNet, 1611.09482,
    for a block of samples in place of one).

    Args:
        student: The student.
    """

    def __init__(self, student: ParallelWaveNet) -> None:
        self.student = student
        self.networks = student.networks
        self._pre_emphasis = student.audio.pre_emphasis
        self._reaches = [
            [block.convolution.reach for block in network.stack.blocks]
            for network in self.networks
        ]

    def initial_state(self, batch) -> FlowState:
        """The state before the first sample of so many rows."""
        reach, channels, newest = self.state_sizes
        return FlowState(
            tf.zeros((batch, reach, channels), self.student.compute_dtype),
            tf.zeros((batch, newest)),
        )

    @property
    def state_sizes(self) -> tuple[int, int, int]:
        """Samples and channels of `past`, and samples of `newest`."""
        total = sum(map(sum, self._reaches))
        newest = len(self.networks) + bool(self._pre_emphasis)
        return total, self.student.residual_channels, newest

    def __call__(
        self, state: FlowState, told: dict, noise: tf.Tensor, counted=None
    ) -> tuple[tf.Tensor, FlowState]:
        """The audio of a block, and the state behind it.

        Args:
            state: Behind the block before.
            told: What every layer is told of this block.
            noise: Standard noise `(batch, time)`.
            counted: Integers `(batch,)`: how many of each row's samples are
                its own, if not all; the state is that behind these.

        Returns:
            `(batch, time)`, neither rounded nor clipped, and the state.
        """
        pasts = iter(tf.split(state.past, sum(self._reaches, []), axis=1))
        kept, newest, x = [], [], noise
        for index, network in enumerate(self.networks):
            last = state.newest[:, index : index + 1]
            series = tf.concat([last, x], axis=1)
            newest.append(_ending(series, 1, counted))
            residual, endings = _walk(
                network, series[:, :-1], pasts, told, counted
            )
            kept += endings
            location, log_scale = network.parameters(residual)
            x = x * tf.exp(log_scale) + location
        if self._pre_emphasis:
            last = state.newest[:, -1:]
            x = de_emphasis(x, self._pre_emphasis, last)
            series = tf.concat([last, x], axis=1)
            newest.append(_ending(series, 1, counted))
        state = FlowState(tf.concat(kept, axis=1), tf.concat(newest, axis=1))
        return x, state


def _walk(network: FlowNetwork, delayed, pasts, told: dict, counted):
    """A stack's output, and what each layer must remember."""
    stack = network.stack
    # Not with tf.newaxis: XNNPACK would leave such slices out.
    series = tf.cast(tf.expand_dims(delayed, -1), network.compute_dtype)
    h, endings = stack.front(series), []
    for block in stack.blocks:
        read = tf.concat([next(pasts), h], axis=1)
        endings.append(_ending(read, block.convolution.reach, counted))
        both = _convolved(block.convolution, read)
        # Else all layers' projections of what they are told, which wait for
        # nothing, would be computed first and lie in memory together.
        with tf.control_dependencies([both, endings[-1]]):
            now = {name: tf.identity(x) for name, x in told.items()}
        h, _ = block.gated(h, both, **now)
    return h, endings


def _convolved(layer: CausalConvolution, series: tf.Tensor) -> tf.Tensor:
    """What a layer makes of a series but its first `reach` samples.

    As one operation where the layer has shifted products, which are for
    training: a third faster without XLA, and on a phone.
    """
    kernel, bias = (
        tf.cast(weight.value, series.dtype)
        for weight in (layer.kernel, layer.bias)
    )
    found = tf.nn.conv1d(series, kernel, 1, "VALID", dilations=layer.dilation)
    return tf.nn.bias_add(found, bias)


def _ending(series, reach: int, counted):
    """The last `reach` samples of each row's own.

    Args:
        series: `(batch, reach + time, ...)`.
        reach: How many are wanted.
        counted: As in `StreamedFlows`.
    """
    if counted is None:
        return series[:, tf.shape(series)[1] - reach :]
    places = counted[:, tf.newaxis] + tf.range(reach, dtype=counted.dtype)
    return tf.gather(series, places, batch_dims=1)
