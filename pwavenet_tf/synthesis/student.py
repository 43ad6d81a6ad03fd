"""The student's parallel synthesis, in blocks that add up to one pass."""

from typing import NamedTuple

import tensorflow as tf

from pwavenet_tf.audio.signal import HIGHEST_LEVEL, LOWEST_LEVEL, de_emphasis
from pwavenet_tf.models.flows import FlowNetwork
from pwavenet_tf.models.incremental import ToldFrames
from pwavenet_tf.models.layers import CausalConvolution
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.streaming import StreamedVoice


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
    told = dict(told)
    h, endings = stack.first(series, told.pop("sinusoids", None)), []
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


class Synthesizer(StreamedVoice):
    """Turns features, usually mel spectrograms, into audio with a student.

    Args:
        student: The student.
        chunk_frames: Frames computed at a time. Memory depends on it and not
            on the length of the input; the result does not depend on it.
        jit_compile: Compile the computation of a chunk with XLA: some
            seconds for each new batch size, then faster.

    Example:
        synthesizer = Synthesizer(keras.saving.load_model("student.keras"))
        audio = synthesizer(mel, seed=1)
    """

    def __init__(
        self,
        student: ParallelWaveNet,
        chunk_frames: int = 160,
        jit_compile: bool = False,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.conditioning = student.conditioning
        self.chunk_frames = chunk_frames
        self.whole_blocks = jit_compile
        self.flows = StreamedFlows(student)
        self._told = ToldFrames(student.conditioner, student.conditioner)
        self.context_frames = self._told.context_frames
        self._advance = tf.function(
            self.block, jit_compile=jit_compile, reduce_retracing=True
        )

    def initial_state(self, batch: int) -> FlowState:
        """The state before the first sample of so many rows."""
        return self.flows.initial_state(batch)

    def advance(self, state, window, uniforms, temperature):
        """The audio of a block and the state behind it; see `StreamedVoice`."""
        temperature = tf.constant(temperature, tf.float32)
        return self._advance(state, window, uniforms[..., 0], temperature)

    def block(
        self,
        state: FlowState,
        window: dict,
        uniforms: tf.Tensor,
        temperature: tf.Tensor,
        counted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `advance`, for graphs.

        Args:
            state: Behind the block before.
            window: Features of the block and `context_frames` around it.
            uniforms: `(batch, time)`.
            temperature: float32, of all rows, or `(batch, 1)`.
            counted: As `StreamedFlows` takes it.
        """
        noise = temperature * self.student.noise_family.from_uniforms(uniforms)
        return self.of_noise(state, window, noise, counted)

    def of_noise(
        self,
        state: FlowState,
        window: dict,
        noise: tf.Tensor,
        counted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `block`, from noise `(batch, time)` times the temperature."""
        told = self._told.of_window(window)
        audio, state = self.flows(state, told, noise, counted)
        return tf.clip_by_value(audio, LOWEST_LEVEL, HIGHEST_LEVEL), state
