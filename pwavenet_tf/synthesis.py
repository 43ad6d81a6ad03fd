"""The student's parallel synthesis, in blocks that add up to one pass."""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from pwavenet_tf.model_inputs import Features, is_single
from pwavenet_tf.ops import HIGHEST_LEVEL, LOWEST_LEVEL
from pwavenet_tf.streamed_flows import FlowState, StreamedFlows
from pwavenet_tf.streaming import Seed, Stream, spoken
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.told_frames import ToldFrames


class Synthesizer:
    """Turns features, usually mel spectrograms, into audio with a student.

    Args:
        student: The student.
        chunk_frames: Frames computed at a time. Memory depends on it and not
            on the length of the input; the result does not depend on it.
        jit_compile: Compile the computation of a chunk with XLA: some
            seconds for each new batch size, then faster.

    Example:
        synthesizer = Synthesizer(keras.saving.load_model("student.keras"))
        audio = synthesizer(mel, seed=1)
    """

    draws = 1

    def __init__(
        self,
        student: ParallelWaveNet,
        chunk_frames: int = 160,
        jit_compile: bool = False,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.conditioning = student.conditioning
        self.chunk_frames = chunk_frames
        self.whole_blocks = jit_compile
        self.flows = StreamedFlows(student)
        self.initial_state = self.flows.initial_state
        self._told = ToldFrames(student.conditioner, student.conditioner)
        self.context_frames = self._told.context_frames
        self._advance = tf.function(
            self.block, jit_compile=jit_compile, reduce_retracing=True
        )

    def __call__(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> np.ndarray:
        """Audio `(batch, time)` in [-1, 1).

        Args:
            features: What the student reads, `(batch, frames, channels)`
                each, normalised as its contract says; a mel spectrogram may
                stand alone. Without a batch axis they give audio without one.
            seed: The same seed gives the same audio: one integer, from which
                every row draws its own noise by its place, or one for each
                row, which then sounds as it would alone.
            temperature: Scales the noise: 1 samples from the model itself,
                less is smoother.
        """
        chunks = list(self.chunks(features, seed, temperature))
        audio = np.concatenate(chunks, axis=-1)
        return audio[0] if is_single(features) else audio

    def chunks(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> Iterator[np.ndarray]:
        """As a call, but yields `(batch, samples)` as it is computed."""
        return self.stream([features], seed, temperature)

    def stream(
        self,
        parts: Iterable[Features],
        seed: Seed = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """Yields audio `(batch, samples)` of features that come in parts.

        It is equal to that of the whole, in chunks of `chunk_frames` frames,
        each as soon as `context_frames` frames behind it are known. See
        `Stream` for features that cannot be waited for.

        Args:
            parts: Features as in a call, any number of frames each.
            seed: As in a call.
            temperature: As in a call.
        """
        stream = Stream(self, seed, temperature, self.chunk_frames)
        return spoken(stream, parts)

    def advance(self, state, window, uniforms, temperature):
        """The audio of a block and the state behind it; see `Streamed`."""
        temperature = tf.constant(temperature, tf.float32)
        return self._advance(state, window, uniforms[..., 0], temperature)

    def block(
        self,
        state: FlowState,
        window: dict,
        uniforms: tf.Tensor,
        temperature: tf.Tensor,
        counted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `advance`, for graphs.

        Args:
            state: Behind the block before.
            window: Features of the block and `context_frames` around it.
            uniforms: `(batch, time)`.
            temperature: float32, of all rows, or `(batch, 1)`.
            counted: As `StreamedFlows` takes it.
        """
        noise = temperature * self.student.noise_family.from_uniforms(uniforms)
        told = self._told.of_window(window)
        audio, state = self.flows(state, told, noise, counted)
        return tf.clip_by_value(audio, LOWEST_LEVEL, HIGHEST_LEVEL), state
