"""The stack of gated blocks, the body of teacher and flows."""

import keras

from pwavenet_tf.layers import GatedBlock, delay


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class GatedStack(keras.layers.Layer):
    """A series delayed by one sample, then a stack of gated blocks.

    Output t depends on x_{t - receptive_field} … x_{t-1}: never on x_t.

    Args:
        dilations: Dilation of each block.
        residual_channels: Channels between the blocks.
        gate_channels: Channels behind each gate.
        skip_channels: Channels of the skip connections, whose sum is the
            output; `None` for no skip connections, as in the student's
            flows: then the last residual is the output.
        filter_width: Filter width of the dilated convolutions.
        input_deviation: Standard deviation that the series is expected to
            have. The first layer starts as if it divided by it: speech is so
            quiet (0.1) that the network would otherwise have to spend its
            first thousands of steps on hearing it.
        stride: Samples for each vector of the conditioning.
        conditioning_initializer: Of the projections of conditioning and
            speaker.

    Call arguments:
        x: `(batch, time, channels)`.
        conditioning: `(batch, time / stride, conditioning_channels)`, or
            `None`.
        speaker: `(batch, 1, channels)`, or `None`.

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
        self, x_shape, conditioning_shape=None, speaker_shape=None
    ) -> None:
        self.front.build(x_shape)
        inner = (*x_shape[:-1], self.residual_channels)
        for block in self.blocks:
            block.build(inner, conditioning_shape, speaker_shape)

    def call(self, x, conditioning=None, speaker=None):
        x = self.front(delay(x))
        total = None
        for block in self.blocks:
            x, skip = block(x, conditioning, speaker)
            if skip is not None:
                total = skip if total is None else total + skip
        return x if total is None else total

    def compute_output_shape(
        self, x_shape, conditioning_shape=None, speaker_shape=None
    ):
        return (*x_shape[:-1], self.skip_channels or self.residual_channels)

    def get_config(self):
        return super().get_config() | {
            "dilations": self.dilations,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "skip_channels": self.skip_channels,
            "filter_width": self.filter_width,
            "input_deviation": self.input_deviation,
            "stride": self.stride,
            "conditioning_initializer": self.conditioning_initializer,
        }
