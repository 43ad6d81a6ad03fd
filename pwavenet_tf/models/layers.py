"""Keras layers of teacher and student, shapes `(batch, time, channels)`."""

from typing import Any

import keras
from keras import ops

from pwavenet_tf.models.arguments import KeepsArguments


def delay(x, samples: int = 1):
    """Delays `(batch, time, channels)` by some samples, starting with zeros."""
    return ops.pad(x, [[0, 0], [samples, 0], [0, 0]])[:, : ops.shape(x)[1]]


def add_frames(x, frames, stride: int):
    """Adds to each sample of x, `(batch, time, channels)`, its frame's vector.

    The frames, of `stride` samples, are never repeated in memory.
    """
    if stride == 1:
        return x + frames
    shape = ops.shape(x)
    framed = ops.reshape(x, (shape[0], shape[1] // stride, stride, shape[2]))
    return ops.reshape(framed + frames[:, :, None], shape)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class CausalConvolution(KeepsArguments, keras.layers.Layer):
    """Dilated causal convolution (WaveNet, 1609.03499, section 2.1).

    y_t = b + Σ_k W_k · x_{t - (filter_width - 1 - k) · dilation}: the newest
    sample is multiplied by the last slice of the kernel. It is computed as
    one matrix product of the concatenated shifted series.

    Args:
        filters: Output channels.
        filter_width: Number of samples that each output depends on.
        dilation: Distance between these, samples.

    Input shape: `(batch, time, channels)`.
    Output shape: `(batch, time, filters)`.
    """

    def __init__(
        self, filters: int, filter_width: int = 3, dilation: int = 1, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.filter_width = filter_width
        self.dilation = dilation

    @property
    def left_context(self) -> int:
        """Samples before t that y_t depends on."""
        return (self.filter_width - 1) * self.dilation

    def build(self, input_shape) -> None:
        shape = (self.filter_width, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="glorot_uniform"
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, x):
        length = ops.shape(x)[1]
        padded = ops.pad(x, [[0, 0], [self.left_context, 0], [0, 0]])
        taps = [
            padded[:, tap * self.dilation :][:, :length]
            for tap in range(self.filter_width)
        ]
        # One product of a long inner axis is faster than one for each tap.
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        return ops.matmul(ops.concatenate(taps, axis=-1), kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class GatedBlock(KeepsArguments, keras.layers.Layer):
    """Gated activation unit (WaveNet, 1609.03499, equations 2 and 3).

    z = tanh(W_f ∗ x + V_f y + U_f h) ⊙ σ(W_g ∗ x + V_g y + U_g h), with
    separate learned 1×1 convolutions of z for the residual and for the skip
    connection. V is applied at the rate of y: where y holds one vector for a
    frame of samples, that is exact and costs a frame's share.

    The arguments are those of a `GatedStack`. `None` as `residual_channels`
    or `skip_channels` leaves that 1×1 convolution out, as the residual's after
    the last layer, where it would not be used.

    Call arguments:
        x: `(batch, time, channels)`.
        conditioning: y, `(batch, time / stride, conditioning_channels)`, or
            `None`.
        speaker: h, `(batch, 1, channels)`, the same for all time, or `None`.

    Returns:
        `(residual, skip)`, each `(batch, time, its channels)` or `None`.
    """

    def __init__(
        self,
        gate_channels: int,
        residual_channels: int | None = None,
        skip_channels: int | None = None,
        filter_width: int = 3,
        dilation: int = 1,
        stride: int = 1,
        conditioning_initializer: str = "glorot_uniform",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.gate_channels = gate_channels
        self.residual_channels = residual_channels
        self.skip_channels = skip_channels
        self.filter_width = filter_width
        self.dilation = dilation
        self.stride = stride
        self.conditioning_initializer = conditioning_initializer
        self.convolution = CausalConvolution(
            2 * gate_channels, filter_width, dilation, dtype=self.dtype_policy
        )
        # Built only where there is something to project.
        self.conditioning, self.speaker = (
            keras.layers.Dense(
                2 * gate_channels,
                use_bias=False,
                kernel_initializer=conditioning_initializer,
                dtype=self.dtype_policy,
            )
            for _ in range(2)
        )
        self.residual, self.skip = (
            keras.layers.Dense(channels, dtype=self.dtype_policy)
            if channels
            else None
            for channels in (residual_channels, skip_channels)
        )

    def build(
        self, x_shape, conditioning_shape=None, speaker_shape=None
    ) -> None:
        gate_shape = (*x_shape[:-1], self.gate_channels)
        for layer, shape in (
            (self.convolution, x_shape),
            (self.conditioning, conditioning_shape),
            (self.speaker, speaker_shape),
            (self.residual, gate_shape),
            (self.skip, gate_shape),
        ):
            if layer is not None and shape is not None:
                layer.build(shape)

    def call(self, x, conditioning=None, speaker=None):
        return self.gated(x, self.convolution(x), conditioning, speaker)

    def gated(self, x, both, conditioning=None, speaker=None):
        """As `call`, where `both` is the convolution of x."""
        if conditioning is not None:
            frames = self.conditioning(conditioning)
            both = add_frames(both, frames, self.stride)
        if speaker is not None:
            both = both + self.speaker(speaker)
        filtered, gate = ops.split(both, 2, axis=-1)
        z = ops.tanh(filtered) * ops.sigmoid(gate)
        residual = None if self.residual is None else x + self.residual(z)
        skip = None if self.skip is None else self.skip(z)
        return residual, skip

    def compute_output_shape(self, x_shape, *others, **more_others):
        def shape(channels):
            return channels and (*x_shape[:-1], channels)

        return shape(self.residual_channels), shape(self.skip_channels)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class GatedStack(KeepsArguments, keras.layers.Layer):
    """A series delayed by one sample, then a stack of gated blocks.

    Output t depends on x_{t - receptive_field} … x_{t-1}: never on x_t.

    Args:
        dilations: Dilation of each block.
        residual_channels: Channels between the blocks.
        gate_channels: Channels of each gate.
        skip_channels: Channels of the skip connections, whose sum is the
            output; `None` for no skip connections, as in the student's
            flows: then the last residual is the output.
        filter_width: Filter width of the dilated convolutions.
        input_deviation: Standard deviation that the series is expected to
            have. The first layer starts as if it divided by it: speech has
            so small an amplitude (0.1) that the network would otherwise
            spend its first thousands of steps on scaling it up.
        stride: Samples for each vector of the conditioning.
        conditioning_initializer: Of the projections of conditioning and
            speaker.

    Call arguments:
        x: `(batch, time, channels)`.
        conditioning: As in `GatedBlock`.
        speaker: Likewise.
        sinusoids: `(batch, time, harmonics)`, or `None`: read by the first
            layer, next to the series, and not delayed.

    Returns:
        `(batch, time, skip_channels or residual_channels)`.
    """

    def __init__(
        self,
        dilations: tuple[int, ...],
        residual_channels: int,
        gate_channels: int,
        skip_channels: int | None = None,
        filter_width: int = 3,
        input_deviation: float = 1.0,
        stride: int = 1,
        conditioning_initializer: str = "glorot_uniform",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.dilations = tuple(dilations)
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.filter_width = filter_width
        self.input_deviation = input_deviation
        self.stride = stride
        self.conditioning_initializer = conditioning_initializer
        self.front = keras.layers.Dense(
            residual_channels,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=1.0 / input_deviation
            ),
            dtype=self.dtype_policy,
        )
        # Made when it is built: other models draw no numbers for it.
        self.sinusoids: Any = None
        last = len(self.dilations) - 1
        self.blocks = [
            GatedBlock(
                gate_channels,
                None if skip_channels and i == last else residual_channels,
                skip_channels,
                filter_width,
                dilation,
                stride,
                conditioning_initializer,
                dtype=self.dtype_policy,
            )
            for i, dilation in enumerate(self.dilations)
        ]

    @property
    def receptive_field(self) -> int:
        """Samples before t that output t depends on."""
        return 1 + (self.filter_width - 1) * sum(self.dilations)

    def build(
        self,
        x_shape,
        conditioning_shape=None,
        speaker_shape=None,
        sinusoids_shape=None,
    ) -> None:
        self.front.build(x_shape)
        if sinusoids_shape is not None:
            self.sinusoids = keras.layers.Dense(
                self.residual_channels,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.5),
                dtype=self.dtype_policy,
            )
            self.sinusoids.build(sinusoids_shape)
        inner = (*x_shape[:-1], self.residual_channels)
        for block in self.blocks:
            block.build(inner, conditioning_shape, speaker_shape)

    def call(self, x, conditioning=None, speaker=None, sinusoids=None):
        x = self.first(delay(x), sinusoids)
        total = None
        for block in self.blocks:
            x, skip = block(x, conditioning, speaker)
            if skip is not None:
                total = skip if total is None else total + skip
        return x if total is None else total

    def first(self, delayed, sinusoids=None):
        """What the first block reads, from the series delayed."""
        x = self.front(delayed)
        return x if sinusoids is None else x + self.sinusoids(sinusoids)

    def compute_output_shape(self, x_shape, *others, **more_others):
        return (*x_shape[:-1], self.skip_channels or self.residual_channels)
