"""The acoustic model: from phones to the vocoder's features."""

import dataclasses
from collections.abc import Callable

import keras
from keras import ops

from pwavenet_tf.audio.signal import weighted_mean
from pwavenet_tf.core.config import AudioContract, Settings
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import ReplicatedModel, batch_share

# ln F0 relative to the speaker's mean has about this standard deviation.
_PITCH_STD = 0.2
# Weights of the losses.
_WEIGHTS = {
    "mel": 1.0,
    "duration": 0.3,
    "phone_pitch": 0.1,
    "energy": 0.1,
    "pitch": 0.3,
    "voicing": 0.3,
}
# Ten seconds at eighty frames a second: no phone lasts as long.
_MOST_FRAMES = 800.0


@dataclasses.dataclass(frozen=True)
class AcousticConfig(Settings):
    """Sizes of the acoustic model; see `AcousticModel`.

    Encoder and decoder, of as many channels, are residual blocks over phones
    and over frames, of convolutions of an odd width; `dropout` is the share of
    each block's activations that training leaves out.
    """

    channels: int = 144
    filter_width: int = 5
    encoder_layers: int = 4
    decoder_dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    predictor_channels: int = 96
    dropout: float = 0.1

    def __post_init__(self) -> None:
        self._make_tuples("decoder_dilations")


class ResidualBlock(keras.layers.Layer):
    """A residual block: normalisation, convolution, GELU, projection.

    What the mask leaves out is zero in every convolution, so that padding
    changes nothing.
    """

    def __init__(self, channels, width, dilation, dropout, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        policy = self.dtype_policy
        self.normalization = keras.layers.LayerNormalization(dtype=policy)
        self.convolution = keras.layers.Conv1D(
            channels,
            width,
            padding="same",
            dilation_rate=dilation,
            dtype=policy,
        )
        self.projection = keras.layers.Dense(channels, dtype=policy)
        self.drop = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, input_shape) -> None:
        for layer in (self.normalization, self.convolution, self.projection):
            layer.build((None, None, self.channels))
        self.built = True

    def call(self, x, mask, training=False):
        hidden = self.convolution(self.normalization(x) * mask)
        hidden = self.projection(ops.gelu(hidden))
        return x + self.drop(hidden, training=training)


class VariancePredictor(keras.layers.Layer):
    """One number for each phone, from two convolutions (2006.04558, 2.3)."""

    def __init__(self, channels, dropout, **kwargs) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.convolutions = [
            keras.layers.Conv1D(
                channels, 3, padding="same", activation="relu", dtype=policy
            )
            for _ in range(2)
        ]
        self.normalizations = [
            keras.layers.LayerNormalization(dtype=policy) for _ in range(2)
        ]
        self.drop = keras.layers.Dropout(dropout, dtype=policy)
        self.output_layer = keras.layers.Dense(1, dtype="float32")

    def build(self, input_shape) -> None:
        width = input_shape[-1]
        for convolution, normalization in zip(
            self.convolutions, self.normalizations, strict=True
        ):
            convolution.build((None, None, width))
            width = convolution.filters
            normalization.build((None, None, width))
        self.output_layer.build((None, None, width))
        self.built = True

    def call(self, x, mask, training=False):
        for convolution, normalization in zip(
            self.convolutions, self.normalizations, strict=True
        ):
            x = normalization(convolution(x * mask))
            x = self.drop(x, training=training)
        return self.output_layer(x)[..., 0] * ops.cast(mask[..., 0], "float32")


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class AcousticModel(ReplicatedModel):
    """Phones to mel spectrogram and F0, all frames at once.

    A convolutional relative of FastPitch (2006.06873) and FastSpeech 2
    (2006.04558): an encoder over phones; predictors of each phone's duration,
    pitch and energy, which in training are the recording's; length
    regulation, which repeats each phone's vector for its frames; a decoder
    over frames. Besides the mel spectrogram the decoder gives F0 and voicing
    of every frame, for vocoders that read them.

    The mel spectrogram of least absolute error is smoother than any
    recording's. `band_gain` undoes that on the average: each band's deviation
    from its mean is scaled to the variance of the recordings (the global
    variance of Toda and Tokuda, 2007). Training does not use it.

    Compile it with an optimiser alone and fit it on batches of
    `pwavenet_tf.corpus.phone_sequences`.

    Args:
        audio: The acoustic contract, with statistics.
        phones: The phones, known by their places in this list, from 1 on.
        mean_pitch_hz: Geometric mean of the speaker's F0, Hz.
        language: The voice of espeak-ng that the phones come from.
        config: Sizes.

    Call arguments:
        inputs: `phones` int `(batch, phones)`, 0 after the last; `durations`
            int, frames of each; `phone_pitch`, mean ln(F0 / mean) over its
            voiced frames, 0 without any; `energy`, its mean over frames and
            bands; all `(batch, phones)`. `mel` `(batch, frames, mels)`, of
            which only the number of frames is read.

    Returns:
        `mel` `(batch, frames, mels)`, normalised by the contract; `pitch`
        `(batch, frames)`, ln(F0 / mean); `voicing` `(batch, frames)`, logits;
        and the predicted `log_duration`, `phone_pitch` and `energy`,
        `(batch, phones)`.

    Raises:
        UserError: If there are no phones or the contract has no statistics.
    """

    def __init__(
        self,
        audio: AudioContract,
        phones: tuple[str, ...],
        mean_pitch_hz: float,
        language: str = "en-us",
        config: AcousticConfig | dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.audio = AudioContract.from_config(audio)
        self.phones = tuple(phones)
        self.mean_pitch_hz = float(mean_pitch_hz)
        self.language = language
        self.config = config = AcousticConfig.from_config(config or {})
        if not self.phones or not self.audio.mel_mean:
            raise UserError(
                "an acoustic model needs the corpus's phones and mel "
                "statistics; prepare it with "
                "--conditioning=mel,linguistic,pitch"
            )
        width, drop = config.channels, config.dropout
        policy = {"dtype": self.dtype_policy}
        self.embedding = keras.layers.Embedding(
            1 + len(self.phones), width, **policy
        )
        self.encoder = [
            ResidualBlock(width, config.filter_width, 1, drop, **policy)
            for _ in range(config.encoder_layers)
        ]
        self.predictors = {
            name: VariancePredictor(config.predictor_channels, drop, **policy)
            for name in ("log_duration", "phone_pitch", "energy")
        }
        self.variance_projection = keras.layers.Dense(width, **policy)
        self.position_projection = keras.layers.Dense(width, **policy)
        self.decoder = [
            ResidualBlock(width, config.filter_width, dilation, drop, **policy)
            for dilation in config.decoder_dilations
        ]
        self.normalization = keras.layers.LayerNormalization(**policy)
        self.output_projection = keras.layers.Dense(
            self.audio.mels + 2, dtype="float32"
        )
        self.band_gain = self.add_weight(
            shape=(self.audio.mels,),
            initializer="ones",
            trainable=False,
            name="band_gain",
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in _WEIGHTS
        }

    def build(self, input_shape=None) -> None:
        """Creates the weights; no shapes are needed."""
        width = self.config.channels
        self.embedding.build((None, None))
        for block in (*self.encoder, *self.decoder):
            block.build((None, None, width))
        for predictor in self.predictors.values():
            predictor.build((None, None, width))
        self.variance_projection.build((None, None, 2))
        self.position_projection.build((None, None, 3))
        self.normalization.build((None, None, width))
        self.output_projection.build((None, None, width))
        self.built = True

    @property
    def metrics(self):
        """The loss and its terms."""
        return [*super().metrics, *self.trackers.values()]

    def encode(self, phones, training=False):
        """Phones as vectors, `(batch, phones, channels)`."""
        mask = self._mask(phones)
        hidden = self.embedding(phones)
        for block in self.encoder:
            hidden = block(hidden, mask, training=training)
        return hidden

    def predict_variances(self, encoded, phones, training=False) -> dict:
        """`log_duration`, `phone_pitch` and `energy`, `(batch, phones)`.

        The duration is in frames; the pitch is ln(F0 / mean).
        """
        mask = self._mask(phones)
        predicted = {
            name: predictor(encoded, mask, training=training)
            for name, predictor in self.predictors.items()
        }
        predicted["phone_pitch"] *= _PITCH_STD
        return predicted

    def decode(
        self, encoded, durations, phone_pitch, energy, frames, training=False
    ) -> dict:
        """`mel`, `pitch` and `voicing` of `frames` frames, a scalar.

        From what `encode` gave, durations, integers in frames, pitch, ln(F0 /
        mean), and energy, all `(batch, phones)`. Frames after the last phone's
        are zero in every convolution.
        """
        variances = ops.stack([phone_pitch / _PITCH_STD, energy], axis=-1)
        variances = ops.cast(variances, encoded.dtype)
        encoded = encoded + self.variance_projection(variances)
        durations = ops.cast(durations, "float32")
        ends = ops.cumsum(durations, axis=1)[:, None]
        starts = ends - durations[:, None]
        time = ops.cast(ops.arange(frames), "float32")[None, :, None]
        member = ops.cast((time >= starts) & (time < ends), "float32")
        mask = ops.sum(member, axis=-1, keepdims=True)
        # Of the phone that each frame belongs to; a matrix product would
        # round them on accelerators.
        start = ops.sum(member * starts, axis=-1, keepdims=True)
        length = ops.sum(member * durations[:, None], axis=-1, keepdims=True)
        length = ops.maximum(length, 1.0)
        position = (time + 0.5 - start) / length * mask
        place = ops.concatenate(
            [position, 1.0 - position, ops.log(length)], axis=-1
        )
        member, mask, place = (
            ops.cast(one, encoded.dtype) for one in (member, mask, place)
        )
        hidden = ops.matmul(member, encoded) + self.position_projection(place)
        for block in self.decoder:
            hidden = block(hidden, mask, training=training)
        output = self.output_projection(self.normalization(hidden))
        output *= ops.cast(mask, "float32")
        return {
            "mel": output[..., : self.audio.mels],
            "pitch": output[..., -2] * _PITCH_STD,
            "voicing": output[..., -1],
        }

    def call(self, inputs, training=False):
        phones = inputs["phones"]
        encoded = self.encode(phones, training)
        frames = self.decode(
            encoded,
            inputs["durations"],
            inputs["phone_pitch"],
            inputs["energy"],
            ops.shape(inputs["mel"])[1],
            training,
        )
        return frames | self.predict_variances(encoded, phones, training)

    def durations(self, log_duration, phones, rate=1.0):
        """Whole frames from predicted logarithms, 1 at least for each phone.

        Integers `(batch, phones)`, 0 after the last phone, from what `call`
        predicts. `rate`, for each row or one for all, is relative to the
        model's own.
        """
        rate = ops.reshape(ops.cast(rate, "float32"), (-1, 1))
        frames = ops.round(ops.exp(log_duration) / rate)
        frames = ops.clip(frames, 1.0, _MOST_FRAMES)
        return ops.cast(frames * ops.cast(phones > 0, frames.dtype), "int32")

    def generate(self, phones, rate=1.0, pitch=1.0) -> dict:
        """The vocoder's features of phones.

        Args:
            phones: Integers `(batch, phones)`, 0 after the last.
            rate: How much faster than the model's own rate; for each row, or
                one for all.
            pitch: Factor of F0, likewise.

        Returns:
            `mel` `(batch, frames, mels)`, normalised, of the recordings'
            variance; `pitch` `(batch, frames, 2)`, ln F0 in Hz and the
            voicing; `durations` `(batch, phones)` in frames.
        """
        encoded = self.encode(phones)
        variances = self.predict_variances(encoded, phones)
        log_duration = variances.pop("log_duration")
        durations = self.durations(log_duration, phones, rate)
        total = ops.max(ops.sum(durations, axis=1))
        output = self.decode(encoded, durations, **variances, frames=total)
        factor = ops.reshape(ops.cast(pitch, "float32"), (-1, 1))
        return {
            "mel": self.sharpened(output["mel"]),
            "pitch": ops.stack(
                [
                    output["pitch"] + ops.log(self.mean_pitch_hz * factor),
                    ops.cast(output["voicing"] > 0, "float32"),
                ],
                axis=-1,
            ),
            "durations": durations,
        }

    def generate_function(self) -> Callable:
        """`generate` as one TensorFlow graph for any number of phones."""
        import tensorflow as tf

        phones = tf.TensorSpec((None, None), tf.int32)
        factor = tf.TensorSpec((None,), tf.float32)
        signature = [phones, factor, factor]
        return tf.function(self.generate, signature, autograph=False)

    def sharpened(self, mel):
        """A generated mel spectrogram with the variance of recordings."""
        return mel * self.band_gain

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The mean absolute error of the mel spectrogram, and smaller terms.

        Weighted: the squared errors of ln duration, and of pitch and energy of
        phones, each in units of its standard deviation; the absolute error of
        F0 over voiced frames; the cross-entropy of voicing. The mel
        spectrogram's is over frames and bands, normalised.

        Read are the inputs x, as given to `call`, with `pitch`, `(batch,
        frames, 2)`, ln(F0 / mean) and voicing; and `y_pred`, what `call`
        returned.
        """
        known = ops.cast(x["phones"] > 0, "float32")
        frames = ops.shape(x["mel"])[1]
        lengths = ops.sum(ops.cast(x["durations"], "int32"), axis=1)
        valid = ops.cast(ops.arange(frames)[None] < lengths[:, None], "float32")
        pitch, voicing = x["pitch"][..., 0], x["pitch"][..., 1]
        voiced = voicing * valid
        # Where a phone lasts no frame, its logarithm is still finite.
        durations = ops.maximum(ops.cast(x["durations"], "float32"), 1.0)
        log_duration, scale = ops.log(durations), 1.0 / _PITCH_STD
        phone_pitch = scale * (x["phone_pitch"] - y_pred["phone_pitch"])
        cross_entropy = ops.binary_crossentropy(
            voicing, y_pred["voicing"], from_logits=True
        )
        errors = {
            "mel": (ops.mean(ops.abs(x["mel"] - y_pred["mel"]), -1), valid),
            "voicing": (cross_entropy, valid),
            "pitch": (scale * ops.abs(pitch - y_pred["pitch"]), voiced),
            "duration": ((log_duration - y_pred["log_duration"]) ** 2, known),
            "phone_pitch": (phone_pitch**2, known),
            "energy": ((x["energy"] - y_pred["energy"]) ** 2, known),
        }
        total = 0.0
        for name, (error, weight) in errors.items():
            term = weighted_mean(ops.cast(error, "float32"), weight)
            self.trackers[name].update_state(term, ops.sum(weight))
            total += _WEIGHTS[name] * term
        return total * batch_share(ops.sum(valid))

    def compute_output_shape(self, input_shape):
        batch, frames, mels = input_shape["mel"]
        of_phones = input_shape["phones"]
        return {
            "mel": (batch, frames, mels),
            "pitch": (batch, frames),
            "voicing": (batch, frames),
        } | dict.fromkeys(self.predictors, of_phones)

    def _mask(self, phones):
        return ops.cast(phones > 0, self.compute_dtype)[..., None]
