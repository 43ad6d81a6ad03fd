"""The teacher: WaveNet."""

import dataclasses

import keras
from keras import ops

from pwavenet_tf.audio.signal import delayed, pre_emphasis, weighted_mean
from pwavenet_tf.core.config import AudioContract, Conditioning, TeacherConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import ReplicatedModel, batch_share
from pwavenet_tf.models.conditioning import Conditioner
from pwavenet_tf.models.distributions import HEADS, ContinuousHead, Head
from pwavenet_tf.models.layers import GatedStack

# The conditioning is the same for many samples in every layer, and Adam moves
# all weights at one rate: at full scale each step changes the whole network,
# and the past, from which there is more to learn, is learnt more slowly.
_CONDITIONING_SCALE = 0.1


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class WaveNet(ReplicatedModel):
    """Autoregressive WaveNet (1609.03499; 1711.10433, section 2).

    p(x | c) = Π_t p(x_t | x_<t, c), each factor a distribution over PCM
    values. Compile it with an optimiser alone: its loss is the negative
    log-likelihood, in nats per valid sample.

    Where the contract has pre-emphasis, the network reads y_<t, with y_t =
    x_t - a x_{t-1}, and gives the distribution of y_t; that of x_t is the
    same shifted by a x_{t-1}. So all its results are about the audio itself,
    and its nats compare with those of any other model.

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

    Call arguments:
        inputs: `audio` `(batch, time)` of PCM values j / 32768 in [-1, 1),
            and what `Conditioner` reads, where time = frames * hop length.
            Other keys are ignored.

    Returns:
        `(batch, time, channels of the head)`: parameters of p(x_t | x_<t),
        for `head_class`.

    Raises:
        UserError: If the head is not known, the filter width is below 2, or
            the conditioning does not suit the contract.

    Example:
        teacher = WaveNet.from_preset(preset("nano"), corpus.contract)
        teacher.compile("adam", jit_compile=True)
        teacher.fit(corpus.training_clips(...), steps_per_epoch=100)
    """

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
        # Audio stays float32 under mixed precision until the head has turned it
        # into the network's input.
        super().__init__(autocast=False, **kwargs)
        self.audio = AudioContract.from_config(audio)
        _require_possible(head, filter_width, self.audio)
        self.conditioning = Conditioning.from_config(conditioning)
        self.dilations = tuple(dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.head = head
        self.head_class: type[Head] = HEADS[head]
        self.mixture_components = mixture_components
        self.conditioner = Conditioner(
            self.audio, self.conditioning, dtype=self.dtype_policy
        )
        self.stack = GatedStack(
            self.dilations,
            residual_channels,
            gate_channels,
            skip_channels,
            filter_width,
            self.head_class.input_std * self.audio.emphasised_std,
            self.conditioner.stride,
            # The past is learnt first: it is harder to learn under random
            # projections of the conditioning.
            conditioning_initializer="zeros",
            dtype=self.dtype_policy,
        )
        self.before_output = keras.layers.Dense(
            skip_channels, dtype=self.dtype_policy
        )
        self.nats = keras.metrics.Mean(name="nats")
        self.output_parameters = keras.layers.Dense(
            self.head_class.channels(mixture_components),
            # A tenth of the usual: the initial output is the head's bias.
            kernel_initializer=keras.initializers.VarianceScaling(
                0.01, "fan_avg", "uniform"
            ),
            bias_initializer=keras.initializers.Constant(
                self.head_class.initial_bias(mixture_components)
            ),
            dtype="float32",
        )

    @classmethod
    def from_preset(
        cls,
        preset,
        audio: AudioContract | None = None,
        conditioning: Conditioning | None = None,
    ):
        """Builds the teacher of a preset, for a corpus if one is given.

        Args:
            preset: What `pwavenet_tf.preset` returned.
            audio: `corpus.contract`; the preset's own, whose mel spectrogram
                is not normalised, if left out.
            conditioning: `corpus.conditioning(preset.conditioning)`; the
                preset's own, without phones and speakers, if left out.
        """
        config: TeacherConfig = preset.teacher
        audio = audio or preset.audio
        if not issubclass(HEADS[config.head], ContinuousHead):
            # Classes have no location for pre-emphasis to shift.
            audio = dataclasses.replace(audio, pre_emphasis=0.0)
        return cls(
            audio,
            conditioning or preset.conditioning,
            **dataclasses.asdict(config),
        )

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

    def call(self, inputs):
        conditioning = self.layer_conditioning(inputs)
        return self.parameters_given(inputs["audio"], conditioning)

    def layer_conditioning(self, inputs) -> dict:
        """The conditioning of every layer: keyword arguments of the stack."""
        conditioning = self.conditioner(inputs)
        return {
            name: _CONDITIONING_SCALE * x for name, x in conditioning.items()
        }

    def parameters_given(self, audio, conditioning: dict):
        """As `call`, from what `layer_conditioning` returned."""
        audio = ops.cast(audio, "float32")
        series = pre_emphasis(audio, self.audio.pre_emphasis)
        past = self.head_class.network_input(series)
        past = ops.cast(past, self.compute_dtype)
        x = ops.relu(self.stack(past, **conditioning))
        x = ops.relu(self.before_output(x))
        parameters = self.output_parameters(ops.cast(x, "float32"))
        return self.undo_pre_emphasis(parameters, delayed(audio))

    def undo_pre_emphasis(self, parameters, last):
        """Parameters of p(x_t | x_<t), from the network's output.

        Args:
            parameters: Of y_t, `(..., channels of the head)`.
            last: x_{t-1}, `(...)`.
        """
        if not self.audio.pre_emphasis:
            return parameters
        offset = self.audio.pre_emphasis * last
        return self.head_class.shifted(parameters, offset)

    def distribution(self, inputs) -> Head:
        """p(x_t | x_<t, c) at every t, for inputs as in `call`."""
        return self.head_class(self(inputs))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """-ln p(y) in nats per sample, averaged where `sample_weight` is 1.

        The metric `nats` is weighted by valid samples; Keras's own mean of
        `loss` weighs all batches alike.
        """
        del x, training
        negative = -self.head_class(y_pred).log_prob(y)
        loss = weighted_mean(negative, sample_weight)
        valid_samples = None
        if sample_weight is not None:
            valid_samples = ops.sum(sample_weight)
        self.nats.update_state(loss, valid_samples)
        return loss * batch_share(valid_samples)

    def compute_output_shape(self, input_shape):
        channels = self.head_class.channels(self.mixture_components)
        return (*input_shape["audio"], channels)

    def get_config(self):
        return super().get_config() | {
            "audio": dataclasses.asdict(self.audio),
            "conditioning": dataclasses.asdict(self.conditioning),
            "dilations": self.dilations,
            "filter_width": self.filter_width,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "skip_channels": self.skip_channels,
            "head": self.head,
            "mixture_components": self.mixture_components,
        }


def _require_possible(
    head: str, filter_width: int, audio: AudioContract
) -> None:
    if head not in HEADS:
        raise UserError(
            f"head {head!r} is not known; choose from {', '.join(HEADS)}"
        )
    if filter_width < 2:
        raise UserError(
            f"filter_width is {filter_width}; a WaveNet needs at least 2"
        )
    if audio.pre_emphasis and not issubclass(HEADS[head], ContinuousHead):
        raise UserError(
            f"the head {head} has no location for pre-emphasis to shift; "
            "use another head, or a contract with pre_emphasis=0"
        )
