"""Training of a student by its spectra alone, before there is a teacher."""

import keras
from keras import ops

from pwavenet_tf.audio.signal import pre_emphasis, stft_magnitude
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import ReplicatedModel, batch_share
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet

# (FFT length, window length, hop length), as published (1910.11480, table 1).
RESOLUTIONS = ((1_024, 600, 120), (2_048, 1_200, 240), (512, 240, 50))
_FLOOR = 1e-4


def stft_loss(audio, recording):
    """The multi-resolution STFT loss (1910.11480, equations 3 to 6).

    The mean over three resolutions of the spectral convergence, ‖X - Y‖ / ‖Y‖,
    and of the mean absolute difference of ln magnitude, with 1e-4 added to
    each magnitude: two scalars, 0 for equal inputs but for rounding. Audio
    and recording are `(batch, time)`, of at least 2,048 samples.
    """
    convergence = log_magnitude = 0.0
    for fft_length, window, hop in RESOLUTIONS:
        own, theirs = (
            stft_magnitude(samples, window, hop, fft_length)
            for samples in (audio, recording)
        )
        norms = [
            ops.sqrt(ops.sum(ops.square(x)) + 1e-12)
            for x in (own - theirs, theirs)
        ]
        convergence += norms[0] / (norms[1] + 1e-3)
        logs = [ops.log(x + _FLOOR) for x in (own, theirs)]
        log_magnitude += ops.mean(ops.abs(logs[0] - logs[1]))
    return convergence / len(RESOLUTIONS), log_magnitude / len(RESOLUTIONS)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class SpectralTrainer(ReplicatedModel):
    """Trains a student to the spectra of recordings, without a teacher.

    A step costs a fraction of one of distillation: there is no teacher to
    pass through. What it lacks is the teacher's distribution, so it is where
    a student starts from. Compile it with an optimiser alone and fit it on
    the clips that train a teacher; then save `student`.

    Args:
        student: The student.
        source_alone: Train its source-filter flow as if there were no other:
            a sixth of the time, for all of the sound but its fine structure.

    Raises:
        UserError: If there is no source-filter flow to train alone.
    """

    def __init__(
        self, student: ParallelWaveNet, source_alone: bool = False, **kwargs
    ) -> None:
        # The student casts its own inputs.
        super().__init__(autocast=False, **kwargs)
        if source_alone and student.source is None:
            raise UserError(
                "the student has no source-filter flow to train alone; prepare "
                "the data with --preset=small, or train all of it"
            )
        self.student = student
        self.source_alone = source_alone
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("convergence", "log_magnitude", "level")
        }

    def build(self, input_shape=None) -> None:
        if not self.student.built:
            self.student.build()
        if self.source_alone:
            self.student.conditioner.trainable = False
            for network in self.student.networks:
                network.trainable = False
        self.built = True

    def call(self, inputs):
        return self.student(inputs, flows=1 if self.source_alone else None)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The sum of both terms of `stft_loss`, against the recording `y`.

        Each is also a metric, and so is the level, the student's standard
        deviation over the recording's. The loss mask `sample_weight`,
        `(batch, time)`, is 1 for valid samples.

        Both sounds are pre-emphasised where the flows generate pre-emphasised
        audio, so that high and low frequencies are weighted alike.
        """
        del x, training
        coefficient = self.student.audio.pre_emphasis
        sounds = [
            pre_emphasis(one, coefficient) for one in (y_pred["audio"], y)
        ]
        if sample_weight is not None:
            sounds = [one * sample_weight for one in sounds]
        audio, recording = sounds
        convergence, log_magnitude = stft_loss(audio, recording)
        level = ops.std(audio) / (ops.std(recording) + 1e-6)
        values = convergence, log_magnitude, level
        for tracker, value in zip(self.trackers.values(), values, strict=True):
            tracker.update_state(value)
        return (convergence + log_magnitude) * batch_share()

    def compute_output_shape(self, input_shape):
        return self.student.compute_output_shape(input_shape)
