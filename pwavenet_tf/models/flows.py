"""The student's flows: their step, their network, and TFP bijectors."""

from collections.abc import Callable

import keras
from keras import ops

from pwavenet_tf.audio.signal import de_emphasis, pre_emphasis
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.tfp import tfb


def affine_step(x, location, scale):
    """One step of a flow, x · s + μ, elementwise.

    Args:
        x: The flow's input.
        location: μ, of the same shape.
        scale: s, of the same shape.
    """
    return x * scale + location


def inverse_affine_step(x, location, inverse_scale):
    """The inverse of `affine_step`, (x - μ) · 1/s, elementwise.

    Args:
        x: The flow's output.
        location: μ, of the same shape.
        inverse_scale: 1/s, of the same shape.
    """
    return (x - location) * inverse_scale


class InverseAutoregressiveFlow(tfb.Bijector):
    """x_t = z_t · s_t + μ_t, with (μ_t, s_t) from z_<t (IAF, 1606.04934).

    Forward maps a whole series at once; ln|det ∂x/∂z| = Σ_t ln s_t. The
    inverse solves z = (x - μ(z)) / s(z) by substitution: because (μ_t, s_t)
    depend on the past only, z_n is final after pass n at the latest: the
    result is exact after as many passes as there are samples, and iteration
    stops as soon as a pass changes nothing.

    Args:
        location_and_log_scale: Maps a series `(batch, time)` to `(location,
            log_scale)`, each `(batch, time)`, such that position t depends on
            positions before t only.
        name: Name of the bijector.
    """

    def __init__(
        self,
        location_and_log_scale: Callable,
        name: str = "inverse_autoregressive_flow",
    ) -> None:
        parameters = dict(locals())
        super().__init__(
            forward_min_event_ndims=1,
            parameters=parameters,
            name=name,
        )
        self.location_and_log_scale = location_and_log_scale

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _forward(self, z):
        location, log_scale = self.location_and_log_scale(z)
        return affine_step(z, location, ops.exp(log_scale))

    def _forward_log_det_jacobian(self, z):
        _, log_scale = self.location_and_log_scale(z)
        return ops.sum(log_scale, axis=-1)

    def _inverse(self, x):
        def is_changing(passes, change, z):
            # NaN is a change too: what is not final yet may overflow.
            return ops.logical_and(passes < ops.shape(x)[-1], change != 0.0)

        def substitute(passes, change, z):
            location, log_scale = self.location_and_log_scale(z)
            following = inverse_affine_step(x, location, ops.exp(-log_scale))
            change = ops.max(ops.abs(following - z))
            return passes + 1, change, following

        start = (0, ops.convert_to_tensor(float("inf")), ops.zeros_like(x))
        return ops.while_loop(is_changing, substitute, start)[-1]


class DeEmphasis(tfb.Bijector):
    """x_t = y_t + a x_{t-1}: from the flows' output to audio.

    Forward is the recursion, inverse is pre-emphasis. Each sample is shifted
    by a function of the past, so ln|det ∂x/∂y| = 0.

    Args:
        coefficient: a, 0 to below 1.
        name: Name of the bijector.
    """

    def __init__(self, coefficient: float, name: str = "de_emphasis") -> None:
        parameters = dict(locals())
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            parameters=parameters,
            name=name,
        )
        self.coefficient = coefficient

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _forward(self, y):
        return de_emphasis(y, self.coefficient)

    def _inverse(self, x):
        return pre_emphasis(x, self.coefficient)

    def _forward_log_det_jacobian(self, y):
        return ops.zeros_like(y[..., 0])


# Standard deviation of the last layer's initial weights. The residuals of many
# layers add up before it: at 0.01 thirty untrained layers made μ so large that
# the inverse of the flow, a recursive filter, was unstable.
_OUTPUT_STD = 0.003

# How far one flow's ln s may be from its centre. With wider bounds one bad
# step can make a scale diverge.
LOG_SCALE_BOUND = 2.0


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class FlowNetwork(keras.layers.Layer):
    """The WaveNet inside one flow: (μ_t, ln s_t) from the series before t.

    The layout of the teacher without skip connections (1711.10433, section
    3). ln s is bounded softly, `centre ± 2`, so that no flow alone can
    collapse or explode; both outputs are float32 under any policy.

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
        self, x_shape, conditioning_shape=None, speaker_shape=None
    ) -> None:
        self.stack.build((*x_shape, 1), conditioning_shape, speaker_shape)
        inner = (*x_shape, self.residual_channels)
        self.before_output.build(inner)
        self.output_pair.build(inner)

    def call(self, x, conditioning=None, speaker=None):
        series = ops.cast(ops.expand_dims(x, -1), self.compute_dtype)
        return self.parameters(self.stack(series, conditioning, speaker))

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

    def compute_output_shape(
        self, x_shape, conditioning_shape=None, speaker_shape=None
    ):
        return x_shape, x_shape

    def get_config(self):
        return super().get_config() | {
            "dilations": self.dilations,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "filter_width": self.filter_width,
            "log_scale_centre": self.log_scale_centre,
            "input_deviation": self.input_deviation,
            "stride": self.stride,
        }
