"""The teacher: WaveNet."""

import keras
from keras import ops

from pwavenet_tf.audio.signal import delayed, pre_emphasis
from pwavenet_tf.core.config import AudioContract, Conditioning, TeacherConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.teacher import Teacher


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class WaveNet(Teacher):
    """Autoregressive WaveNet (1609.03499; 1711.10433, section 2).

    Calls, loss and pre-emphasis are those of a `Teacher`.

    Args:
        audio: The acoustic contract of its mel spectrograms.
        conditioning: What it is conditioned on besides the past audio.
        dilations: Dilation of each layer.
        filter_width: Filter width of the dilated convolutions, at least 2.
        residual_channels: Channels between the layers.
        gate_channels: Channels of each gate.
        skip_channels: Channels of the skip connections and of the layer
            before the output.
        head: The output distribution: `mixture_of_logistics` or `gaussian`
            over 16-bit PCM values, or `mu_law`, 256 classes, with which
            the network also reads the past as one-hot codes.
        mixture_components: Logistics in the mixture.

    Raises:
        UserError: If the head is not known, the filter width is below 2, or
            the conditioning does not suit the contract.

    Example:
        teacher = WaveNet.from_preset(preset("nano"), corpus.contract)
        teacher.compile("adam", jit_compile=True)
        teacher.fit(corpus.training_clips(...), steps_per_epoch=100)
    """

    sizes = TeacherConfig

    def __init__(
        self,
        audio: AudioContract,
        conditioning: Conditioning,
        dilations: tuple[int, ...],
        filter_width: int = 3,
        residual_channels: int = 64,
        gate_channels: int = 64,
        skip_channels: int = 64,
        head: str = "mixture_of_logistics",
        mixture_components: int = 10,
        **kwargs,
    ) -> None:
        super().__init__(
            audio, conditioning, head, mixture_components, **kwargs
        )
        if filter_width < 2:
            raise UserError(
                f"filter_width is {filter_width}; a WaveNet needs at least 2"
            )
        self.dilations = tuple(dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.stack = GatedStack(
            self.dilations,
            residual_channels,
            gate_channels,
            skip_channels,
            filter_width,
            self.input_std,
            self.conditioner.stride,
            # The past is learnt first: it is harder to learn under random
            # projections of the conditioning.
            conditioning_initializer="zeros",
            dtype=self.dtype_policy,
        )
        self.before_output = keras.layers.Dense(
            skip_channels, dtype=self.dtype_policy
        )
        self._make_output()

    @property
    def receptive_field(self) -> int:
        """Samples before t that the distribution of x_t depends on."""
        return self.stack.receptive_field

    def build(self, input_shape=None) -> None:
        self.conditioner.build()
        shapes = self.conditioner.shapes_to_build
        channels = self.head_class.input_channels()
        self.stack.build((None, None, channels), **shapes)
        skip = (None, None, self.skip_channels)
        self.before_output.build(skip)
        self.output_parameters.build(skip)
        self.built = True

    def parameters_given(self, audio, conditioning: dict):
        audio = ops.cast(audio, "float32")
        series = pre_emphasis(audio, self.audio.pre_emphasis)
        past = self.head_class.network_input(series)
        past = ops.cast(past, self.compute_dtype)
        x = ops.relu(self.stack(past, **conditioning))
        x = ops.relu(self.before_output(x))
        parameters = self.output_parameters(ops.cast(x, "float32"))
        return self.undo_pre_emphasis(parameters, delayed(audio))

    def get_config(self):
        return super().get_config() | {
            "dilations": self.dilations,
            "filter_width": self.filter_width,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "skip_channels": self.skip_channels,
        }
