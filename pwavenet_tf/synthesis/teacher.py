"""Cached sampling from a teacher, one sample after the other."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from pwavenet_tf.models.incremental import (
    CachedNetwork,
    CachedState,
    ChunkConditioner,
)
from pwavenet_tf.models.inputs import Features, Seed, batch_and_frames
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.sample_rnn_generation import CachedTiers, TierState
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer


class CachedSampler(StreamingSynthesizer):
    """Samples audio from a teacher at a cost of O(layers) per sample.

    A WaveNet keeps activations (Fast WaveNet, 1611.09482), a SampleRNN the
    states of its tiers.

    Args:
        teacher: The teacher. Its weights are read again by every call.
        jit_compile: Compile the loop with XLA.
        chunk_frames: Frames sampled by one call of the compiled loop. Memory
            depends on it, the result does not.
    """

    def __init__(
        self, teacher: Teacher, jit_compile: bool = True, chunk_frames: int = 40
    ) -> None:
        self.teacher = teacher
        self.chunk_frames = chunk_frames
        self.contract = teacher.audio
        self.conditioning = teacher.conditioning
        self._head = teacher.head_class
        self.uniforms_per_sample = self._head.uniforms_per_sample(
            teacher.mixture_components
        )
        self.network = (
            CachedTiers(teacher)
            if isinstance(teacher, SampleRNN)
            else CachedNetwork(teacher)
        )
        self.condition = ChunkConditioner(
            teacher.layer_conditioning,
            teacher.conditioner,
            teacher.conditioner.context_frames,
        )
        self.context_frames = self.condition.context_frames
        self._sample, self._score = (
            tf.function(chunk, jit_compile=jit_compile, autograph=False)
            for chunk in (self._sample_chunk, self._score_chunk)
        )

    def checked_chunks(
        self,
        features: dict[str, np.ndarray],
        seed: Seed = 0,
        temperature: float = 1.0,
        block_frames: int | None = None,
    ) -> Iterator[np.ndarray]:
        # Samples are slow: none is computed beyond the end.
        _, frames = batch_and_frames(features)
        block = min(block_frames or self.chunk_frames, frames)
        return super().checked_chunks(features, seed, temperature, block)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        return self.teacher.encode(audio)

    def initial_state(self, batch: int) -> CachedState | TierState:
        return self.network.initial_state(batch)

    def advance(self, state, features, uniforms, temperature):
        conditioning = self.condition.compute(features)
        return self.sample(state, conditioning, uniforms, temperature)

    def sample(self, state, conditioning, uniforms, temperature=1.0):
        """Samples audio `(batch, time)`, and returns the state after it.

        The uniforms are `(batch, time, uniforms_per_sample)`, in [0, 1); the
        conditioning is from `condition`, for as many samples; the temperature
        is that of `Head.sample`.
        """
        temperature = tf.constant(temperature, tf.float32)
        return self._sample(state, conditioning, uniforms, temperature)

    def score(self, state, conditioning, audio):
        """The distributions' parameters along given audio, and the state after.

        `(batch, time, channels of the head)`, equal to the parallel network's.
        """
        return self._score(state, conditioning, audio)

    def _sample_chunk(self, state, conditioning, uniforms, temperature):
        uniforms = tf.transpose(uniforms, (1, 0, 2))

        def choose(step, parameters):
            return self._head(parameters).sample(uniforms[step], temperature)

        return self._loop(state, conditioning, uniforms.shape[0], choose)

    def _score_chunk(self, state, conditioning, audio):
        audio = tf.transpose(audio)
        return self._loop(
            state,
            conditioning,
            audio.shape[0],
            lambda step, _: audio[step],
            keep_parameters=True,
        )

    def _loop(self, state, conditioning, steps, choose, keep_parameters=False):
        weights = self.network.weights()
        added = self.network.projected(weights, conditioning, state.position)
        outputs = tf.TensorArray(tf.float32, steps)

        def advance(step, state, outputs):
            parameters, kept = self.network.step(state, added(step), weights)
            newest = choose(step, parameters)
            outputs = outputs.write(
                step, parameters if keep_parameters else newest
            )
            return step + 1, self.network.after(state, kept, newest), outputs

        _, state, outputs = tf.while_loop(
            lambda step, *_: step < steps,
            advance,
            (0, state, outputs),
            maximum_iterations=steps,
        )
        return tf.experimental.numpy.swapaxes(outputs.stack(), 0, 1), state


def generate(
    teacher: Teacher,
    features: Features,
    seed: int = 0,
    temperature: float = 1.0,
) -> np.ndarray:
    """Samples audio from the teacher; see `CachedSampler`.

    Args:
        teacher: The teacher.
        features: What the teacher reads, normalised as its contract says; a
            mel spectrogram `(batch, frames, mels)` may stand alone. Without a
            batch axis they give audio without one.
        seed: The same seed gives the same audio.
        temperature: 1 samples from the model itself, less is smoother.

    Returns:
        `(batch, time)`: 16-bit PCM values in [-1, 1).

    Raises:
        UserError: If the features do not suit the teacher.
    """
    return CachedSampler(teacher)(features, seed, temperature)
