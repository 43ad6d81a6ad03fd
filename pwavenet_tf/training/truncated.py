"""Truncated back-propagation through time for a SampleRNN."""

import math

import keras
from keras import ops

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import (
    ReplicatedModel,
    batch_share,
    replica_count,
)
from pwavenet_tf.models.sample_rnn import RecurrentState, SampleRNN
from pwavenet_tf.models.teacher import Teacher


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class TruncatedTrainer(ReplicatedModel):
    """Trains a SampleRNN on consecutive segments (1612.07837, section 2.3).

    The state at the end of a segment is the initial one of the next, without
    a gradient between them; where a recording begins, it is the model's own.
    Held-out segments have a state of their own. Both states are weights that
    are not trained, so that a checkpoint holds them and a run resumes in the
    middle of its recordings.

    Compile it with an optimiser alone and fit it on
    `Corpus.training_segments`, whose inputs are `audio` `(rows, time)`,
    features with the conditioner's context on either side, and `begins`
    `(rows,)`; then save `teacher`. The rows are the recordings that are read
    side by side, on a single device: the batch size.
    """

    def __init__(self, teacher: SampleRNN, rows: int, **kwargs) -> None:
        # The teacher casts its own inputs.
        super().__init__(autocast=False, **kwargs)
        if replica_count() > 1:
            raise UserError(
                "a SampleRNN carries its state on one device; train it with "
                "--strategy=single"
            )
        self.teacher = teacher
        self.rows = rows
        self.nats = keras.metrics.Mean(name="nats")

    def build(self, input_shape=None) -> None:
        if not self.teacher.built:
            self.teacher.build()
        widths = [self.teacher.frame_sizes[0] + 1]
        widths += [self.teacher.units] * len(self.teacher.tiers)
        self.carried, self.carried_in_validation = (
            [
                self.add_weight(
                    name=f"carried_{name}_{number}",
                    shape=(self.rows, width),
                    initializer="zeros",
                    dtype="float32",
                    trainable=False,
                )
                for number, width in enumerate(widths)
            ]
            for name in ("training", "validation")
        )
        self.built = True

    def call(self, inputs, training=None):
        teacher = self.teacher
        carried = self.carried if training else self.carried_in_validation
        initial = teacher.initial_state(self.rows)
        begins = inputs["begins"][:, None]
        recent, *hidden = (
            ops.where(begins, own, before)
            for own, before in zip(
                (initial.recent, *initial.hidden), carried, strict=True
            )
        )
        parameters, state = teacher.continued(
            inputs["audio"],
            self._without_context(teacher.layer_conditioning(inputs)),
            RecurrentState(recent, tuple(hidden)),
        )
        for variable, value in zip(
            carried, (state.recent, *state.hidden), strict=True
        ):
            variable.assign(ops.cast(value, "float32"))
        return parameters

    def _without_context(self, conditioning: dict) -> dict:
        """The conditioning of the segment's own samples."""
        conditioner = self.teacher.conditioner
        samples = conditioner.context_frames * conditioner.audio.hop_length
        if not samples:
            return conditioning
        margins = {
            "conditioning": samples // conditioner.stride,
            "sinusoids": samples,
        }
        return {
            name: x[:, margins[name] : -margins[name]] if name in margins else x
            for name, x in conditioning.items()
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        del x, training
        loss, valid_samples = self.teacher.mean_nats(y, y_pred, sample_weight)
        self.nats.update_state(loss, valid_samples)
        return loss * batch_share(valid_samples)

    def compute_output_shape(self, input_shape):
        return self.teacher.compute_output_shape(input_shape)


def require_whole_frames(teacher: SampleRNN, clip_length: int) -> None:
    """Refuses segments that end within a frame of the top tier."""
    whole = math.lcm(teacher.frame_sizes[0], teacher.audio.hop_length)
    if clip_length % whole:
        raise UserError(
            f"clip_length {clip_length} is not a multiple of {whole} samples "
            "(whole mel frames and whole frames of the top tier); take "
            f"{max(1, round(clip_length / whole)) * whole}"
        )


def teacher_in(model: keras.Model) -> Teacher | None:
    """The teacher that a run trains, if it trains one."""
    if isinstance(model, TruncatedTrainer):
        return model.teacher
    return model if isinstance(model, Teacher) else None
