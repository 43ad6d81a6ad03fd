"""Conditioning: from features of frames and speakers to each layer's input."""

import math
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from pwavenet_tf.core.config import (
    ARRAY_WIDTHS,
    FRAME_ARRAYS,
    AudioContract,
    Conditioning,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.encoder import TemporalEncoder
from pwavenet_tf.models.inputs import Features

# Channels of each of the three phones' vectors.
_PHONE_CHANNELS = 16

# What the stacks of gated blocks read.
_OF_STACKS = ("conditioning", "speaker", "sinusoids")


@keras.saving.register_keras_serializable(package="pwavenet_tf")
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


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class TransposedConvolution(KeepsArguments, keras.layers.Layer):
    """Transposed convolution whose kernel is twice its stride.

    Every output sees exactly two inputs, so that all outputs are treated
    alike (no checkerboard imbalance). Equal to `keras.layers.Conv1DTranspose`
    with `kernel_size=2 * stride` and `padding="same"`, but computed as one
    matrix product at the input's rate and an overlapping sum.

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
        return batch, length and length * self.stride, self.filters


def with_repeated_ends(frames, count: int):
    """`(batch, frames, channels)` with `count` more of both end frames."""
    first = ops.repeat(frames[:, :1], count, axis=1)
    last = ops.repeat(frames[:, -1:], count, axis=1)
    return ops.concatenate([first, frames, last], axis=1)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class Upsampler(KeepsArguments, keras.layers.Layer):
    """Learned upsampling of frames of features (WaveNet, section 2.5).

    Convolutions over three frames, then transposed convolutions, with leaky
    ReLU between. The ends are extended by repeating the first and the last
    frame `context_frames` times, and only there: a chunk that brings that
    many neighbouring frames with it is upsampled exactly as within the whole.
    `factors` are the strides of the transposed convolutions.

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
        # An attribute of its own, as in files from before `frame_layers`.
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
        """Frames on either side that a frame's samples depend on."""
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
        x = self.convolution(with_repeated_ends(frames, self.context_frames))
        for layer in (*self.further_convolutions, *self.expansions):
            x = layer(ops.leaky_relu(x, 0.4))
        extension = self.context_frames * math.prod(self.factors)
        return x[:, extension:-extension]

    def compute_output_shape(self, input_shape):
        batch, frames, _ = input_shape
        return batch, frames and frames * math.prod(self.factors), self.channels


def by_reader(conditioning: dict) -> tuple[dict, dict]:
    """A model's conditioning: its stacks' part, and the rest.

    The rest is a source-filter flow's or linear prediction's.
    """
    rest = dict(conditioning)
    names = [name for name in _OF_STACKS if name in rest]
    return {name: rest.pop(name) for name in names}, rest


def _embedding(channels: int, dtype) -> keras.layers.Dense:
    """Vectors of identities, as a matrix product with their one-hot codes.

    The tables are small, and the gradient is dense: no special case for XLA,
    averaged weights or several replicas.
    """
    return keras.layers.Dense(
        channels,
        use_bias=False,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5),
        dtype=dtype,
    )


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class Conditioner(KeepsArguments, keras.layers.Layer):
    """All conditioning of teacher and student (WaveNet, section 2.5).

    Mel spectrogram, linguistic features, pitch and encoding, whichever there
    are, are concatenated to one series of frames. It is upsampled to one
    vector a sample or for a few samples, or left at the rate of frames: every
    layer's projection is then computed once for all samples of a vector, which
    is exact because repetition and projection commute. The speaker is one
    vector for all time.

    Args:
        audio: The acoustic contract.
        conditioning: Which inputs there are.

    Call arguments:
        inputs: What `conditioning.inputs` names: `mel` `(batch, frames,
            mels)`; for `linguistic`, `phones`, integers `(batch, frames, 3)`,
            the previous, this and the next one, and `timing` `(batch, frames,
            2)`; `pitch` `(batch, frames, 2)`; `sinusoids` `(batch, frames,
            3)`, from `sinusoid_track`; `encoding` `(batch, frames,
            encoding_channels)` or, in its place, the `audio` to be encoded,
            `(batch, frames * hop length)`; `speaker`, integers `(batch,)`.
            Other keys are ignored.

    Returns:
        A dictionary with any of `conditioning`, `(batch, frames * hop length
        / stride, series_channels)`, `speaker`, `(batch, 1, channels)`, and
        `sinusoids`, `(batch, frames * hop length, harmonics)`: keyword
        arguments of a `GatedStack`.

    Raises:
        UserError: If `upsampling` does not divide the hop length, or the
            model is conditioned on phones or speakers that are not listed.
    """

    def __init__(
        self, audio: AudioContract, conditioning: Conditioning, **kwargs
    ) -> None:
        # The track of sinusoids stays float32 under mixed precision.
        super().__init__(autocast=False, **kwargs)
        self.audio = AudioContract.from_config(audio)
        self.conditioning = Conditioning.from_config(conditioning)
        self.conditioning.require_vocabulary()
        policy = self.dtype_policy
        self.phone_vectors: keras.Layer | None = None
        self.speaker_vectors: keras.Layer | None = None
        self.upsampler: Upsampler | None = None
        self.encoder: TemporalEncoder | None = None
        if "encoding" in self.conditioning.inputs:
            self.encoder = TemporalEncoder(
                self.conditioning.encoder_channels,
                self.conditioning.encoder_dilations,
                self.conditioning.encoding_channels,
                self.audio.hop_length,
                dtype=policy,
            )
        if "linguistic" in self.conditioning.inputs:
            self.phone_vectors = _embedding(_PHONE_CHANNELS, policy)
        channels = self.conditioning.channels
        if "speaker" in self.conditioning.inputs:
            self.speaker_vectors = _embedding(channels, policy)
        factors = self.conditioning.upsampling
        if factors and self._frame_channels:
            self.audio.require_upsampling(factors)
            self.upsampler = Upsampler(
                channels, factors, self.conditioning.frame_layers, dtype=policy
            )

    @property
    def _frame_channels(self) -> int:
        channels = {
            "mel": self.audio.mels,
            "linguistic": 3 * _PHONE_CHANNELS + ARRAY_WIDTHS["timing"],
            "pitch": ARRAY_WIDTHS["pitch"],
            "encoding": self.conditioning.encoding_channels,
        }
        return sum(channels.get(name, 0) for name in self.conditioning.inputs)

    @property
    def stride(self) -> int:
        """Samples for each vector of the series."""
        return self.audio.hop_length // math.prod(self.conditioning.upsampling)

    @property
    def context_frames(self) -> int:
        """Frames on either side that a frame's samples depend on."""
        return 0 if self.upsampler is None else self.upsampler.context_frames

    @property
    def audio_context_frames(self) -> int:
        """The same of audio that is encoded, beyond `context_frames`."""
        return 0 if self.encoder is None else self.encoder.context_frames

    @property
    def series_channels(self) -> int:
        """Channels of the series; 0 if there is none."""
        if self.upsampler is None:
            return self._frame_channels
        return self.conditioning.channels

    def _output_shapes(self, batch=None, time=None) -> dict[str, tuple]:
        shapes: dict[str, tuple] = {}
        if channels := self.series_channels:
            steps = time and time // self.stride
            shapes["conditioning"] = (batch, steps, channels)
        if self.speaker_vectors is not None:
            shapes["speaker"] = (batch, 1, self.conditioning.channels)
        if "sinusoids" in self.conditioning.inputs:
            shapes["sinusoids"] = (batch, time, self.conditioning.harmonics)
        return shapes

    @property
    def shapes_to_build(self) -> dict[str, tuple]:
        """Keyword arguments of the `build` of a `GatedStack`."""
        shapes = self._output_shapes()
        return {f"{name}_shape": shape for name, shape in shapes.items()}

    def build(self, input_shape=None) -> None:
        # One more phone: 0 stands for none and for unknown ones.
        for vectors, names in (
            (self.phone_vectors, ("", *self.conditioning.phones)),
            (self.speaker_vectors, self.conditioning.speakers),
        ):
            if vectors is not None:
                vectors.build((None, len(names)))
        if self.upsampler is not None:
            self.upsampler.build((None, None, self._frame_channels))
        if self.encoder is not None:
            self.encoder.build()

    def with_encoding(self, inputs):
        """Inputs with the encoding of their audio, if needed and not given."""
        if self.encoder is None or "encoding" in inputs:
            return inputs
        # As features are, whatever the encoder computed in.
        encoding = ops.cast(self.encoder(inputs["audio"]), "float32")
        return {**inputs, "encoding": encoding}

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """The encoding of whole recordings, in constant memory.

        Args:
            audio: `(time,)` or `(batch, time)` in [-1, 1], of any length.

        Returns:
            float32 `(frames, channels)` or `(batch, frames, channels)`.

        Raises:
            UserError: If there is no encoder, or the audio has another shape.
        """
        if self.encoder is None:
            raise UserError(
                "this model has no encoder; train one with "
                "--conditioning=encoding"
            )
        audio = np.asarray(audio)
        if audio.ndim not in (1, 2) or not audio.size:
            raise UserError(
                "audio to be encoded must be (time,) or (batch, time), but it "
                f"is {audio.shape}; give recordings of one channel"
            )
        if audio.ndim == 1:
            return self.encoder.encode(audio)
        return np.stack([self.encoder.encode(row) for row in audio])

    def encoded_features(self, features: Features, audio: np.ndarray):
        """A recording's features, with its encoding if needed and not given.

        The features are as `require_features` takes them, the audio is
        `(time,)`, or `(batch, time)` if they have a batch axis.
        """
        given = features if isinstance(features, Mapping) else {"mel": features}
        if self.encoder is None or "encoding" in given:
            return features
        return {**given, "encoding": self.encode(audio)}

    def call(self, inputs):
        inputs = self.with_encoding(inputs)
        outputs = {}
        if self.series_channels:
            frames = ops.concatenate(self._frame_features(inputs), axis=-1)
            outputs["conditioning"] = (
                frames if self.upsampler is None else self.upsampler(frames)
            )
        if self.speaker_vectors is not None:
            speakers = len(self.conditioning.speakers)
            code = ops.one_hot(inputs["speaker"], speakers)
            outputs["speaker"] = self.speaker_vectors(code)[:, None]
        if "sinusoids" in self.conditioning.inputs:
            outputs["sinusoids"] = self._harmonics(inputs["sinusoids"])
        return outputs

    def _harmonics(self, track):
        """Sinusoids at the multiples of F0, none above half the rate."""
        batch, frames, _ = ops.shape(track)
        hop, rate = self.audio.hop_length, self.audio.sample_rate
        count = self.conditioning.harmonics
        multiples = np.arange(1, count + 1, dtype="float32")
        seconds = np.arange(hop, dtype="float32")[:, None] / rate
        track = ops.expand_dims(ops.cast(track, "float32"), 2)
        hertz, voicing, phase = ops.split(track, 3, axis=-1)
        cycles = (phase + hertz * seconds) * multiples
        # A sine of few cycles is exact.
        waves = ops.sin(2.0 * math.pi * (cycles - ops.floor(cycles)))
        audible = ops.cast(hertz * multiples < rate / 2, "float32")
        waves = ops.reshape(
            waves * audible * voicing, (batch, frames * hop, count)
        )
        return ops.cast(waves, self.compute_dtype)

    def _frame_features(self, inputs) -> list:
        features = []
        if "mel" in self.conditioning.inputs:
            features.append(inputs["mel"])
        if self.phone_vectors is not None:
            ids = inputs["phones"]
            code = ops.one_hot(ids, 1 + len(self.conditioning.phones))
            shape = (*ops.shape(ids)[:2], 3 * _PHONE_CHANNELS)
            features.append(ops.reshape(self.phone_vectors(code), shape))
            features.append(inputs["timing"])
        if "pitch" in self.conditioning.inputs:
            features.append(inputs["pitch"])
        if self.encoder is not None:
            features.append(inputs["encoding"])
        return [ops.cast(x, self.compute_dtype) for x in features]

    def compute_output_shape(self, input_shape):
        batch, time, hop = None, None, self.audio.hop_length
        for name, shape in input_shape.items():
            batch = shape[0]
            if name in FRAME_ARRAYS:
                time = shape[1] and shape[1] * hop
            elif name == "audio" and time is None:
                time = shape[1] and shape[1] // hop * hop
        return self._output_shapes(batch, time)
