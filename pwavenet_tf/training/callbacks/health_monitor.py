"""Callbacks that watch a run: a student's health, and what is not finite."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.sound_measures import sound_measures
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import is_replicated
from pwavenet_tf.models.flows import LOG_SCALE_BOUND, affine_step
from pwavenet_tf.training.callbacks.checkpoint import step_of
from pwavenet_tf.training.callbacks.health_diagnosis import diagnose
from pwavenet_tf.training.callbacks.health_measures import (
    scale_measures,
    weighted_segments,
)

# Of the bound: there a flow's ln s has 2 % of its gradient left.
_SATURATED = 0.99

# Terms in the order in which one spoils the next: the entropy needs the
# scales alone, the KL is made of two others.
_CAUSES = (
    "entropy",
    "cross_entropy",
    "kl",
    "regulariser",
    "contrastive",
    "power",
    "feature",
    "style",
    "perceptual",
)

_REMEDIES = {
    "contrastive": "lower contrastive or the learning rate",
    "power": "lower power_weight or the learning rate",
    "feature": "lower feature_weight or the learning rate",
    "style": "lower style_weight or the learning rate",
    "perceptual": "lower style_weight, feature_weight or the learning rate",
}
_GRADIENT = "gradient_"


def _compiled(function: Callable, model: keras.Model) -> Callable:
    """The function as a graph, where TensorFlow is the backend.

    Under XLA, unless the model's weights lie on several devices.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(
        function, jit_compile=not is_replicated(model), autograph=False
    )


class HealthMonitor(keras.callbacks.Callback):
    """Measures a student on held-out clips and warns in words.

    After each validation the student generates the clips, from the same noise
    every time, and it puts what `health_measures` measures into the logs of the
    epoch as `health_…`. A fault is printed when it appears and when it has
    passed.

    Place it before `SwapEMAWeights`, so that it sees the averaged weights,
    which are in the model until the validation has ended; and before
    `CSVLogger`, which writes the logs. Without validation it measures at the
    end of the epoch.

    Args:
        clips: Batches `(inputs, audio, weight)` as `Corpus.validation_clips`
            gives them; some seconds of speech suffice.
        seed: Seed of the noise.

    Raises:
        UserError: If no sample of the clips is valid.
    """

    def __init__(self, clips: Sequence[tuple], seed: int = 0) -> None:
        super().__init__()
        self._clips = list(clips)
        self._seed = seed
        self._measured: dict[str, float] | None = None
        self._faults: set[str] = set()
        if not any(np.any(np.asarray(weight) > 0) for *_, weight in clips):
            raise UserError(
                "the health monitor was given no valid sample; give it clips "
                "of the validation recordings"
            )

    def set_model(self, model) -> None:
        super().set_model(model)
        self._generate = _compiled(_generator(model.student), model)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._measured = None

    def on_test_end(self, logs=None) -> None:
        self._measured = self.measures()

    def on_epoch_end(self, epoch, logs=None) -> None:
        found = self._measured or self.measures()
        terms = {
            name.removeprefix("val_"): value
            for name, value in logs.items()
            if name.startswith("val_")
        }
        self._report(diagnose(logs | terms | found))
        logs.update({f"health_{name}": value for name, value in found.items()})

    def measures(self) -> dict[str, float]:
        """Measures of the student as it is now, as `diagnose` takes them."""
        student = self.model.student
        generated, recorded, scales, saturated = [], [], [], []
        for (audio, log_scale, held), (_, target, weight) in zip(
            self._outputs(student), self._clips, strict=True
        ):
            generated += weighted_segments(audio, weight)
            recorded += weighted_segments(target, weight)
            scales += weighted_segments(log_scale, weight)
            saturated.append(
                [np.concatenate(weighted_segments(one, weight)) for one in held]
            )
        shares = np.concatenate(saturated, axis=1).mean(axis=1)
        # A source-filter flow has no lowest scale.
        lowest = -np.inf
        if student.source is None:
            lowest = sum(
                network.log_scale_centre - _SATURATED * LOG_SCALE_BOUND
                for network in student.networks
            )
        return (
            sound_measures(generated, recorded, student.audio.sample_rate)
            | scale_measures(scales, recorded, student.noise_family.std, lowest)
            | {
                f"saturated_flow_{number}": float(share)
                for number, share in enumerate(shares, 1)
            }
        )

    def _outputs(self, student) -> list[tuple]:
        """Audio, ln s_tot and where each flow is saturated, for each batch."""
        # The student draws the noise of its own family; the random numbers of
        # training must not depend on the monitor.
        state = student.seed_generator.state
        before = ops.convert_to_numpy(state)
        state.assign(keras.random.SeedGenerator(self._seed).state)
        try:
            return [
                tuple(
                    np.asarray(ops.convert_to_numpy(one))
                    for one in self._generate(inputs)
                )
                for inputs, *_ in self._clips
            ]
        finally:
            state.assign(before)

    def _report(self, sentences: list[str]) -> None:
        found = {sentence.split(":")[0]: sentence for sentence in sentences}
        for name, sentence in found.items():
            if name not in self._faults:
                print(f"health: {sentence}", flush=True)
        for name in sorted(self._faults - set(found)):
            print(f"health: {name} has passed", flush=True)
        self._faults = set(found)


def _generator(student) -> Callable:
    def generate(inputs):
        output = student(inputs)
        x, held = output["noise"], []
        first = student.source is not None
        for network, flow in zip(
            [None] * first + student.networks,
            student.flows(inputs),
            strict=True,
        ):
            location, log_scale = flow.location_and_log_scale(x)
            x = affine_step(x, location, ops.exp(log_scale))
            if network is None:
                continue
            away = ops.abs(log_scale - network.log_scale_centre)
            held.append(away >= _SATURATED * LOG_SCALE_BOUND)
        return output["audio"], output["log_scale"], ops.stack(held)

    return generate


class NotFiniteError(UserError):
    """A loss, a gradient or a weight is no longer finite."""


class StopWhenNotFinite(keras.callbacks.Callback):
    """Ends a run in which a loss, a gradient or a weight is not finite.

    It raises before anything is saved, so the last checkpoint stays as it is.

    Args:
        checkpoint: Where this run keeps its last weights, to be named in the
            message.

    Raises:
        NotFiniteError: At the first such batch. It names the first of the terms
            that spoil each other; a gradient, logged as `gradient_…`, only
            if the terms themselves are finite.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._epoch = 0
        self._all_finite: Callable = bool

    def on_train_begin(self, logs=None) -> None:
        self._all_finite = _compiled(self._weights_are_finite, self.model)

    def _weights_are_finite(self):
        weights = self.model.trainable_variables
        return ops.all(ops.stack([ops.all(ops.isfinite(x)) for x in weights]))

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None) -> None:
        name = first_not_finite(logs)
        if name is None and bool(self._all_finite()):
            return
        step = step_of(self.model)
        raise NotFiniteError(
            f"{self._what(name, logs)} in batch {batch + 1} of report "
            f"{self._epoch + 1} (step {step}); {self._last_good()}; "
            f"{_remedy(name)}, or start it again to resume from there"
        )

    def _what(self, name: str | None, logs: Mapping[str, float]) -> str:
        if name is None:
            not_finite = next(
                weight.path
                for weight in self.model.trainable_variables
                if not np.isfinite(ops.convert_to_numpy(weight)).all()
            )
            return f"the weights became not finite, first {not_finite},"
        value = logs[name]
        if name == "loss":
            return f"the loss became {value}"
        if name.startswith(_GRADIENT):
            term = name.removeprefix(_GRADIENT)
            return f"the gradient of the loss's term {term} became {value}"
        return f"the loss became {logs['loss']}, its term {name} {value},"

    def _last_good(self) -> str:
        if self._checkpoint is None or not self._checkpoint.exists():
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self._checkpoint}"


def first_not_finite(logs: Mapping[str, float]) -> str | None:
    """The earliest cause among logs that are not finite; None if all are."""
    not_finite = {
        name for name, value in logs.items() if not math.isfinite(value)
    }
    gradients = [name for name in logs if name.startswith(_GRADIENT)]
    terms = [name for name in logs if name not in gradients]
    order = [
        *_CAUSES,
        *(name for name in terms if name != "loss"),
        "loss",
        *(_GRADIENT + name for name in _CAUSES),
        *gradients,
    ]
    return next((name for name in order if name in not_finite), None)


def _remedy(name: str | None) -> str:
    term = (name or "").removeprefix(_GRADIENT)
    return _REMEDIES.get(term, "lower the learning rate or the KL's weight")
