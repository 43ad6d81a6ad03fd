"""The phone classifier, which recognises phones in raw audio."""

import dataclasses
import itertools
import math

import keras
from keras import ops

from pwavenet_tf.audio.signal import weighted_mean
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import ReplicatedModel, batch_share
from pwavenet_tf.models.layers import GatedStack

# Standard deviation of speech, which the first stack divides by.
_AUDIO_STD = 0.1


@dataclasses.dataclass(frozen=True)
class PhoneClassifierConfig:
    """Sizes of the phone classifier; see `PhoneClassifier`.

    The look-ahead, audio after a frame that its class depends on, is in
    seconds here.
    """

    dilations: tuple[tuple[int, ...], ...] = (*((1, 2, 4, 8),) * 3, (1, 2, 4))
    channels: tuple[int, ...] = (16, 32, 64, 96)
    filter_width: int = 3
    lookahead_seconds: float = 0.0625
    dropout: float = 0.2


def pooling_strides(hop_length: int, count: int) -> tuple[int, ...]:
    """Splits a hop into so many whole factors, the nearest to each other.

    The smallest comes first.
    """
    divisors = [d for d in range(1, hop_length + 1) if hop_length % d == 0]
    splits = (
        split
        for split in itertools.combinations_with_replacement(divisors, count)
        if math.prod(split) == hop_length
    )
    return min(splits, key=sum)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class PhoneClassifier(ReplicatedModel):
    """A WaveNet-like classifier of phones (1711.10433, section 4.2).

    Stacks of gated, dilated convolutions, each slower than the one before:
    the first has a step for every sample, the last for every frame. Between
    them the activations are rectified, averaged over a stride and normalised.
    All is causal; the look-ahead comes from reading a frame's class some
    frames later.

    It computes in float32 under every policy, because the perceptual losses
    compare its activations. Compile it with an optimiser alone and fit it on
    clips that hold `phones`: its loss is the cross-entropy in nats per valid
    frame.

    Args:
        audio: The acoustic contract; a frame is one hop.
        phones: The phones, known by their places in this list, from 1 on.
        strides: Samples, or steps of the stack before, that each stack but
            the first averages; their product must be the hop length.
        dilations: Dilations of each stack's layers, a tuple for each stack.
        channels: Channels of each stack.
        filter_width: Filter width of the dilated convolutions.
        lookahead_frames: Frames after a frame that its class depends on.
        dropout: Share of the activations between the stacks that training
            leaves out.

    Call arguments:
        inputs: `audio`, float32 `(batch, time)` in [-1, 1], where time =
            frames * hop length. Other keys are ignored.

    Returns:
        Logits, float32 `(batch, frames, 1 + phones)`. Class 0, none or
        unknown, has no training examples.

    Raises:
        UserError: If there are no phones, the sizes differ in number, or the
            strides do not make one hop.
    """

    def __init__(
        self,
        audio: AudioContract,
        phones: tuple[str, ...],
        strides: tuple[int, ...],
        dilations: tuple[tuple[int, ...], ...],
        channels: tuple[int, ...],
        filter_width: int = 3,
        lookahead_frames: int = 5,
        dropout: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.audio = AudioContract.from_config(audio)
        self.phones = tuple(phones)
        self.strides = tuple(strides)
        self.dilations = tuple(tuple(stack) for stack in dilations)
        self.channels = tuple(channels)
        self.filter_width = filter_width
        self.lookahead_frames = lookahead_frames
        self.dropout = dropout
        self._require_possible()
        # The input of a stack is normalised, so all its channels together have
        # this standard deviation.
        read = [_AUDIO_STD, *map(math.sqrt, self.channels)]
        self.stacks = [
            GatedStack(
                stack, width, width, width, filter_width, std, dtype="float32"
            )
            for stack, width, std in zip(
                self.dilations, self.channels, read, strict=False
            )
        ]
        self.normalizations = [
            keras.layers.LayerNormalization(dtype="float32")
            for _ in self.stacks
        ]
        self.drop = keras.layers.Dropout(dropout, dtype="float32")
        self.logits = keras.layers.Dense(1 + len(self.phones), dtype="float32")
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("cross_entropy", "accuracy")
        }

    @classmethod
    def for_phones(
        cls,
        audio: AudioContract,
        phones: tuple[str, ...],
        config: PhoneClassifierConfig | None = None,
    ):
        """Builds a classifier for `corpus.contract` and `corpus.card.phones`.

        Without a config it has the usual sizes.
        """
        config = config or PhoneClassifierConfig()
        hop, rate = audio.hop_length, audio.sample_rate
        return cls(
            audio,
            phones,
            pooling_strides(hop, len(config.channels) - 1),
            config.dilations,
            config.channels,
            config.filter_width,
            round(config.lookahead_seconds * rate / hop),
            config.dropout,
        )

    def _require_possible(self) -> None:
        if not self.phones:
            raise UserError(
                "a phone classifier needs phones; give the corpus's own, "
                "corpus.card.phones"
            )
        if not (
            len(self.strides) + 1 == len(self.channels) == len(self.dilations)
        ):
            raise UserError(
                f"{len(self.dilations)} stacks have {len(self.channels)} "
                f"channels and {len(self.strides)} strides; give as many "
                "channels, and one stride fewer"
            )
        if math.prod(self.strides) != self.audio.hop_length:
            raise UserError(
                f"strides {self.strides} multiply to "
                f"{math.prod(self.strides)}, but the hop length is "
                f"{self.audio.hop_length}; choose strides whose product it is"
            )

    @property
    def receptive_field(self) -> int:
        """Samples before the end of its look-ahead that a frame depends on."""
        step, total = 1, 0
        for stack, stride in zip(self.stacks, (*self.strides, 1), strict=True):
            total += (stack.receptive_field + stride - 1) * step
            step *= stride
        return total

    def build(self, input_shape=None) -> None:
        read = (1, *self.channels)
        for index, stack in enumerate(self.stacks):
            stack.build((None, None, read[index]))
            self.normalizations[index].build((None, None, read[index + 1]))
        self.logits.build((None, None, read[-1]))
        self.built = True

    def call(self, inputs, training=False):
        lookahead = self.lookahead_frames * self.audio.hop_length
        audio = ops.pad(inputs["audio"], [[0, 0], [0, lookahead]])
        _, last = self._forward(audio, training)
        return self.logits(last)[:, self.lookahead_frames :]

    def features(self, audio) -> list:
        """The rectified activations of each stack, before any averaging.

        From audio as in `call`, one `(batch, steps, channels)` for each stack,
        float32 and from 0 on: the first has a step for every sample, the last
        one for every frame.
        """
        return self._forward(ops.cast(audio, "float32"), False)[0]

    def _forward(self, audio, training):
        """What `features` returns, and the input of the output layer."""
        activations, x = [], audio[..., None]
        for index, stride in enumerate((*self.strides, 1)):
            x = ops.relu(self.stacks[index](x))
            activations.append(x)
            batch, length, width = ops.shape(x)
            x = ops.reshape(x, (batch, length // stride, stride, width))
            x = self.normalizations[index](ops.mean(x, axis=2))
            x = self.drop(x, training=training)
        return activations, x

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """-ln p(phone) in nats per frame, averaged over valid frames.

        A frame is weighted by its share of valid samples, and with 0 where
        its phone is not known.

        Read are the inputs x, as given to `call`, with `phones`, int `(batch,
        frames, 3)`, the previous, the current and the next; `y_pred`, what
        `call` returned; and the loss mask `sample_weight`, `(batch, time)`, 1
        for valid samples.
        """
        phone = x["phones"][..., 1]
        weight = ops.cast(phone > 0, "float32")
        if sample_weight is not None:
            shape = (*ops.shape(phone), self.audio.hop_length)
            weight *= ops.mean(ops.reshape(sample_weight, shape), axis=-1)
        cross_entropy = keras.losses.sparse_categorical_crossentropy(
            phone, y_pred, from_logits=True
        )
        loss = weighted_mean(cross_entropy, weight)
        correct = ops.equal(ops.cast(ops.argmax(y_pred, -1), "int32"), phone)
        accuracy = weighted_mean(ops.cast(correct, "float32"), weight)
        valid_frames = ops.sum(weight)
        self.trackers["cross_entropy"].update_state(loss, valid_frames)
        self.trackers["accuracy"].update_state(accuracy, valid_frames)
        return loss * batch_share(valid_frames)

    def compute_output_shape(self, input_shape):
        batch, time = input_shape["audio"]
        frames = None if time is None else time // self.audio.hop_length
        return batch, frames, 1 + len(self.phones)
