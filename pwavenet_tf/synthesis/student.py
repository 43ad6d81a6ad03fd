"""The student's parallel synthesis, in blocks that equal one pass."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, LOWEST_SAMPLE
from pwavenet_tf.audio.signal import de_emphasis
from pwavenet_tf.models.conditioning import by_reader
from pwavenet_tf.models.flows import FlowNetwork, affine_step
from pwavenet_tf.models.incremental import ChunkConditioner
from pwavenet_tf.models.layers import CausalConvolution
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler


class FlowState(NamedTuple):
    """The state of the flows between two blocks; zeros at the beginning.

    The network pads its convolutions with zeros, so the initial state is
    zeros, not the layers' activations for silence.

    `past`, `(batch, sum of left contexts, residual channels)`, holds the last
    inputs of every dilated convolution, concatenated over layers. `newest`,
    `(batch, samples)`, holds the noise that the source-filter flow still
    needs, if there is one; the last sample that each network read; with
    pre-emphasis the last sample of the audio.
    """

    past: tf.Tensor
    newest: tf.Tensor


class StreamedFlows:
    """Passes noise through all flows, block by block.

    Each layer keeps the left context of its dilated convolution, so that no
    sample is ever computed twice (Fast WaveNet, 1611.09482, for a block of
    samples in place of one).
    """

    def __init__(self, student: ParallelWaveNet) -> None:
        self.student = student
        self.networks = student.networks
        self.source = student.source
        self._noise_kept = self.source.receptive_field if self.source else 0
        self._pre_emphasis = student.audio.pre_emphasis
        self._left_contexts = [
            [block.convolution.left_context for block in network.stack.blocks]
            for network in self.networks
        ]

    def initial_state(self, batch) -> FlowState:
        past, channels, newest = self.state_sizes
        return FlowState(
            tf.zeros((batch, past, channels), self.student.compute_dtype),
            tf.zeros((batch, newest)),
        )

    @property
    def state_sizes(self) -> tuple[int, int, int]:
        """Samples and channels of `past`, and samples of `newest`."""
        total = sum(map(sum, self._left_contexts))
        newest = self._noise_kept + len(self.networks)
        newest += bool(self._pre_emphasis)
        return total, self.student.residual_channels, newest

    def __call__(
        self,
        state: FlowState,
        conditioning: dict,
        noise: tf.Tensor,
        valid_samples=None,
    ) -> tuple[tf.Tensor, FlowState]:
        """The audio of a block, and the state after it.

        The audio is `(batch, time)`, neither rounded nor clipped, and so is
        the standard noise; the conditioning is the block's, as
        `ParallelWaveNet.condition` returns it. The state is that after
        `valid_samples`, integers `(batch,)`, if not all are valid.
        """
        pasts = iter(tf.split(state.past, sum(self._left_contexts, []), axis=1))
        of_networks, of_source = by_reader(conditioning)
        past, newest, x = [], [], noise
        if self.source is not None:
            kept = self._noise_kept
            series = tf.concat([state.newest[:, :kept], x], axis=1)
            newest.append(_last_samples(series, kept, valid_samples))
            x = affine_step(
                x, *self.source.location_and_scale(series, **of_source)
            )
        for index, network in enumerate(self.networks, self._noise_kept):
            last = state.newest[:, index : index + 1]
            series = tf.concat([last, x], axis=1)
            newest.append(_last_samples(series, 1, valid_samples))
            residual, layer_pasts = _run_stack(
                network, series[:, :-1], pasts, of_networks, valid_samples
            )
            past += layer_pasts
            location, log_scale = network.parameters(residual)
            x = affine_step(x, location, tf.exp(log_scale))
        if self._pre_emphasis:
            last = state.newest[:, -1:]
            x = de_emphasis(x, self._pre_emphasis, last)
            series = tf.concat([last, x], axis=1)
            newest.append(_last_samples(series, 1, valid_samples))
        state = FlowState(tf.concat(past, axis=1), tf.concat(newest, axis=1))
        return x, state


def _run_stack(
    network: FlowNetwork, delayed, pasts, conditioning: dict, valid_samples
):
    """A stack's output, and each layer's last inputs."""
    stack = network.stack
    # Not with tf.newaxis: XNNPACK does not support such slices.
    series = tf.cast(tf.expand_dims(delayed, -1), network.compute_dtype)
    conditioning = dict(conditioning)
    sinusoids = conditioning.pop("sinusoids", None)
    h, layer_pasts = stack.first(series, sinusoids), []
    for block in stack.blocks:
        read = tf.concat([next(pasts), h], axis=1)
        left_context = block.convolution.left_context
        layer_pasts.append(_last_samples(read, left_context, valid_samples))
        both = _convolved(block.convolution, read)
        # Otherwise all layers' projections of the conditioning, which depend on
        # nothing else, would be computed first and be in memory together.
        with tf.control_dependencies([both, layer_pasts[-1]]):
            ordered = {name: tf.identity(x) for name, x in conditioning.items()}
        h, _ = block.gated(h, both, **ordered)
    return h, layer_pasts


def _convolved(layer: CausalConvolution, series: tf.Tensor) -> tf.Tensor:
    """The convolution of a series that begins with its left context.

    One operation, where the layer itself concatenates shifted series, which
    is better for training: a third faster without XLA, and on a phone.
    """
    kernel, bias = (
        tf.cast(weight.value, series.dtype)
        for weight in (layer.kernel, layer.bias)
    )
    x = tf.nn.conv1d(series, kernel, 1, "VALID", dilations=layer.dilation)
    return tf.nn.bias_add(x, bias)


def _last_samples(series, count: int, valid_samples):
    """The last `count` valid samples of a series `(batch, count + time, …)`."""
    if valid_samples is None:
        return series[:, tf.shape(series)[1] - count :]
    first = valid_samples[:, tf.newaxis]
    indices = first + tf.range(count, dtype=valid_samples.dtype)
    return tf.gather(series, indices, batch_dims=1)


class Synthesizer(StreamingSynthesizer):
    """Synthesizes audio from features, usually a mel spectrogram, by a student.

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
        chunk_frames: int = 80,
        jit_compile: bool = False,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.conditioning = student.conditioning
        self.chunk_frames = chunk_frames
        self.whole_blocks = jit_compile
        self.flows = StreamedFlows(student)
        self._condition = ChunkConditioner(
            student.condition, student.conditioner, student.context_frames
        )
        self.context_frames = self._condition.context_frames
        self._advance = tf.function(
            self.block,
            jit_compile=jit_compile,
            reduce_retracing=True,
            autograph=False,
        )

    def encode(self, audio: np.ndarray) -> np.ndarray:
        return self.student.encode(audio)

    def initial_state(self, batch: int) -> FlowState:
        return self.flows.initial_state(batch)

    def advance(self, state, features, uniforms, temperature):
        temperature = tf.constant(temperature, tf.float32)
        return self._advance(state, features, uniforms[..., 0], temperature)

    def block(
        self,
        state: FlowState,
        features: dict,
        uniforms: tf.Tensor,
        temperature: tf.Tensor,
        valid_samples: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `advance`, for graphs.

        The uniforms are `(batch, time)`, the temperature is float32, of all
        rows or `(batch, 1)`; `valid_samples` as in `StreamedFlows`.
        """
        noise = temperature * self.student.noise_family.from_uniforms(uniforms)
        return self.block_from_noise(state, features, noise, valid_samples)

    def block_from_noise(
        self,
        state: FlowState,
        features: dict,
        noise: tf.Tensor,
        valid_samples: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `block`, from noise `(batch, time)` times the temperature."""
        conditioning = self._condition.of_chunk(features)
        audio, state = self.flows(state, conditioning, noise, valid_samples)
        return tf.clip_by_value(audio, LOWEST_SAMPLE, HIGHEST_SAMPLE), state


def synthesizer_of(model: Teacher | ParallelWaveNet) -> StreamingSynthesizer:
    """The synthesizer of a model; keep it, because its first chunk compiles."""
    if isinstance(model, Teacher):
        return CachedSampler(model)
    return Synthesizer(model)
