"""The student's parallel synthesis, in chunks that add up to one pass."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from pwavenet_tf.errors import UserError
from pwavenet_tf.model_inputs import (
    Features,
    at_frames,
    batch_and_frames,
    is_single,
    require_features,
)
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.ops import HIGHEST_LEVEL, LOWEST_LEVEL
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.upsampling import CONTEXT_FRAMES


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a series of features is divided, in frames.

    Chunk i is computed in a window that starts `left` frames earlier, as far
    as any of its samples can see, and ends `right` frames later, as far as
    the upsampler looks ahead. All windows have one length, so they share one
    compiled computation.
    """

    left: int
    chunk: int
    right: int

    @classmethod
    def of(cls, model: ParallelWaveNet | WaveNet, chunk: int) -> "Windows":
        """The windows that make a model's chunks exact."""
        past = model.audio.frames(model.receptive_field)
        return cls(CONTEXT_FRAMES + past, chunk, CONTEXT_FRAMES)

    def start(self, index):
        """First frame of the window of chunk `index`."""
        return max(0, index * self.chunk - self.left)

    @property
    def length(self) -> int:
        """Frames of every window."""
        return self.left + self.chunk + self.right

    def count(self, frames):
        """Chunks that cover so many frames (an integer or a tensor)."""
        return -(-frames // self.chunk)


def require_temperature(temperature: float) -> None:
    """Refuses a temperature that is negative or not a finite number.

    Raises:
        UserError: If it is.
    """
    if not 0.0 <= temperature < float("inf"):
        raise UserError(
            f"temperature is {temperature}, but it must be a finite number "
            "of 0 or more; 1 samples from the model itself"
        )


class Synthesizer:
    """Turns features, usually mel spectrograms, into audio with a student.

    Args:
        student: The student.
        chunk_frames: Frames computed at a time. Memory depends on it and not
            on the length of the input; the result does not depend on it.
        jit_compile: Compile the computation of a window with XLA: some
            seconds for each new batch size, then faster.

    Example:
        synthesizer = Synthesizer(keras.saving.load_model("student.keras"))
        audio = synthesizer(mel, seed=1)
    """

    def __init__(
        self,
        student: ParallelWaveNet,
        chunk_frames: int = 160,
        jit_compile: bool = False,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.windows = Windows.of(student, chunk_frames)
        self._window = tf.function(self._flows, jit_compile=jit_compile)

    def __call__(
        self, features: Features, seed: int = 0, temperature: float = 1.0
    ) -> np.ndarray:
        """Audio `(batch, time)` in [-1, 1).

        Args:
            features: What the student reads, `(batch, frames, channels)`
                each, normalised as its contract says; a mel spectrogram may
                stand alone. Without a batch axis they give audio without one.
            seed: The same seed gives the same audio.
            temperature: Scales the noise: 1 samples from the model itself,
                less is smoother.
        """
        chunks = list(self.chunks(features, seed, temperature))
        audio = np.concatenate(chunks, axis=-1)
        return audio[0] if is_single(features) else audio

    def chunks(
        self, features: Features, seed: int = 0, temperature: float = 1.0
    ) -> Iterator[np.ndarray]:
        """As a call, but yields `(batch, samples)` as it is computed."""
        features = require_features(
            features, self.contract, self.student.conditioning
        )
        require_temperature(temperature)
        hop = self.contract.hop_length
        batch, frames = batch_and_frames(features)
        windows = self.windows
        for index in range(windows.count(frames)):
            wanted = index * windows.chunk
            start = windows.start(index)
            places = np.arange(start, start + windows.length)
            uniforms = positional_uniforms(
                seed, batch, start * hop, windows.length * hop
            )
            audio = self._window(
                at_frames(features, places),
                uniforms,
                tf.constant(temperature, tf.float32),
            ).numpy()
            end = min(wanted + windows.chunk, frames)
            yield audio[:, (wanted - start) * hop : (end - start) * hop]

    def _flows(self, features, uniforms, temperature):
        noise = temperature * self.student.noise_family.from_uniforms(uniforms)
        audio = self.student(features | {"noise": noise})["audio"]
        return tf.clip_by_value(audio, LOWEST_LEVEL, HIGHEST_LEVEL)

    def graph_synthesis(self, mel, seed, temperature):
        """The whole synthesis as one graph, for any batch and length.

        For a student that reads a mel spectrogram and nothing else.

        Args:
            mel: `(batch, frames, mels)`, at least one frame.
            seed: int64 scalar.
            temperature: float32 scalar.

        Returns:
            `(batch, frames * hop length)`, equal to a call.
        """
        hop, windows = self.student.audio.hop_length, self.windows
        batch, frames = tf.shape(mel)[0], tf.shape(mel)[1]

        def compute(index, audio):
            wanted = index * windows.chunk
            start = tf.maximum(0, wanted - windows.left)
            places = tf.range(start, start + windows.length)
            window = tf.gather(mel, tf.minimum(places, frames - 1), axis=1)
            window.set_shape((None, windows.length, mel.shape[-1]))
            uniforms = positional_uniforms(
                seed, batch, start * hop, windows.length * hop
            )
            uniforms.set_shape((None, windows.length * hop))
            offset = (wanted - start) * hop
            piece = self._flows({"mel": window}, uniforms, temperature)
            piece = piece[:, offset : offset + windows.chunk * hop]
            return index + 1, audio.write(index, tf.transpose(piece))

        count = windows.count(frames)
        audio = tf.TensorArray(
            tf.float32, size=count, element_shape=(windows.chunk * hop, None)
        )
        _, audio = tf.while_loop(
            lambda index, _: index < count,
            compute,
            (0, audio),
            parallel_iterations=1,
        )
        return tf.transpose(audio.concat()[: frames * hop])
