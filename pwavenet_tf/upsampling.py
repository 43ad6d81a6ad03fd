"""From frames of features to one conditioning vector a sample."""

import math

import keras
import numpy as np
from keras import ops

_PACKAGE = "pwavenet_tf"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class LinearInterpolation(keras.initializers.Initializer):
    """Starts a transposed convolution as an interpolation of mixed channels.

    The kernel `(2 * stride, out, in)` is a triangle over time times a random
    mixing of channels, so that the untrained upsampler is already smooth: no
    checkerboard for the network to unlearn.
    """

    def __call__(self, shape, dtype=None):
        taps, out_channels, in_channels = shape
        centred = (np.arange(taps) + 0.5) / (taps / 2.0) - 1.0
        triangle = (1.0 - np.abs(centred)).astype("float32")
        mixing = keras.initializers.GlorotUniform()(
            (out_channels, in_channels), dtype="float32"
        )
        return ops.cast(triangle[:, None, None] * mixing[None], dtype)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class TransposedConvolution(keras.layers.Layer):
    """Transposed convolution whose kernel is twice its stride.

    Every output sees exactly two inputs, so that all outputs are treated
    alike (no checkerboard imbalance). Equal to `keras.layers.Conv1DTranspose`
    with `kernel_size=2 * stride` and `padding="same"`, but computed as one
    matrix product at the input's rate and an overlapping sum.

    Args:
        filters: Output channels.
        stride: Output samples for each input.

    Input shape: `(batch, time, channels)`.
    Output shape: `(batch, time * stride, filters)`.
    """

    def __init__(self, filters: int, stride: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride

    def build(self, input_shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2 * self.stride, self.filters, input_shape[-1]),
            initializer=LinearInterpolation(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, x):
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        flat = ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))
        spread = ops.reshape(
            ops.matmul(x, ops.transpose(flat)),
            (batch, length, 2, self.stride * self.filters),
        )
        own = ops.pad(spread[:, :, 0], [[0, 0], [0, 1], [0, 0]])
        from_previous = ops.pad(spread[:, :, 1], [[0, 0], [1, 0], [0, 0]])
        overlapped = ops.reshape(
            own + from_previous,
            (batch, (length + 1) * self.stride, self.filters),
        )
        start = self.stride // 2
        return overlapped[:, start : start + length * self.stride] + self.bias

    def compute_output_shape(self, input_shape):
        batch, length, _ = input_shape
        longer = None if length is None else length * self.stride
        return (batch, longer, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "stride": self.stride,
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Upsampler(keras.layers.Layer):
    """Learned upsampling of frames of features (WaveNet, section 2.5).

    Convolutions over three frames, then transposed convolutions, with leaky
    ReLU between. The ends are extended by repeating the first and the last
    frame `context_frames` times, and only there: a chunk that brings that
    many neighbouring frames with it is upsampled exactly as within the whole.

    Args:
        channels: Channels of every layer and of the output.
        factors: Stride of each transposed convolution.
        frame_layers: Convolutions over frames.

    Input shape: `(batch, frames, values of a frame)`.
    Output shape: `(batch, frames * product of factors, channels)`.
    """

    def __init__(
        self,
        channels: int,
        factors: tuple[int, ...],
        frame_layers: int = 1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.factors = tuple(factors)
        self.frame_layers = frame_layers
        # By itself, as in files of before there could be more.
        self.convolution = self._frame_layer()
        self.further_convolutions = [
            self._frame_layer() for _ in range(frame_layers - 1)
        ]
        self.expansions = [
            TransposedConvolution(channels, factor, dtype=self.dtype_policy)
            for factor in self.factors
        ]

    def _frame_layer(self) -> keras.layers.Conv1D:
        return keras.layers.Conv1D(
            self.channels, 3, padding="same", dtype=self.dtype_policy
        )

    @property
    def context_frames(self) -> int:
        """Frames on either side that can reach a frame's samples."""
        earliest, latest = 0, math.prod(self.factors) - 1
        for factor in reversed(self.factors):
            earliest = (earliest + factor // 2) // factor - 1
            latest = (latest + factor // 2) // factor
        # One more on each side through every convolution of width three.
        return max(-earliest, latest) + self.frame_layers

    def build(self, input_shape) -> None:
        self.convolution.build(input_shape)
        shape = (*input_shape[:-1], self.channels)
        for convolution in self.further_convolutions:
            convolution.build(shape)
        for expansion in self.expansions:
            expansion.build(shape)
            shape = expansion.compute_output_shape(shape)

    def call(self, frames):
        context = self.context_frames
        first = ops.repeat(frames[:, :1], context, axis=1)
        last = ops.repeat(frames[:, -1:], context, axis=1)
        x = self.convolution(ops.concatenate([first, frames, last], axis=1))
        for layer in (*self.further_convolutions, *self.expansions):
            x = layer(ops.leaky_relu(x, 0.4))
        extension = context * math.prod(self.factors)
        return x[:, extension:-extension]

    def compute_output_shape(self, input_shape):
        batch, frames, _ = input_shape
        if frames is not None:
            frames *= math.prod(self.factors)
        return (batch, frames, self.channels)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "factors": self.factors,
            "frame_layers": self.frame_layers,
        }
