"""The teacher, one sample after the other (Fast WaveNet, 1611.09482).

Every gated block keeps the inputs that its dilated convolution will ask for
in a ring. All rings lie one behind the other in one tensor: a step first
gathers what every block needs of the past in one read, adds up all of it in
one batched product, then walks through the blocks with the newest sample
only, and at the end writes all the new inputs back at once. Reading wholly
before writing lets XLA update the tensor in place.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pwavenet_tf.teacher import WaveNet


class CachedState(NamedTuple):
    """What the network remembers between two samples.

    Attributes:
        rings: `(sum of ring lengths, batch, residual channels)`.
        newest: What the network reads of the last sample, `(batch, input
            channels of the head)`.
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
        self.stride = teacher.conditioner.stride
        self.blocks = teacher.stack.blocks
        taps = teacher.filter_width - 1
        dilations = np.array([block.dilation for block in self.blocks])
        self._ring_lengths = taps * dilations
        self._ring_starts = np.cumsum(self._ring_lengths) - self._ring_lengths
        # From the oldest tap to the newest of the past, as in the kernel.
        self._delays = dilations[:, None] * np.arange(taps, 0, -1)

    def initial_state(self, batch: int) -> CachedState:
        """The state before the first sample: silence.

        The network pads its convolutions with zeros, so the rings hold zeros
        too, not what the layers would make of silence.
        """
        shape = (
            int(self._ring_lengths.sum()),
            batch,
            self.teacher.residual_channels,
        )
        newest = tf.zeros((batch, self.head.input_channels()))
        return CachedState(tf.zeros(shape), newest, tf.constant(0))

    def weights(self) -> dict:
        """The blocks' weights, stacked so that one product serves all."""
        kernels = [tensor(b.convolution.kernel) for b in self.blocks]
        past = [tf.reshape(k[:-1], (-1, k.shape[-1])) for k in kernels]
        return {
            "past": tf.stack(past),
            "bias": tf.stack([tensor(b.convolution.bias) for b in self.blocks])[
                :, tf.newaxis
            ],
            "newest": [kernel[-1] for kernel in kernels],
            "skip": tf.concat(
                [tensor(b.skip.kernel) for b in self.blocks], axis=0
            ),
            "skip_bias": tf.add_n([tensor(b.skip.bias) for b in self.blocks]),
        }

    def _with_speaker(self, bias, told):
        """The biases `(layers, 1 or batch, channels)`: a voice is constant."""
        if "speaker" not in told:
            return bias
        projections = [
            tf.matmul(told["speaker"][:, 0], tensor(block.speaker.kernel))
            for block in self.blocks
        ]
        return bias + tf.stack(projections)

    def projected(self, weights: dict, told: dict, position):
        """What conditioning and biases add to every layer, step by step.

        Args:
            weights: From `weights`.
            told: What `WaveNet.told` returned, float32. Where it holds a
                vector for a frame, the first is that of the next sample.
            position: How many samples there have been.

        Returns:
            A function of the step: `(layers, 1 or batch, channels)`.

        What holds for a whole frame is projected once for all its samples;
        what differs from sample to sample is projected when its turn comes,
        or else memory would have to hold every layer's share of every sample.
        """
        bias = self._with_speaker(weights["bias"], told)
        if "conditioning" not in told:
            return lambda step: bias
        layers = len(self.blocks)
        kernel = tf.concat(
            [tensor(block.conditioning.kernel) for block in self.blocks],
            axis=1,
        )
        series = tf.transpose(told["conditioning"], (1, 0, 2))
        batch = series.shape[1]

        def project(vectors):
            flat = tf.matmul(vectors, kernel)
            each = tf.reshape(flat, (batch, layers, -1))
            return tf.transpose(each, (1, 0, 2)) + bias

        if self.stride == 1:
            return lambda step: project(series[step])
        frames = tf.map_fn(project, series)
        # The state may have been handed on within a frame.
        begun = position % self.stride
        return lambda step: frames[(begun + step) // self.stride]

    def step(self, state: CachedState, added, weights: dict):
        """The parameters of the next sample's distribution, and the rings.

        Args:
            state: Everything up to the sample before.
            added: What `projected` gave for this step.
            weights: From `weights`.

        Returns:
            `(batch, channels of the head)` and the new rings.
        """
        batch = state.newest.shape[0]
        slots = self._ring_starts[:, None] + tf.math.floormod(
            state.position - self._delays, self._ring_lengths[:, None]
        )
        remembered = tf.gather(state.rings, slots)
        remembered = tf.reshape(
            tf.transpose(remembered, (0, 2, 1, 3)),
            (len(self.blocks), batch, -1),
        )
        known = tf.matmul(remembered, weights["past"]) + added

        x = dense(self.teacher.stack.front, state.newest)
        inputs, gated = [], []
        for i, block in enumerate(self.blocks):
            inputs.append(x)
            both = known[i] + tf.matmul(x, weights["newest"][i])
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
