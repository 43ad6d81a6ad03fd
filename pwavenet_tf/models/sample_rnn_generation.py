"""SampleRNN, one sample after the other, each at the same cost."""

from typing import NamedTuple

import keras
import tensorflow as tf

from pwavenet_tf.models.gru import gru_step
from pwavenet_tf.models.incremental import dense, tensor
from pwavenet_tf.models.sample_rnn import FrameTier


class TierState(NamedTuple):
    """The state of a SampleRNN between two samples.

    Attributes:
        recent: The last samples, `(batch, largest frame + 1)`.
        hidden: h of each tier, the top one first, `(batch, units)` each.
        upsampled: What each tier gives for its present frame, `(batch, ratio,
            units)` each.
        position: How many samples there have been, int32.
    """

    recent: tf.Tensor
    hidden: tuple[tf.Tensor, ...]
    upsampled: tuple[tf.Tensor, ...]
    position: tf.Tensor


class CachedTiers:
    """The tiers of a built SampleRNN as a step from one sample to the next.

    A tier runs where one of its frames begins (1612.07837, section 2.1); what
    it gives is kept for the rest of the frame. Its methods, those of a
    `CachedNetwork`, are for graphs: `CachedSampler` compiles them. The weights
    are float32, whatever precision the teacher was trained in.
    """

    def __init__(self, teacher: keras.Model) -> None:
        self.teacher = teacher
        self._top = teacher.frame_sizes[0]

    def initial_state(self, batch: int) -> TierState:
        """The state before the first sample: silence."""
        first = self.teacher.initial_state(batch)
        upsampled = tuple(
            tf.zeros((batch, tier.ratio, tier.units))
            for tier in self.teacher.tiers
        )
        hidden = tuple(map(tf.convert_to_tensor, first.hidden))
        return TierState(first.recent, hidden, upsampled, tf.constant(0))

    def weights(self) -> dict:
        """Nothing: no product serves several tiers."""
        return {}

    def projected(self, weights: dict, conditioning: dict, position):
        """The conditioning, step by step.

        A function of the step that returns vectors `(batch, channels)` by
        name, from conditioning as `CachedBlocks` reads it.
        """
        stride = self.teacher.conditioner.stride
        offset = position % stride

        def at(step):
            places = {
                "conditioning": (offset + step) // stride,
                "speaker": 0,
                "sinusoids": step,
            }
            # Not an index: see `CachedBlocks`.
            return {
                name: tf.gather(x, places[name], axis=1)
                for name, x in conditioning.items()
            }

        return at

    def step(self, state: TierState, added: dict, weights: dict):
        """The parameters of the next sample's distribution, and the tiers.

        `(batch, channels of the head)`, and the new `hidden` and `upsampled`.
        """
        teacher = self.teacher
        # y_t = x_t - a x_{t-1}, known as far back as a frame of the top tier.
        coefficient = teacher.audio.pre_emphasis
        series = state.recent[:, 1:] - coefficient * state.recent[:, :-1]
        above, kept = None, []
        for tier, hidden, upsampled in zip(
            teacher.tiers, state.hidden, state.upsampled, strict=True
        ):
            place = state.position % tier.frame_size
            hidden, upsampled = tf.cond(
                place == 0,
                lambda tier=tier, above=above, hidden=hidden: self._frame(
                    tier, series, above, added, hidden
                ),
                lambda hidden=hidden, upsampled=upsampled: (hidden, upsampled),
            )
            kept.append((hidden, upsampled))
            above = upsampled[:, place * tier.ratio // tier.frame_size]
        parameters = self._sample_level(series, above)
        parameters = teacher.undo_pre_emphasis(parameters, state.recent[:, -1])
        return parameters, tuple(zip(*kept, strict=True))

    def after(self, state: TierState, kept: tuple, audio) -> TierState:
        """The state after the next sample, from what `step` gave for it."""
        recent = tf.concat([state.recent[:, 1:], audio[:, tf.newaxis]], axis=1)
        hidden, upsampled = kept
        return TierState(recent, hidden, upsampled, state.position + 1)

    def _frame(self, tier: FrameTier, series, above, added: dict, hidden):
        """One step of a tier: its new h, and what it gives for the frame."""
        frame = self.teacher.frame_values(series[:, -tier.frame_size :])
        x = dense(tier.samples, frame)
        if above is not None:
            x += above
        for name, vectors in added.items():
            x += tf.matmul(vectors, tensor(getattr(tier, name).kernel))
        gru = tier.gru
        recurrent = tf.matmul(hidden, tensor(gru.recurrent_kernel))
        recurrent += tensor(gru.recurrent_bias)
        hidden = gru_step(hidden, dense(gru.projection, x), recurrent)
        upsampled = tf.reshape(
            dense(tier.upsampling, hidden), (-1, tier.ratio, tier.units)
        )
        return hidden, upsampled

    def _sample_level(self, series, above):
        """The network's output for the next sample, from float32 weights."""
        teacher = self.teacher
        last = series[:, -teacher.frame_sizes[-1] :]
        if teacher.embedding is None:
            x = teacher.frame_values(last)
        else:
            code = teacher.head_class.network_input(last)
            x = tf.einsum("bsc,ce->bse", code, tensor(teacher.embedding.kernel))
        kernel = tensor(teacher.samples.kernel)
        x = tf.reshape(x, (-1, kernel.shape[0] * kernel.shape[1]))
        x = tf.matmul(x, tf.reshape(kernel, (-1, teacher.units)))
        x += tensor(teacher.samples.bias) + above
        for layer in teacher.hidden_layers:
            x = tf.nn.relu(dense(layer, x))
        return dense(teacher.output_parameters, x)
