"""Cached sampling from the teacher (Fast WaveNet, 1611.09482).

Every gated block keeps the inputs that its dilated convolution will ask for
in a ring. All rings lie one behind the other in one tensor: a step first
gathers what every block needs of the past in one read, adds up all of it in
one batched product, then walks through the blocks with the newest sample
only, and at the end writes all the new inputs back at once. Reading wholly
before writing lets XLA update the tensor in place.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pwavenet_tf.distributions import MixtureOfLogistics
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.synthesis import require_mel, require_temperature
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.upsampling import CONTEXT_FRAMES


class SamplerState(NamedTuple):
    """What the sampler remembers between two samples.

    Attributes:
        rings: `(sum of ring lengths, batch, residual channels)`.
        newest: The last sample, `(batch,)`.
        position: How many samples there have been, int32.
    """

    rings: tf.Tensor
    newest: tf.Tensor
    position: tf.Tensor


def tensor(variable) -> tf.Tensor:
    """A Keras variable's value."""
    return tf.convert_to_tensor(variable.value)


def dense(layer, x):
    """A dense layer in float32, whatever precision it was trained in."""
    return tf.matmul(x, tensor(layer.kernel)) + tensor(layer.bias)


class CachedSampler:
    """Draws audio from a teacher at a cost per sample of O(layers).

    Args:
        teacher: The teacher. Its weights are read anew by every call.
        jit_compile: Compile the loop with XLA.
    """

    def __init__(self, teacher: WaveNet, jit_compile: bool = True) -> None:
        self.teacher = teacher
        self.contract = teacher.audio
        self._draws = teacher.mixture_components + 1
        self._upsample = tf.function(teacher.upsampler)
        blocks = teacher.stack.blocks
        self._taps = teacher.filter_width - 1
        dilations = np.array([block.dilation for block in blocks])
        self._ring_lengths = self._taps * dilations
        self._ring_starts = np.cumsum(self._ring_lengths) - self._ring_lengths
        # From the oldest tap to the newest of the past, as in the kernel.
        self._delays = dilations[:, None] * np.arange(self._taps, 0, -1)
        self._draw = tf.function(self._draw_chunk, jit_compile=jit_compile)
        self._score = tf.function(self._score_chunk, jit_compile=jit_compile)

    def initial_state(self, batch: int) -> SamplerState:
        """The state before the first sample: silence.

        The network pads its convolutions with zeros, so the rings hold zeros
        too, not what the layers would make of silence.
        """
        shape = (
            int(self._ring_lengths.sum()),
            batch,
            self.teacher.residual_channels,
        )
        return SamplerState(tf.zeros(shape), tf.zeros((batch,)), tf.constant(0))

    def chunks(
        self,
        mel: np.ndarray,
        seed: int = 0,
        temperature: float = 1.0,
        chunk_frames: int = 40,
    ) -> Iterator[np.ndarray]:
        """Yields audio `(batch, samples)` as it is drawn.

        Args:
            mel: `(batch, frames, mels)` or `(frames, mels)`, normalised as
                the teacher's contract says.
            seed: The same seed gives the same audio.
            temperature: 1 samples from the model itself, less is smoother.
            chunk_frames: Frames drawn by one run of the compiled loop.
                Memory depends on it, the result does not.

        Raises:
            UserError: If the mel spectrogram is ill-shaped or not finite.
        """
        mel = require_mel(mel, self.contract.mels, "mel")
        require_temperature(temperature)
        batch, frames, _ = mel.shape
        hop, draws = self.contract.hop_length, self._draws
        extension, samples = CONTEXT_FRAMES * hop, chunk_frames * hop
        state = self.initial_state(batch)
        for start in range(0, frames, chunk_frames):
            places = np.arange(
                start - CONTEXT_FRAMES, start + chunk_frames + CONTEXT_FRAMES
            )
            window = tf.constant(mel[:, np.clip(places, 0, frames - 1)])
            conditioning = tf.cast(self._upsample(window), tf.float32)
            uniforms = positional_uniforms(
                seed, batch, start * hop * draws, samples * draws
            )
            audio, state = self.draw(
                state,
                conditioning[:, extension:-extension],
                tf.reshape(uniforms, (batch, samples, draws)),
                temperature,
            )
            yield audio.numpy()[:, : (frames - start) * hop]

    def draw(self, state, conditioning, uniforms, temperature=1.0):
        """Draws one sample for each step of the conditioning.

        Args:
            state: From `initial_state` or from the call before.
            conditioning: Upsampled, `(batch, time, channels)`.
            uniforms: `(batch, time, mixture_components + 1)`.
            temperature: See `MixtureOfLogistics.sample`.

        Returns:
            The audio `(batch, time)` and the state behind it.
        """
        temperature = tf.constant(temperature, tf.float32)
        return self._draw(state, conditioning, uniforms, temperature)

    def score(self, state, conditioning, audio):
        """The mixture parameters along given audio, for comparison.

        Returns:
            `(batch, time, 3 * components)`, equal to the parallel network's,
            and the state behind it.
        """
        return self._score(state, conditioning, audio)

    def _draw_chunk(self, state, conditioning, uniforms, temperature):
        uniforms = tf.transpose(uniforms, (1, 0, 2))

        def choose(step, parameters):
            return MixtureOfLogistics(parameters).sample(
                uniforms[step], temperature
            )

        return self._loop(state, conditioning, choose, keep_parameters=False)

    def _score_chunk(self, state, conditioning, audio):
        audio = tf.transpose(audio)
        return self._loop(
            state, conditioning, lambda step, _: audio[step], True
        )

    def _loop(self, state, conditioning, choose, keep_parameters):
        weights = self._weights()
        conditioning = tf.transpose(conditioning, (1, 0, 2))
        steps = conditioning.shape[0]
        outputs = tf.TensorArray(tf.float32, steps)

        def advance(step, state, outputs):
            parameters, rings = self._step(state, conditioning[step], weights)
            newest = choose(step, parameters)
            outputs = outputs.write(
                step, parameters if keep_parameters else newest
            )
            state = SamplerState(rings, newest, state.position + 1)
            return step + 1, state, outputs

        _, state, outputs = tf.while_loop(
            lambda step, *_: step < steps,
            advance,
            (0, state, outputs),
            maximum_iterations=steps,
        )
        return tf.experimental.numpy.swapaxes(outputs.stack(), 0, 1), state

    def _weights(self):
        """The blocks' weights, stacked so that one product serves all."""
        blocks = self.teacher.stack.blocks
        kernels = [tensor(b.convolution.kernel) for b in blocks]
        past = [tf.reshape(k[:-1], (-1, k.shape[-1])) for k in kernels]
        conditioning = [tensor(b.conditioning.kernel) for b in blocks]
        return {
            "past": tf.stack(past),
            "bias": tf.stack([tensor(b.convolution.bias) for b in blocks]),
            "newest": [kernel[-1] for kernel in kernels],
            "conditioning": tf.concat(conditioning, axis=1),
            "skip": tf.concat([tensor(b.skip.kernel) for b in blocks], axis=0),
            "skip_bias": tf.add_n([tensor(b.skip.bias) for b in blocks]),
        }

    def _step(self, state, conditioning, weights):
        blocks = self.teacher.stack.blocks
        batch = state.newest.shape[0]
        slots = self._ring_starts[:, None] + tf.math.floormod(
            state.position - self._delays, self._ring_lengths[:, None]
        )
        remembered = tf.gather(state.rings, slots)
        remembered = tf.reshape(
            tf.transpose(remembered, (0, 2, 1, 3)), (len(blocks), batch, -1)
        )
        known = tf.matmul(remembered, weights["past"])
        known += weights["bias"][:, None]
        from_mel = tf.matmul(conditioning, weights["conditioning"])
        from_mel = tf.reshape(from_mel, (batch, len(blocks), -1))

        x = dense(self.teacher.stack.front, state.newest[:, None])
        inputs, gated = [], []
        for i, block in enumerate(blocks):
            inputs.append(x)
            both = known[i] + from_mel[:, i]
            both += tf.matmul(x, weights["newest"][i])
            filtered, gate = tf.split(both, 2, axis=-1)
            gated.append(tf.tanh(filtered) * tf.sigmoid(gate))
            if block.residual is not None:
                x += dense(block.residual, gated[-1])
        skips = tf.matmul(tf.concat(gated, axis=-1), weights["skip"])
        x = tf.nn.relu(skips + weights["skip_bias"])
        x = tf.nn.relu(dense(self.teacher.before_output, x))
        rings = tf.tensor_scatter_nd_update(
            state.rings, slots[:, :1], tf.stack(inputs)
        )
        return dense(self.teacher.output_parameters, x), rings


def generate(
    teacher: WaveNet,
    mel: np.ndarray,
    seed: int = 0,
    temperature: float = 1.0,
) -> np.ndarray:
    """Samples audio from the teacher; see `CachedSampler.chunks`.

    Args:
        teacher: The teacher.
        mel: `(batch, frames, mels)`, normalised as the teacher's contract
            says; one without a batch axis gives audio without one.
        seed: The same seed gives the same audio.
        temperature: 1 samples from the model itself, less is smoother.

    Returns:
        `(batch, time)`: 16-bit levels in [-1, 1).

    Raises:
        UserError: If the mel spectrogram is ill-shaped or not finite.
    """
    chunks = list(CachedSampler(teacher).chunks(mel, seed, temperature))
    audio = np.concatenate(chunks, axis=1)
    return audio[0] if np.ndim(mel) == 2 else audio
