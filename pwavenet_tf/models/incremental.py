"""Gated blocks, one sample after the other (Fast WaveNet, 1611.09482).

Every gated block keeps the inputs that its dilated convolution will need in a
ring buffer. All buffers are concatenated in one tensor: a step first gathers
the past inputs of every block in one read, multiplies them in one batched
product, then passes the newest sample through the blocks, and at the end
writes all new inputs back at once. Reading before any writing lets XLA update
the tensor in place.

Several stacks, as a student's flows, share the tensor, the read and the write.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pwavenet_tf.models.conditioning import Conditioner, by_reader
from pwavenet_tf.models.inputs import at_frames
from pwavenet_tf.models.layers import GatedStack


class CachedState(NamedTuple):
    """The state of stacks between two samples.

    The rings, `(sum of their lengths, batch, residual channels)`; what the
    stacks read at the last sample; and how many samples there have been, int32.
    """

    rings: tf.Tensor
    newest: tf.Tensor
    position: tf.Tensor


def tensor(variable) -> tf.Tensor:
    """A Keras variable's value."""
    return tf.convert_to_tensor(variable.value)


def dense(layer, x) -> tf.Tensor:
    """A dense layer in float32, whatever precision it was trained in."""
    return tf.matmul(x, tensor(layer.kernel)) + tensor(layer.bias)


class CachedBlocks:
    """The gated blocks of stacks as a step from one sample to the next.

    Its methods are for graphs. The weights are float32, whatever precision
    they were trained in. The stacks have the same channels, filter width and
    stride; their inputs and depths may differ.
    """

    def __init__(self, stacks: Sequence[GatedStack]) -> None:
        self.stacks = list(stacks)
        self.stride = self.stacks[0].stride
        self.blocks = [b for stack in self.stacks for b in stack.blocks]
        taps = self.stacks[0].filter_width - 1
        dilations = np.array([block.dilation for block in self.blocks])
        self._ring_lengths = taps * dilations
        self._ring_starts = np.cumsum(self._ring_lengths) - self._ring_lengths
        # From the oldest tap to the newest of the past, as in the kernel.
        self._delays = dilations[:, None] * np.arange(taps, 0, -1)

    def initial_rings(self, batch: int) -> tf.Tensor:
        """The rings before the first sample: silence.

        The network pads its convolutions with zeros, so the rings hold zeros
        too, not what the layers would make of silence.
        """
        channels = self.stacks[0].residual_channels
        return tf.zeros((int(self._ring_lengths.sum()), batch, channels))

    def weights(self) -> dict:
        """The blocks' weights, stacked so that one product serves many."""
        convolutions = [block.convolution for block in self.blocks]
        kernels = [tensor(layer.kernel) for layer in convolutions]
        past = [tf.reshape(k[:-1], (-1, k.shape[-1])) for k in kernels]
        bias = [tensor(layer.bias) for layer in convolutions]
        return {
            "past": tf.stack(past),
            "bias": tf.stack(bias)[:, tf.newaxis],
            "newest": [kernel[-1] for kernel in kernels],
        }

    def projected(self, weights: dict, conditioning: dict, position):
        """The conditioning and bias terms of every block, step by step.

        The conditioning is float32; where it holds a vector for a frame, the
        first is that of the next sample, before which there were `position`.
        Conditioning at the frame rate is projected once for all steps;
        conditioning at the sample rate is projected at each step, which saves
        memory.

        Returns:
            A function of the step that returns `(within, front)`: `within`,
            `(blocks, 1 or batch, channels)`, is added before each gate;
            `front`, `(stacks, batch, channels)` or 0, is the sinusoids' term at
            each stack's input.
        """
        within = self._projected_series(weights, conditioning, position)
        if "sinusoids" not in conditioning:
            return lambda step: (within(step), [0.0] * len(self.stacks))
        sinusoids = tf.transpose(conditioning["sinusoids"], (1, 0, 2))
        kernels = tf.stack([tensor(s.sinusoids.kernel) for s in self.stacks])
        return lambda step: (
            within(step),
            tf.unstack(tf.matmul(sinusoids[step], kernels)),
        )

    def _projected_series(self, weights: dict, conditioning: dict, position):
        bias = weights["bias"]
        if "speaker" in conditioning:
            # Constant in time, `(blocks, batch, channels)`.
            speaker = conditioning["speaker"][:, 0]
            kernels = [tensor(block.speaker.kernel) for block in self.blocks]
            bias += tf.stack([tf.matmul(speaker, one) for one in kernels])
        if "conditioning" not in conditioning:
            return lambda step: bias
        kernel = tf.concat(
            [tensor(block.conditioning.kernel) for block in self.blocks], axis=1
        )
        series = tf.transpose(conditioning["conditioning"], (1, 0, 2))
        batch = series.shape[1]

        def project(vectors):
            flat = tf.matmul(vectors, kernel)
            each = tf.reshape(flat, (batch, len(self.blocks), -1))
            return tf.transpose(each, (1, 0, 2)) + bias

        if self.stride == 1:
            return lambda step: project(series[step])
        frames = tf.map_fn(project, series)
        # The state may be from within a frame.
        offset = position % self.stride
        # As an index XLA would take it for a constant, and compile each chunk.
        return lambda step: tf.gather(frames, (offset + step) // self.stride)

    def walk(
        self, newest: Sequence[tf.Tensor], state: CachedState, added, weights
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
        """One step through all blocks.

        From what each stack reads at the last sample, `(batch, channels)`, the
        state at it, and what `projected` gave for this step.

        Returns:
            The output of each block's gate and the last residual of each
            stack, both `(batch, channels)`; and the new rings.
        """
        slots = self._ring_starts[:, None] + tf.math.floormod(
            state.position - self._delays, self._ring_lengths[:, None]
        )
        within, excited = added
        remembered = tf.transpose(tf.gather(state.rings, slots), (0, 2, 1, 3))
        flat = tf.reshape(remembered, (*remembered.shape[:2], -1))
        # All but the newest sample's share, `(blocks, batch, channels)`.
        known = tf.matmul(flat, weights["past"]) + within
        inputs, gated, residuals = [], [], []
        for stack, x, own in zip(self.stacks, newest, excited, strict=True):
            x = dense(stack.front, x) + own
            for block in stack.blocks:
                index = len(inputs)
                inputs.append(x)
                both = known[index] + tf.matmul(x, weights["newest"][index])
                filtered, gate = tf.split(both, 2, axis=-1)
                gated.append(tf.tanh(filtered) * tf.sigmoid(gate))
                if block.residual is not None:
                    x += dense(block.residual, gated[-1])
            residuals.append(x)
        rings = tf.tensor_scatter_nd_update(
            state.rings, slots[:, :1], tf.stack(inputs)
        )
        return gated, residuals, rings


class CachedNetwork:
    """The network of a built `WaveNet` as a step from a sample to the next.

    Its methods are for graphs: `CachedSampler` compiles them. The weights are
    float32, whatever precision the teacher was trained in.
    """

    def __init__(self, teacher: keras.Model) -> None:
        self.teacher = teacher
        self.head = teacher.head_class
        self._pre_emphasis = teacher.audio.pre_emphasis
        self._order = teacher.prediction_order
        self.blocks = CachedBlocks([teacher.stack])

    def initial_state(self, batch: int) -> CachedState:
        """The state before the first sample: silence.

        `newest` is what the stack reads, `(batch, channels)`; after it come,
        with linear prediction, the samples that it reads, the newest first,
        and with pre-emphasis the last sample of the audio.
        """
        channels = self._read + self._order + bool(self._pre_emphasis)
        newest = tf.zeros((batch, channels))
        rings = self.blocks.initial_rings(batch)
        return CachedState(rings, newest, tf.constant(0))

    @property
    def _read(self) -> int:
        """The channels that the stack reads."""
        return self.head.input_channels() + bool(self._order)

    def projected(self, weights: dict, conditioning: dict, position):
        """As in `CachedBlocks`, with the linear prediction of each step."""
        of_stack, of_prediction = by_reader(conditioning)
        added = self.blocks.projected(weights, of_stack, position)
        if not of_prediction:
            return lambda step: (added(step), None)
        hop = self.teacher.audio.hop_length
        # The state may be from within a frame.
        offset = position % hop

        def at(step):
            frame = (offset + step) // hop
            return added(step), {
                # Not an index: see `CachedBlocks`.
                name: tf.gather(x, frame, axis=1)
                for name, x in of_prediction.items()
            }

        return at

    def weights(self) -> dict:
        """All weights, stacked so that one product serves many layers."""
        blocks = self.teacher.stack.blocks
        return self.blocks.weights() | {
            "skip": tf.concat([tensor(b.skip.kernel) for b in blocks], axis=0),
            "skip_bias": tf.add_n([tensor(b.skip.bias) for b in blocks]),
        }

    def step(self, state: CachedState, added, weights: dict):
        """The parameters of the next sample's distribution.

        From the state at the sample before and what `projected` gave for this
        step: `(batch, channels of the head)`; and for `after` the new rings and
        the prediction with its ln gain, or `None`.
        """
        within, of_prediction = added
        read = state.newest[:, : self._read]
        gated, _, rings = self.blocks.walk([read], state, within, weights)
        skips = tf.matmul(tf.concat(gated, axis=-1), weights["skip"])
        x = tf.nn.relu(skips + weights["skip_bias"])
        x = tf.nn.relu(dense(self.teacher.before_output, x))
        parameters = dense(self.teacher.output_parameters, x)
        predicted = None
        if of_prediction is not None:
            products = self._remembered(state) * of_prediction["predictor"]
            location = tf.reduce_sum(products, axis=1)
            predicted = location, of_prediction["log_gain"]
            parameters = self.head.placed(parameters, *predicted)
        last = state.newest[:, -1]
        parameters = self.teacher.undo_pre_emphasis(parameters, last)
        return parameters, (rings, predicted)

    def _remembered(self, state: CachedState) -> tf.Tensor:
        """What linear prediction reads, the newest sample first."""
        return state.newest[:, self._read : self._read + self._order]

    def after(self, state: CachedState, kept, audio) -> CachedState:
        """The state after the next sample, from what `step` gave for it."""
        rings, predicted = kept
        series = audio
        if self._pre_emphasis:
            series = audio - self._pre_emphasis * state.newest[:, -1]
        if predicted is None:
            newest = [self.head.network_input(series)]
        else:
            read = self.teacher.network_input(series, *predicted)
            older = self._remembered(state)[:, :-1]
            newest = [read, series[:, tf.newaxis], older]
        if self._pre_emphasis:
            newest.append(audio[:, tf.newaxis])
        newest = tf.concat(newest, axis=1)
        return CachedState(rings, newest, state.position + 1)


class CachedFlows:
    """The flows of a built `ParallelWaveNet` as a step from sample to sample.

    (μ^i_t, ln s^i_t) depend on x^{i-1}_<t alone, never on the present: so one
    step gives the parameters of all flows, before x_t is known.

    Its methods are for graphs. The weights are float32, whatever precision
    the student was trained in.
    """

    def __init__(self, student: keras.Model) -> None:
        self.networks = student.networks
        self.source = student.source
        self.noise_kept = self.source.receptive_field if self.source else 0
        self.blocks = CachedBlocks([n.stack for n in self.networks])
        self.weights = self.blocks.weights

    def initial_state(self, batch: int) -> CachedState:
        """The state before the first sample: silence.

        `newest` is `(samples, batch)`: the noise that a source-filter flow
        reads, from the oldest on; what each network reads; and the sample of
        audio.
        """
        kept = self.noise_kept + len(self.networks) + 1
        newest = tf.zeros((kept, batch))
        rings = self.blocks.initial_rings(batch)
        return CachedState(rings, newest, tf.constant(0))

    def projected(self, weights: dict, conditioning: dict, position):
        """As in `CachedBlocks`, with the source's conditioning at each step."""
        of_networks, of_source = by_reader(conditioning)
        within = self.blocks.projected(weights, of_networks, position)
        if not of_source:
            return lambda step: (within(step), None)
        filters = self.source.filters_at_samples(of_source["filters"])
        filters = tf.transpose(filters, (1, 2, 0))
        harmonics = tf.transpose(of_source["harmonics"])
        return lambda step: (within(step), (harmonics[step], filters[step]))

    def step(self, state: CachedState, added, weights: dict):
        """The parameters of all flows at the next sample, and the new rings.

        From the state at the sample before and what `projected` gave for this
        step: `(location, log_scale)` of each flow, each `(batch,)`.
        """
        within, of_source = added
        read = tf.unstack(state.newest[self.noise_kept : -1])
        newest = [x[:, tf.newaxis] for x in read]
        _, residuals, rings = self.blocks.walk(newest, state, within, weights)
        parameters = []
        if of_source is not None:
            harmonic, taps = of_source
            past = state.newest[: self.noise_kept][::-1]
            location = harmonic + tf.reduce_sum(taps[1:] * past, axis=0)
            parameters.append((location, tf.math.log(taps[0])))
        for network, x in zip(self.networks, residuals, strict=True):
            x = tf.nn.relu(dense(network.before_output, tf.nn.relu(x)))
            pair = dense(network.output_pair, x)
            parameters.append(network.location_and_log_scale(pair))
        return parameters, rings

    def newest(self, state: CachedState, inputs: list) -> tf.Tensor:
        """The `newest` of the state after the next sample.

        `inputs` is what each flow reads at it, and the audio, each `(batch,)`.
        """
        older = state.newest[1 : self.noise_kept]
        return tf.concat([older, tf.stack(inputs)], axis=0)


class ChunkConditioner:
    """Computes the layers' conditioning for any frames of an utterance.

    `condition` maps features to a model's conditioning, by the `conditioner`;
    that of a frame depends on `context_frames` on either side.
    """

    def __init__(
        self,
        condition: Callable[[dict], dict],
        conditioner: Conditioner,
        context_frames: int,
    ) -> None:
        self._condition = condition
        self.context_frames = context_frames
        samples = self.context_frames * conditioner.audio.hop_length
        self._margins = {
            "conditioning": samples // conditioner.stride,
            "sinusoids": samples,
            "harmonics": samples,
            "filters": context_frames,
            "predictor": context_frames,
            "log_gain": context_frames,
        }
        self.compute = tf.function(
            self.of_chunk, reduce_retracing=True, autograph=False
        )

    def __call__(self, features: dict, first: int, frames: int) -> dict:
        """The layers' conditioning for some of the frames, float32.

        The features are those of the whole utterance, from `require_features`;
        so is, for these frames, the conditioning. Beyond the end the last frame
        is repeated.
        """
        start, end = first - self.context_frames, first + frames
        places = np.arange(start, end + self.context_frames)
        return self.compute(at_frames(features, places))

    def of_chunk(self, features: dict) -> dict:
        """The layers' conditioning for a chunk.

        From its features and those of `context_frames` more on either side.
        """
        conditioning = {
            name: tf.cast(x, tf.float32)
            for name, x in self._condition(features).items()
        }
        for name, margin in self._margins.items():
            if name in conditioning and margin:
                conditioning[name] = conditioning[name][:, margin:-margin]
        return conditioning
