"""The teacher: WaveNet with a mixture-of-logistics output."""

import dataclasses

import keras
from keras import ops

from pwavenet_tf.config import AudioContract, TeacherConfig
from pwavenet_tf.distributions import MixtureOfLogistics
from pwavenet_tf.layers import GatedStack
from pwavenet_tf.ops import weighted_mean
from pwavenet_tf.upsampling import Upsampler

# The standard deviation of usual recordings, full scale being 1.
_SPEECH_DEVIATION = 0.1


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class WaveNet(keras.Model):
    """Autoregressive WaveNet (1609.03499; 1711.10433, section 2).

    p(x | c) = Π_t p(x_t | x_<t, c), each factor a mixture of discretised
    logistics over 16-bit levels. Compile it with an optimiser alone: its
    loss is the negative log-likelihood, in nats per counted sample.

    Args:
        audio: The acoustic contract of the mel spectrograms it is given.
        dilations: Dilation of each layer.
        filter_width: Filter width of the dilated convolutions.
        residual_channels: Channels between the layers.
        gate_channels: Channels behind each gate.
        skip_channels: Channels of the skip connections and of the layer
            before the output.
        mixture_components: Logistics in the mixture.
        upsampling: Factors of the mel upsampler; their product is the hop
            length.
        conditioning_channels: Channels of the upsampled conditioning.

    Call arguments:
        inputs: `{"audio": (batch, time), "mel": (batch, frames, mels)}`,
            where time = frames * hop length and audio holds levels
            j / 32768 in [-1, 1). Other keys are ignored.

    Returns:
        `(batch, time, 3 * mixture_components)`: parameters of p(x_t | x_<t),
        for `MixtureOfLogistics`.

    Raises:
        UserError: If `upsampling` does not multiply to the hop length.

    Example:
        teacher = WaveNet.from_preset(preset("nano"), corpus.contract)
        teacher.compile("adam", jit_compile=True)
        teacher.fit(corpus.training_clips(...), steps_per_epoch=100)
    """

    def __init__(
        self,
        audio: AudioContract,
        dilations: tuple[int, ...],
        filter_width: int = 3,
        residual_channels: int = 64,
        gate_channels: int = 64,
        skip_channels: int = 64,
        mixture_components: int = 10,
        upsampling: tuple[int, ...] = (10, 20),
        conditioning_channels: int = 32,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.audio = AudioContract.from_config(audio)
        self.audio.require_upsampling(upsampling)
        self.dilations = tuple(dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.mixture_components = mixture_components
        self.upsampling = tuple(upsampling)
        self.conditioning_channels = conditioning_channels
        self.upsampler = Upsampler(
            conditioning_channels, self.upsampling, dtype=self.dtype_policy
        )
        self.stack = GatedStack(
            self.dilations,
            residual_channels,
            gate_channels,
            skip_channels,
            filter_width,
            _SPEECH_DEVIATION,
            dtype=self.dtype_policy,
        )
        self.before_output = keras.layers.Dense(
            skip_channels, dtype=self.dtype_policy
        )
        self.nats = keras.metrics.Mean(name="nats")
        self.output_parameters = keras.layers.Dense(
            3 * mixture_components, dtype="float32"
        )

    @classmethod
    def from_preset(cls, preset, audio: AudioContract | None = None):
        """Builds the teacher of a preset; `audio` with a corpus's statistics.

        Args:
            preset: What `pwavenet_tf.preset` returned.
            audio: `corpus.contract`; the preset's own, whose mel spectrogram
                is not normalised, if left out.
        """
        config: TeacherConfig = preset.teacher
        return cls(audio or preset.audio, **dataclasses.asdict(config))

    @property
    def receptive_field(self) -> int:
        """Samples before t that the distribution of x_t depends on."""
        return self.stack.receptive_field

    def build(self, input_shape=None) -> None:
        conditioning = (None, None, self.conditioning_channels)
        self.upsampler.build((None, None, self.audio.mels))
        self.stack.build((None, None, 1), conditioning)
        skip = (None, None, self.skip_channels)
        self.before_output.build(skip)
        self.output_parameters.build(skip)
        self.built = True

    def call(self, inputs):
        return self.parameters_given(
            inputs["audio"], self.upsampler(inputs["mel"])
        )

    def parameters_given(self, audio, conditioning):
        """As `call`, from the upsampled conditioning `(batch, time, c)`."""
        audio = ops.cast(ops.expand_dims(audio, -1), self.compute_dtype)
        x = ops.relu(self.stack(audio, conditioning))
        x = ops.relu(self.before_output(x))
        return self.output_parameters(ops.cast(x, "float32"))

    def distribution(self, audio, mel) -> MixtureOfLogistics:
        """p(x_t | x_<t, c) at every t, for `audio` and `mel` as in `call`."""
        return MixtureOfLogistics(self({"audio": audio, "mel": mel}))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """-ln p(y) in nats per sample, averaged where `sample_weight` is 1.

        The metric `nats` is the same over all batches: Keras's own mean of
        `loss` takes a batch that hardly counts for a whole one.
        """
        del x, training
        negative = -MixtureOfLogistics(y_pred).log_prob(y)
        loss = weighted_mean(negative, sample_weight)
        counted = None if sample_weight is None else ops.sum(sample_weight)
        self.nats.update_state(loss, counted)
        return loss

    def compute_output_shape(self, input_shape):
        return (*input_shape["audio"], 3 * self.mixture_components)

    def get_config(self):
        return super().get_config() | {
            "audio": dataclasses.asdict(self.audio),
            "dilations": self.dilations,
            "filter_width": self.filter_width,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "skip_channels": self.skip_channels,
            "mixture_components": self.mixture_components,
            "upsampling": self.upsampling,
            "conditioning_channels": self.conditioning_channels,
        }
