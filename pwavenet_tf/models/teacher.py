"""What teachers share: an exact likelihood, one sample after the other."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.signal import weighted_mean
from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import ReplicatedModel, batch_share
from pwavenet_tf.models.conditioning import Conditioner
from pwavenet_tf.models.distributions import HEADS, ContinuousHead, Head

# The conditioning is the same for many samples in every layer, and Adam moves
# all weights at one rate: at full scale each step changes the whole network,
# and the past, from which there is more to learn, is learnt more slowly.
_CONDITIONING_SCALE = 0.1


class Teacher(ReplicatedModel):
    """An autoregressive model of audio, p(x | c) = Π_t p(x_t | x_<t, c).

    Each factor is a distribution over PCM values, with a gradient to the past
    where the head is continuous: a student can then be distilled from it.
    Compile it with an optimiser alone: its loss is the negative
    log-likelihood, in nats per valid sample.

    Where the contract has pre-emphasis, the network reads y_<t, with y_t =
    x_t - a x_{t-1}, and gives the distribution of y_t; that of x_t is the
    same shifted by a x_{t-1}. So all its results are about the audio itself,
    and its nats compare with those of any other model.

    Args:
        audio: The acoustic contract of its mel spectrograms.
        conditioning: What it is conditioned on besides the past audio.
        head: The output distribution: `mixture_of_logistics` or `gaussian`
            over 16-bit PCM values, or `mu_law`, 256 classes, with which
            the network also reads the past as codes.
        mixture_components: Logistics in the mixture.

    Call arguments:
        inputs: `audio` `(batch, time)` of PCM values j / 32768 in [-1, 1),
            and what `Conditioner` reads, where time = frames * hop length.
            A model with an encoder encodes this audio, unless an `encoding`
            is given too. Other keys are ignored.

    Returns:
        `(batch, time, channels of the head)`: parameters of p(x_t | x_<t),
        for `head_class`.

    Raises:
        UserError: If the head is not known, or the conditioning does not suit
            the contract.

    Attributes:
        sizes: The dataclass of its sizes in a preset.
    """

    sizes: type[Any]

    def __init__(
        self,
        audio: AudioContract,
        conditioning: Conditioning,
        head: str,
        mixture_components: int,
        **kwargs,
    ) -> None:
        # Audio stays float32 under mixed precision until the head has turned it
        # into the network's input.
        super().__init__(autocast=False, **kwargs)
        self.audio = AudioContract.from_config(audio)
        _require_possible(head, self.audio)
        self.conditioning = Conditioning.from_config(conditioning)
        self.head = head
        self.head_class: type[Head] = HEADS[head]
        self.mixture_components = mixture_components
        self.conditioner = Conditioner(
            self.audio, self.conditioning, dtype=self.dtype_policy
        )

    def _make_output(self) -> None:
        """Makes the last layer, after the network's own."""
        self.nats = keras.metrics.Mean(name="nats")
        self.output_parameters = keras.layers.Dense(
            self.head_class.channels(self.mixture_components),
            # A tenth of the usual: the initial output is the head's bias.
            kernel_initializer=keras.initializers.VarianceScaling(
                0.01, "fan_avg", "uniform"
            ),
            bias_initializer=keras.initializers.Constant(
                self.head_class.initial_bias(self.mixture_components)
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

        Raises:
            UserError: If the preset's teacher is of another kind.
        """
        config = preset.teacher
        if not isinstance(config, cls.sizes):
            raise UserError(
                f"the teacher of the preset {preset.name} is no "
                f"{cls.__name__}; choose another preset"
            )
        audio = audio or preset.audio
        conditioning = conditioning or preset.conditioning
        config = cls.suited_sizes(config, conditioning)
        if not issubclass(HEADS[config.head], ContinuousHead):
            # Classes have no location for pre-emphasis to shift.
            audio = dataclasses.replace(audio, pre_emphasis=0.0)
        return cls(audio, conditioning, **dataclasses.asdict(config))

    @classmethod
    def suited_sizes(cls, sizes, conditioning: Conditioning):
        """A preset's sizes without what a conditioning or a head rules out."""
        return sizes

    @property
    def receptive_field(self) -> int:
        """Samples before t that x_t depends on; 0 of a teacher with a state."""
        return 0

    @property
    def input_std(self) -> float:
        """The standard deviation that the network expects of its input."""
        return self.head_class.input_std * self.audio.emphasised_std

    def call(self, inputs):
        conditioning = self.layer_conditioning(inputs)
        return self.parameters_given(inputs["audio"], conditioning)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """The encoding of a recording; see `Conditioner.encode`."""
        return self.conditioner.encode(audio)

    def layer_conditioning(self, inputs) -> dict:
        """The conditioning of every layer: keyword arguments of the stack."""
        outputs = self.conditioner(inputs).items()
        return {name: _CONDITIONING_SCALE * x for name, x in outputs}

    def parameters_given(self, audio, conditioning: dict):
        """As `call`, from what `layer_conditioning` returned."""
        raise NotImplementedError

    def undo_pre_emphasis(self, parameters, last):
        """Parameters of p(x_t | x_<t), from those of y_t and from x_{t-1}.

        `(..., channels of the head)` and `(...)`.
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
        loss, valid_samples = self.mean_nats(y, y_pred, sample_weight)
        self.nats.update_state(loss, valid_samples)
        return loss * batch_share(valid_samples)

    def mean_nats(self, audio, parameters, weight=None):
        """-ln p in nats per sample, and the number of valid samples.

        `parameters` is what `call` returned; `weight`, `(batch, time)`, is 1
        for valid samples. Without it all are, and their number is `None`.
        """
        negative = -self.head_class(parameters).log_prob(audio)
        valid_samples = None if weight is None else ops.sum(weight)
        return weighted_mean(negative, weight), valid_samples

    def compute_output_shape(self, input_shape):
        channels = self.head_class.channels(self.mixture_components)
        return (*input_shape["audio"], channels)


def _require_possible(head: str, audio: AudioContract) -> None:
    if head not in HEADS:
        raise UserError(
            f"head {head!r} is not known; choose from {', '.join(HEADS)}"
        )
    if audio.pre_emphasis and not issubclass(HEADS[head], ContinuousHead):
        raise UserError(
            f"the head {head} has no location for pre-emphasis to shift; "
            "use another head, or a contract with pre_emphasis=0"
        )
