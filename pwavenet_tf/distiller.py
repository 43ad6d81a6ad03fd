"""The Distiller: trains a student against a frozen teacher."""

from collections.abc import Callable

import keras
from keras import ops

from pwavenet_tf.errors import UserError
from pwavenet_tf.losses.kl import cross_entropy, entropy, true_kl
from pwavenet_tf.losses.power import power_loss
from pwavenet_tf.ops import LOG_BIN_WIDTH, weighted_mean
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet


def require_distillable(teacher: WaveNet) -> None:
    """Refuses a teacher that gives no gradient to the samples it judges.

    Raises:
        UserError: If its output is not continuous.
    """
    if not teacher.head_class.continuous:
        raise UserError(
            f"a teacher with the head {teacher.head} hears codes, through "
            "which no gradient reaches a student; train one with "
            "mixture_of_logistics or gaussian"
        )


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class Distiller(keras.Model):
    """Probability density distillation (1711.10433, sections 3 and 4).

    Compile it with an optimiser alone and fit it on the clips that trained
    the teacher; then save `student`. The loss is
    `kl_weight` · KL(student ‖ teacher) + `power_weight` · power loss. The
    gradient of the KL runs through the teacher's activations into the
    student's samples; the teacher's weights stay as they are.

    Args:
        teacher: The trained teacher. It is frozen here.
        student: The student, whose acoustic contract and conditioning must
            be the teacher's.
        inner_samples: Fresh draws per timestep in the cross-entropy.
        kl_weight: Weight of the KL, nats per sample; a number, or a schedule
            such as `keras.optimizers.schedules.ExponentialDecay`, called with
            the optimiser's step.
        power_weight: Weight of the power loss.
        seed: Seed of the inner draws.

    Raises:
        UserError: If teacher and student have different contracts or are
            told different things, or if the teacher's output is not
            continuous.
    """

    def __init__(
        self,
        teacher: WaveNet,
        student: ParallelWaveNet,
        inner_samples: int = 16,
        kl_weight: float | Callable = 1.0,
        power_weight: float = 1.0,
        seed: int = 1,
        **kwargs,
    ) -> None:
        # Teacher and student choose for themselves what they round.
        super().__init__(autocast=False, **kwargs)
        teacher.audio.require_equal(student.audio, "the teacher", "the student")
        require_distillable(teacher)
        if teacher.conditioning != student.conditioning:
            raise UserError(
                "teacher and student are told different things: "
                f"{teacher.conditioning} and {student.conditioning}; build "
                "the student with conditioning=teacher.conditioning"
            )
        self.teacher = teacher
        self.teacher.trainable = False
        self.student = student
        self.inner_samples = inner_samples
        self.kl_weight = kl_weight
        self.power_weight = power_weight
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("kl", "cross_entropy", "entropy", "power", "level")
        }

    def build(self, input_shape=None) -> None:
        for model in (self.teacher, self.student):
            if not model.built:
                model.build()
        self.built = True

    def call(self, inputs):
        return self.student(inputs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Weighted sum of the losses; each is also a metric of its own.

        Args:
            x: The inputs, as given to `call`.
            y: The recording for that mel spectrogram, `(batch, time)`.
            y_pred: What the student returned.
            sample_weight: `(batch, time)`: 1 where a sample counts.
        """
        del training
        terms = self.loss_terms(x, y, y_pred, sample_weight)
        loudness = terms.pop("recording_level")
        counted = None if sample_weight is None else ops.sum(sample_weight)
        for name, value in terms.items():
            # A quiet clip says little about how loud the student is.
            share = loudness if name == "level" else counted
            self.trackers[name].update_state(value, share)
        weight = self.kl_weight
        if callable(weight):
            weight = weight(self.optimizer.iterations)
        return weight * terms["kl"] + self.power_weight * terms["power"]

    def loss_terms(self, inputs, recording, student_output, sample_weight=None):
        """The terms, unweighted.

        Returns:
            Scalars: `kl`, `cross_entropy` and `entropy` in true nats per
            sample, `power`, `level` (the student's standard deviation over
            the recording's) and `recording_level` (the recording's own).
        """
        audio = student_output["audio"]
        location = student_output["location"]
        log_scale = student_output["log_scale"]
        distribution = self.teacher.distribution(inputs | {"audio": audio})
        crossed = weighted_mean(
            cross_entropy(
                distribution,
                location,
                log_scale,
                self.inner_samples,
                self.seed_generator,
            ),
            sample_weight,
        )
        own = weighted_mean(entropy(log_scale), sample_weight)
        if sample_weight is not None:
            audio, recording = audio * sample_weight, recording * sample_weight
        power = power_loss(audio, recording, self.student.audio.sample_rate)
        recording_level = ops.std(recording)
        return {
            "kl": true_kl(crossed, own),
            "cross_entropy": crossed + LOG_BIN_WIDTH,
            "entropy": own,
            "power": power,
            "level": ops.std(audio) / (recording_level + 1e-6),
            "recording_level": recording_level,
        }

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return super().get_config() | {
            "teacher": serialize(self.teacher),
            "student": serialize(self.student),
            "inner_samples": self.inner_samples,
            "kl_weight": serialize(self.kl_weight),
            "power_weight": self.power_weight,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        nested = {
            name: keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
            for name in ("teacher", "student", "kl_weight")
        }
        return cls(**config | nested)
