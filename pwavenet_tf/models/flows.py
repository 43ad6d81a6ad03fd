"""The student's flows: their step and their network."""

import keras
from keras import ops

from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.layers import GatedStack

# Standard deviation of the last layer's initial weights. The residuals of many
# layers add up before it: at 0.01 thirty untrained layers made μ so large that
# the inverse of the flow, a recursive filter, was unstable.
_OUTPUT_STD = 0.003

# How far one flow's ln s may be from its centre. With wider bounds one bad
# step can make a scale diverge.
LOG_SCALE_BOUND = 2.0


def affine_step(x, location, scale):
    """One step of a flow from its input, x · s + μ, elementwise."""
    return x * scale + location


def inverse_affine_step(x, location, inverse_scale):
    """The inverse of `affine_step` from its output, (x - μ) · 1/s."""
    return (x - location) * inverse_scale


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class FlowNetwork(KeepsArguments, keras.layers.Layer):
    """The WaveNet inside one flow: (μ_t, ln s_t) from the series before t.

    The layout of the teacher without skip connections (1711.10433, section
    3). ln s is bounded softly, `log_scale_centre ± 2`, so that no flow alone
    can collapse or explode; both outputs are float32 under any policy.

    Args:
        dilations: Dilation of each layer.
        residual_channels: Channels between the layers.
        gate_channels: Channels of each gate.
        filter_width: Filter width of the dilated convolutions.
        log_scale_centre: ln s of the untrained network.
        input_deviation: Standard deviation that x is expected to have.
        stride: Samples for each vector of the conditioning.

    Call arguments:
        x: The series `(batch, time)`.
        conditioning: `(batch, time / stride, conditioning_channels)`, or
            `None`.
        speaker: `(batch, 1, channels)`, or `None`.
        sinusoids: `(batch, time, harmonics)`, or `None`.

    Returns:
        `(location, log_scale)`, each `(batch, time)`.
    """

    def __init__(
        self,
        dilations: tuple[int, ...],
        residual_channels: int,
        gate_channels: int,
        filter_width: int = 3,
        log_scale_centre: float = 0.0,
        input_deviation: float = 1.0,
        stride: int = 1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.dilations = tuple(dilations)
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.filter_width = filter_width
        self.log_scale_centre = log_scale_centre
        self.input_deviation = input_deviation
        self.stride = stride
        self.stack = GatedStack(
            self.dilations,
            residual_channels,
            gate_channels,
            None,
            filter_width,
            input_deviation,
            stride,
            dtype=self.dtype_policy,
        )
        self.before_output = keras.layers.Dense(
            residual_channels, dtype=self.dtype_policy
        )
        self.output_pair = keras.layers.Dense(
            2,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=_OUTPUT_STD
            ),
            dtype="float32",
        )

    @property
    def receptive_field(self) -> int:
        """Samples before t that (μ_t, s_t) depend on."""
        return self.stack.receptive_field

    def build(
        self,
        x_shape,
        conditioning_shape=None,
        speaker_shape=None,
        sinusoids_shape=None,
    ) -> None:
        self.stack.build(
            (*x_shape, 1), conditioning_shape, speaker_shape, sinusoids_shape
        )
        inner = (*x_shape, self.residual_channels)
        self.before_output.build(inner)
        self.output_pair.build(inner)

    def call(self, x, conditioning=None, speaker=None, sinusoids=None):
        series = ops.cast(ops.expand_dims(x, -1), self.compute_dtype)
        return self.parameters(
            self.stack(series, conditioning, speaker, sinusoids)
        )

    def parameters(self, residual):
        """(μ, ln s), `(batch, time)` each, from the stack's output."""
        h = ops.relu(self.before_output(ops.relu(residual)))
        return self.location_and_log_scale(
            self.output_pair(ops.cast(h, "float32"))
        )

    def location_and_log_scale(self, pair):
        """(μ, ln s), `(...)` each, from the last layer's `(..., 2)`."""
        # Not by indices: XNNPACK does not support such slices.
        location, raw = (
            ops.squeeze(one, -1) for one in ops.split(pair, 2, axis=-1)
        )
        bounded = LOG_SCALE_BOUND * ops.tanh(raw / LOG_SCALE_BOUND)
        return location, self.log_scale_centre + bounded

    def compute_output_shape(self, x_shape, *others, **more_others):
        return x_shape, x_shape
