"""How models are trained, and presets: frozen dataclasses."""

import dataclasses
from typing import Any

from pwavenet_tf.core.config import (
    AudioContract,
    Conditioning,
    SampleRNNConfig,
    Settings,
    StudentConfig,
    TeacherConfig,
)
from pwavenet_tf.core.errors import UserError

# In which networks compute. bfloat16 has the range of float32; float16 has
# more digits and needs its loss scaled, which Keras does.
PRECISIONS = ("float32", "bfloat16", "float16")

# Adam's learning rate rises over this share of a run, or so many steps.
WARMUP_SHARE = 1 / 20
LONGEST_WARMUP = 1_000

# Weights are averaged over this share of a run: a longer average of a short run
# would still hold the initial weights.
AVERAGED_SHARE = 1 / 20
HIGHEST_MOMENTUM = 0.9999

# Lowest and highest value of each setting, both allowed.
BOUNDS = {
    "steps": (1, 100_000_000),
    "batch_size": (1, 4_096),
    "clip_length": (1, 10_000_000),
    "learning_rate": (0.0, 1.0),
    "report_every": (1, 1_000_000),
    "seed": (0, 2**31 - 1),
}


def require_within(name: str, value: float) -> None:
    """Refuses the value of one of `BOUNDS` that is outside or no number."""
    lowest, highest = BOUNDS[name]
    if not lowest <= value <= highest:
        raise UserError(
            f"{name} {value} is out of bounds; give a number from {lowest:,} "
            f"to {highest:,}"
        )


@dataclasses.dataclass(frozen=True)
class TeacherTraining:
    """How a teacher is trained, or a student without one.

    Attributes:
        steps: Optimiser steps of a whole run.
        batch_size: Clips a step.
        clip_length: Samples of each clip that the loss is computed over.
        learning_rate: Adam's, at its peak; it decays to zero by a cosine.
        clip_norm: The gradient's global norm is cut to this.
        precision: What the networks compute in during training, one of
            `PRECISIONS`; weights, likelihoods and what is saved are float32.
        report_every: Steps between two reports; a tenth of the run, and 1,000
            at most, if None.

    Raises:
        UserError: If a value is out of its `BOUNDS`.
    """

    steps: int
    batch_size: int
    clip_length: int
    learning_rate: float
    clip_norm: float = 10.0
    precision: str = "float32"
    report_every: int | None = None

    def __post_init__(self) -> None:
        for name in BOUNDS:
            value = getattr(self, name, None)
            if value is not None:
                require_within(name, value)
        if self.precision not in PRECISIONS:
            raise UserError(
                f"precision {self.precision!r} is not known; choose from "
                f"{', '.join(PRECISIONS)}"
            )


@dataclasses.dataclass(frozen=True)
class PowerLoss(Settings):
    """Which spectra the power loss compares (1711.10433, section 4.1).

    Attributes:
        exponents: `(p, weight)` for each comparison of |STFT|ᵖ: p = 2 is the
            paper's, 1 weighs the loudest sounds less. At 0.3, close to
            perceived loudness, hiss and noise in pauses matter too.
        average_time: Whether spectra are averaged over the clip before they
            are compared, rather than compared frame by frame.
        resolutions: `(FFT length, window length, hop length)` of each STFT,
            in samples; the loss is their mean.
        emphasis_hz: Frequencies below this are weighted up.
        emphasis: The share of the whole loss that this band alone makes up,
            0 to 1.
    """

    exponents: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    average_time: bool = False
    resolutions: tuple[tuple[int, int, int], ...] = ((2_048, 1_024, 256),)
    emphasis_hz: float = 3_000.0
    emphasis: float = 0.5

    def __post_init__(self) -> None:
        # JSON has lists where Python has tuples.
        for name in ("exponents", "resolutions"):
            rows = tuple(map(tuple, getattr(self, name)))
            object.__setattr__(self, name, rows)
            if not rows:
                raise UserError(
                    f"power loss: {name} is empty; name at least one"
                )
        for exponent, weight in self.exponents:
            if not (0.0 < exponent <= 2.0 and weight >= 0.0):
                raise UserError(
                    f"power loss: |STFT| to the {exponent} with the weight "
                    f"{weight}; take an exponent above 0 and up to 2, and a "
                    "weight of 0 or more"
                )
        if not 0.0 <= self.emphasis <= 1.0:
            raise UserError(
                f"power loss: emphasis is {self.emphasis}; it is a share, "
                "between 0 and 1"
            )
        for fft, window, hop in self.resolutions:
            if not 0 < hop <= window <= fft:
                raise UserError(
                    "power loss: 0 < hop <= window <= FFT must hold in every "
                    f"resolution, but one is (FFT {fft}, window {window}, "
                    f"hop {hop})"
                )


@dataclasses.dataclass(frozen=True)
class Distillation(TeacherTraining):
    """How the student is distilled.

    Attributes:
        inner_samples: Monte Carlo samples per timestep in the cross-entropy.
        kl_weight: Weight of the KL.
        contrastive: γ, the weight of the KL under another clip's
            conditioning, which is subtracted; 0 for none. It takes at least
            two clips a step.
        power_weight: Weight of the power loss.
        power: Which spectra the power loss compares.
        style_weight: Weight of the style loss, once there is a phone
            classifier.
        feature_weight: Weight of the feature reconstruction loss, likewise.
    """

    inner_samples: int = 16
    kl_weight: float = 1.0
    contrastive: float = 0.3
    power_weight: float = 1.0
    power: PowerLoss = PowerLoss()
    style_weight: float = 1.0
    feature_weight: float = 0.0

    def losses(self) -> dict[str, Any]:
        """The arguments of a `Distiller` that these settings fix."""
        of_any = TeacherTraining.__dataclass_fields__
        return {k: v for k, v in vars(self).items() if k not in of_any}


@dataclasses.dataclass(frozen=True)
class Preset:
    """A complete set of settings.

    The acoustic contract has no normalisation statistics, the conditioning no
    phones and speakers: those are a corpus's. Without `student` and
    `distillation` none can be distilled.
    """

    name: str
    audio: AudioContract
    conditioning: Conditioning
    teacher: TeacherConfig | SampleRNNConfig
    teacher_training: TeacherTraining
    student: StudentConfig | None = None
    distillation: Distillation | None = None
