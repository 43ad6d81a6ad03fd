"""The Distiller: trains a student against a frozen teacher."""

from collections.abc import Callable
from typing import cast

import keras
from keras import ops

from pwavenet_tf.audio.signal import pre_emphasis, weighted_mean
from pwavenet_tf.core.config import FRAME_ARRAYS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import PowerLoss
from pwavenet_tf.distillation.kl import (
    divergence,
    entropy,
    has_closed_form,
    mismatched,
    scale_regulariser,
)
from pwavenet_tf.distillation.perceptual import (
    perceptual_losses,
    require_same_contract,
)
from pwavenet_tf.distillation.power import power_loss
from pwavenet_tf.models.backend import (
    ReplicatedModel,
    batch_share,
    next_key,
    unscaled,
)
from pwavenet_tf.models.distributions import ContinuousHead, Gaussian
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.teachers import Teacher
from pwavenet_tf.models.tfp import WATCHES_GRADIENTS, freeze, watch_gradient

# The conditioning of both models, and the student's outputs that are judged.
_CONDITIONING = (*FRAME_ARRAYS, "speaker")
_OUTPUTS = ("audio", "location", "log_scale")


def require_distillable(teacher: Teacher) -> None:
    """Refuses a teacher through which no gradient reaches the student."""
    if not issubclass(teacher.head_class, ContinuousHead):
        raise UserError(
            f"a teacher with the head {teacher.head} reads codes, through "
            "which no gradient reaches a student; train one with "
            "mixture_of_logistics or gaussian"
        )


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class Distiller(ReplicatedModel):
    """Probability density distillation (1711.10433, sections 3 and 4).

    Compile it with an optimiser alone and fit it on the clips that trained
    the teacher; then save `student`. The loss is

        kl_weight · [KL(S(c₁) ‖ T(c₁)) - contrastive · KL(S(c₁) ‖ T(c₂))]
        + power_weight · power loss
        + style_weight · style loss + feature_weight · feature loss

    where c₂ is the conditioning of another clip of the batch. The gradient of
    the KL flows through the teacher's activations into the student's samples;
    the teacher's weights stay as they are. Where student and teacher are both
    Gaussian, the KL is ClariNet's (1807.07281): in closed form, with the
    regulariser of its log-scales.

    Where they are conditioned on an encoding, the recordings' own, by the
    teacher's encoder, serves both; the student holds it too, frozen.

    Each term is a metric of its own, and so is the norm of its gradient at
    the student's output, including its weight: `gradient_kl` and so on.

    Args:
        teacher: The trained teacher. It is frozen here.
        student: The student, whose acoustic contract and conditioning must
            be the teacher's.
        phone_classifier: Trained, with the same contract, for the style and
            the feature loss; without one there are none. It is frozen here.
        inner_samples: Monte Carlo samples per timestep in the cross-entropy.
        kl_weight: Weight of the KL, nats per sample; a number, or a schedule
            such as `keras.optimizers.schedules.ExponentialDecay`, called with
            the optimiser's step.
        contrastive: γ; 0 spares the teacher its second pass.
        power_weight: Weight of the power loss.
        power: Which spectra it compares.
        style_weight: Weight of the style loss.
        feature_weight: Weight of the feature reconstruction loss.
        seed: Seed of the inner samples.

    Raises:
        UserError: If teacher and student have different contracts or
            conditioning, or if the teacher's output is not continuous.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: ParallelWaveNet,
        phone_classifier: PhoneClassifier | None = None,
        inner_samples: int = 16,
        kl_weight: float | Callable = 1.0,
        contrastive: float = 0.3,
        power_weight: float = 1.0,
        power: PowerLoss | dict | None = None,
        style_weight: float = 1.0,
        feature_weight: float = 0.0,
        seed: int = 1,
        **kwargs,
    ) -> None:
        # Teacher and student cast their own inputs.
        super().__init__(autocast=False, **kwargs)
        teacher.audio.require_equal(student.audio, "the teacher", "the student")
        require_distillable(teacher)
        if teacher.conditioning != student.conditioning:
            raise UserError(
                "teacher and student have different conditioning: "
                f"{teacher.conditioning} and {student.conditioning}; build "
                "the student with conditioning=teacher.conditioning"
            )
        self.teacher = teacher
        freeze(teacher)
        self.student = student
        if student.conditioner.encoder is not None:
            freeze(student.conditioner.encoder)
        self.phone_classifier = phone_classifier
        if phone_classifier is not None:
            require_same_contract(phone_classifier, student.audio)
            freeze(phone_classifier)
        self.inner_samples = inner_samples
        self.kl_weight = kl_weight
        self.contrastive = contrastive
        self.power_weight = power_weight
        self.power = PowerLoss.from_config(power or {})
        self.style_weight = style_weight
        self.feature_weight = feature_weight
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.closed_form = has_closed_form(
            teacher.head_class, student.noise_family
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in self._names()
        }

    def _names(self) -> list[str]:
        """The names of all metrics, in the order in which they are shown."""
        contrastive = ["contrastive"] if self.contrastive else []
        perceptual = self.phone_classifier is not None
        terms = ["entropy", "cross_entropy", "kl"]
        terms += ["regulariser"] * self.closed_form + contrastive + ["power"]
        terms += ["style", "feature"] * perceptual
        watched = ["kl", *contrastive, "power"] + ["perceptual"] * perceptual
        gradients = [f"gradient_{name}" for name in watched]
        return [*terms, *gradients * WATCHES_GRADIENTS, "level"]

    def build(self, input_shape=None) -> None:
        for model in (self.teacher, self.student):
            if not model.built:
                model.build()
        # An initial student may have been trained with another one.
        own = self.student.conditioner.encoder
        given = self.teacher.conditioner.encoder
        if own is not None and given is not None:
            for mine, theirs in zip(own.weights, given.weights, strict=True):
                mine.assign(theirs)
        self.built = True

    def call(self, inputs):
        return self.student(self.teacher.conditioner.with_encoding(inputs))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Weighted sum of the losses; each is also a metric of its own.

        `y` is the recording for the inputs `x`; the loss mask `sample_weight`,
        `(batch, time)`, is 1 for valid samples.
        """
        self._in_training = training
        terms = self.loss_terms(x, y, y_pred, sample_weight)
        recording_level = terms.pop("recording_level")
        valid_samples = (
            None if sample_weight is None else ops.sum(sample_weight)
        )
        for name, value in terms.items():
            # The level is the less certain the quieter the clip.
            certainty = recording_level if name == "level" else valid_samples
            self.trackers[name].update_state(value, certainty)
        weight = self.kl_weight
        if callable(weight):
            weight = weight(self.optimizer.iterations)
        distance = terms["kl"] + terms.get("regulariser", 0.0)
        if self.contrastive:
            distance = distance - self.contrastive * terms["contrastive"]
        spectral = self.power_weight * terms["power"]
        if self.phone_classifier is not None:
            spectral = spectral + self.style_weight * terms["style"]
            spectral = spectral + self.feature_weight * terms["feature"]
        return (
            weight * distance * batch_share(valid_samples)
            + spectral * batch_share()
        )

    def get_metrics_result(self):
        """As in Keras; there are no gradients in validation."""
        return {
            name: value
            for name, value in super().get_metrics_result().items()
            if self._in_training or not name.startswith("gradient_")
        }

    def loss_terms(self, inputs, recording, student_output, sample_weight=None):
        """The terms, unweighted.

        Returns:
            Scalars: `kl`, `cross_entropy` and `entropy` in true nats per
            sample, `contrastive` (the KL under another clip's
            conditioning), `power`, `style` and `feature`, where there are any;
            `regulariser` between Gaussians; `level` (the student's standard
            deviation over the recording's) and `recording_level` (the
            recording's own).
        """
        # Of the recording: the teacher is going to read the student's audio.
        inputs = self.teacher.conditioner.with_encoding(inputs)
        terms = self._divergences(inputs, student_output, sample_weight)
        audio = student_output["audio"]
        contract = self.student.audio
        (watched,) = self._watched("power", audio)
        # Where the flows generate pre-emphasised audio, high and low
        # frequencies are weighted alike.
        generated, target = (
            pre_emphasis(x, contract.pre_emphasis) for x in (watched, recording)
        )
        if sample_weight is not None:
            generated, target, audio, recording = (
                x * sample_weight for x in (generated, target, audio, recording)
            )
        terms["power"] = power_loss(
            generated, target, contract.sample_rate, self.power
        )
        if self.phone_classifier is not None:
            (watched,) = self._watched("perceptual", audio)
            terms |= perceptual_losses(
                self.phone_classifier, watched, recording
            )
        recording_level = ops.std(recording)
        return terms | {
            "level": ops.std(audio) / (recording_level + 1e-6),
            "recording_level": recording_level,
        }

    def _divergences(self, inputs, student_output, sample_weight) -> dict:
        noise = self.student.noise_family
        own = weighted_mean(
            entropy(student_output["log_scale"], noise), sample_weight
        )
        conditioning = {
            name: inputs[name] for name in _CONDITIONING if name in inputs
        }
        by_term = {"kl": conditioning}
        if self.contrastive:
            by_term["contrastive"] = mismatched(conditioning)
        # The same samples for both: their difference is less noisy, and zero
        # for equal conditioning.
        key = next_key(self.seed_generator)
        terms = {"entropy": own}
        for name, given in by_term.items():
            audio, location, log_scale = self._watched(
                name, *(student_output[output] for output in _OUTPUTS)
            )
            teacher = self.teacher.distribution(given | {"audio": audio})
            teacher = cast(ContinuousHead, teacher)
            each = divergence(
                teacher, location, log_scale, noise, self.inner_samples, key
            )
            terms[name] = weighted_mean(each, sample_weight)
            if name == "kl" and self.closed_form:
                each = scale_regulariser(cast(Gaussian, teacher), log_scale)
                terms["regulariser"] = weighted_mean(each, sample_weight)
        return terms | {"cross_entropy": terms["kl"] + own}

    def _watched(self, term: str, *tensors):
        tracker = self.trackers.get(f"gradient_{term}")
        if tracker is None:
            return tensors
        return watch_gradient(unscaled(tracker.update_state, self), *tensors)
