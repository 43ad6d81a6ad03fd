"""NSynth's temporal encoder: from audio to the encoding that it is made of."""

import math

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.signal import mu_law_compressed
from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.layers import CausalConvolution

_FILTER_WIDTH = 3
# Of a recording that is encoded piece by piece.
_CHUNK_FRAMES = 100


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class EncoderBlock(KeepsArguments, keras.layers.Layer):
    """A residual layer of the encoder (1704.01279, section 2.1).

    y_t = x_t + W₂ ReLU(b + Σ_k W_k ReLU(x_{t + (k - 1) · dilation})), where k
    is 0, 1 or 2: it looks back and ahead, and is not padded.

    Input shape: `(batch, time, channels)`.
    Output shape: `(batch, time - 2 * dilation, channels)`.
    """

    def __init__(self, channels: int, dilation: int = 1, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.dilation = dilation
        self.convolution = CausalConvolution(
            channels, _FILTER_WIDTH, dilation, dtype=self.dtype_policy
        )
        self.projection = keras.layers.Dense(channels, dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        self.convolution.build(input_shape)
        self.projection.build((*input_shape[:-1], self.channels))

    def call(self, x):
        inner = self.convolution(ops.relu(x))[:, 2 * self.dilation :]
        centre = x[:, self.dilation : -self.dilation]
        return centre + self.projection(ops.relu(inner))

    def compute_output_shape(self, input_shape):
        batch, time, _ = input_shape
        return (batch, time and time - 2 * self.dilation, self.channels)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class TemporalEncoder(KeepsArguments, keras.layers.Layer):
    """The temporal encoder of NSynth (1704.01279, section 2.1).

    A convolution and residual layers of dilated ones, none of them causal,
    then a projection to few channels, averaged over each frame. It reads
    audio companded by the μ-law but not quantised.

    Before and after the audio there is silence, as many zeros as the layers
    see, and no layer is padded: so a segment that brings `context_frames`
    neighbouring frames with it is encoded exactly as within the whole, and
    zeros that are appended to a recording change nothing.

    Input shape: `(batch, time)`, audio in [-1, 1]; time is a multiple of the
        hop length.
    Output shape: `(batch, time / hop_length, encoding_channels)`.
    """

    def __init__(
        self,
        channels: int,
        dilations: tuple[int, ...],
        encoding_channels: int,
        hop_length: int,
        **kwargs,
    ) -> None:
        # bfloat16 would coarsen the audio before it is companded.
        super().__init__(autocast=False, **kwargs)
        self.channels = channels
        self.dilations = tuple(dilations)
        self.encoding_channels = encoding_channels
        self.hop_length = hop_length
        policy = self.dtype_policy
        self.front = CausalConvolution(channels, _FILTER_WIDTH, dtype=policy)
        self.blocks = [
            EncoderBlock(channels, dilation, dtype=policy)
            for dilation in self.dilations
        ]
        self.bottleneck = keras.layers.Dense(encoding_channels, dtype=policy)

    @property
    def context_samples(self) -> int:
        """Samples on either side of a frame that its encoding depends on."""
        return 1 + sum(self.dilations)

    @property
    def context_frames(self) -> int:
        """The same in whole frames."""
        return math.ceil(self.context_samples / self.hop_length)

    def build(self, input_shape=None) -> None:
        self.front.build((None, None, 1))
        inner = (None, None, self.channels)
        for layer in (*self.blocks, self.bottleneck):
            layer.build(inner)
        self.built = True

    def call(self, audio):
        margin = [self.context_samples] * 2
        x = ops.pad(mu_law_compressed(audio), [[0, 0], margin])
        x = ops.cast(ops.expand_dims(x, -1), self.compute_dtype)
        x = self.front(x)[:, _FILTER_WIDTH - 1 :]
        for block in self.blocks:
            x = block(x)
        batch, time = ops.shape(audio)
        frames = ops.reshape(
            x, (batch, time // self.hop_length, self.hop_length, self.channels)
        )
        # The mean and the projection commute.
        return self.bottleneck(ops.mean(frames, axis=2))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """The encoding of a whole recording, in constant memory.

        From audio `(time,)` of any length, after which there is silence;
        float32 `(frames, encoding_channels)`, equal to that of one call.
        """
        hop, context_frames = self.hop_length, self.context_frames
        frames = math.ceil(len(audio) / hop)
        chunks = math.ceil(frames / _CHUNK_FRAMES)
        length = min(frames, _CHUNK_FRAMES)
        # Chunks of one shape: beyond the ends there is silence.
        margin = context_frames * hop
        after = margin + chunks * length * hop - len(audio)
        padded = np.pad(np.asarray(audio, "float32"), (margin, after))
        encodings = []
        for first in range(0, chunks * length, length):
            chunk = padded[first * hop :][: length * hop + 2 * margin]
            encoding = ops.convert_to_numpy(self(chunk[None]))[0]
            encodings.append(encoding[context_frames:][:length])
        return np.concatenate(encodings)[:frames].astype("float32")

    def compute_output_shape(self, input_shape):
        batch, time = input_shape
        return batch, time and time // self.hop_length, self.encoding_channels
