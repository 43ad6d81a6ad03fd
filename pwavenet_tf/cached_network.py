"""The teacher, one sample after the other."""

import tensorflow as tf

from pwavenet_tf.cached_blocks import (
    CachedBlocks,
    CachedState,
    dense,
    tensor,
)
from pwavenet_tf.teacher import WaveNet


class CachedNetwork:
    """A teacher's network as a step from one sample to the next.

    Its methods are for graphs: `CachedSampler` compiles them. The weights are
    float32, whatever precision the teacher was trained in.

    Args:
        teacher: The teacher.
    """

    def __init__(self, teacher: WaveNet) -> None:
        self.teacher = teacher
        self.head = teacher.head_class
        self._pre_emphasis = teacher.audio.pre_emphasis
        self.blocks = CachedBlocks([teacher.stack])
        self.projected = self.blocks.projected

    def initial_state(self, batch: int) -> CachedState:
        """The state before the first sample: silence.

        `newest` is `(batch, input channels of the head)`; with pre-emphasis
        there is one more, the last sample of the audio.
        """
        channels = self.head.input_channels() + bool(self._pre_emphasis)
        newest = tf.zeros((batch, channels))
        rings = self.blocks.initial_rings(batch)
        return CachedState(rings, newest, tf.constant(0))

    def weights(self) -> dict:
        """All weights, stacked so that one product serves many layers."""
        blocks = self.teacher.stack.blocks
        return self.blocks.weights() | {
            "skip": tf.concat([tensor(b.skip.kernel) for b in blocks], axis=0),
            "skip_bias": tf.add_n([tensor(b.skip.bias) for b in blocks]),
        }

    def step(self, state: CachedState, added, weights: dict):
        """The parameters of the next sample's distribution, and the rings.

        Args:
            state: Everything up to the sample before.
            added: What `projected` gave for this step.
            weights: From `weights`.

        Returns:
            `(batch, channels of the head)` and the new rings.
        """
        read = state.newest[:, : self.head.input_channels()]
        walked = self.blocks.walk([read], state, added, weights)
        skips = tf.matmul(tf.concat(walked.gated, axis=-1), weights["skip"])
        x = tf.nn.relu(skips + weights["skip_bias"])
        x = tf.nn.relu(dense(self.teacher.before_output, x))
        parameters = dense(self.teacher.output_parameters, x)
        parameters = self.teacher.of_audio(parameters, state.newest[:, -1])
        return parameters, walked.rings

    def newest(self, state: CachedState, audio) -> tf.Tensor:
        """What the state behind the next sample keeps of it.

        Args:
            state: Everything up to the sample before.
            audio: The next sample, `(batch,)`.
        """
        if not self._pre_emphasis:
            return self.head.network_input(audio)
        emphasised = audio - self._pre_emphasis * state.newest[:, -1]
        read = self.head.network_input(emphasised)
        return tf.concat([read, audio[:, tf.newaxis]], axis=1)
