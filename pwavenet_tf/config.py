"""Frozen settings of audio, teacher, student and training, and presets.

A preset is a complete, named set of these. `preset("nano")` trains on two
cores; `preset("paper")` has the sizes of Parallel WaveNet (1711.10433).
"""

import dataclasses
import math

from pwavenet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class AudioContract:
    """The acoustic contract: how audio becomes a mel spectrogram and back.

    It is written into the corpus card, every saved model and every export;
    whoever loads one of these compares it and refuses a mismatch.

    Frame `f` of the mel spectrogram stands for the samples
    `[f * hop_length, (f + 1) * hop_length)`: audio is zero-padded by
    `(fft_length - hop_length) / 2` on both sides, so that the frame's window
    is centred on those samples. Audio of `n` samples has
    `ceil(n / hop_length)` frames.

    Attributes:
        sample_rate: Samples per second, Hz.
        hop_length: Samples between neighbouring frames.
        window_length: Samples under the (periodic) Hann window.
        fft_length: Samples of the zero-padded Fourier transform.
        mels: Number of mel bands (Slaney's scale and area normalisation).
        lowest_hz: Lower edge of the lowest band, Hz.
        highest_hz: Upper edge of the highest band, Hz.
        magnitude_floor: Mel magnitudes are raised to this before the natural
            logarithm.
        mel_mean: Mean of each band's log magnitude over the corpus; empty
            for a mel spectrogram that is not normalised.
        mel_deviation: Standard deviation of each band; empty likewise.
    """

    sample_rate: int = 16_000
    hop_length: int = 200
    window_length: int = 800
    fft_length: int = 1_024
    mels: int = 80
    lowest_hz: float = 0.0
    highest_hz: float = 8_000.0
    magnitude_floor: float = 1e-5
    mel_mean: tuple[float, ...] = ()
    mel_deviation: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        # JSON has lists where Python has tuples.
        for name in ("mel_mean", "mel_deviation"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if len(getattr(self, name)) not in (0, self.mels):
                raise UserError(
                    f"audio contract: {name} has {len(getattr(self, name))} "
                    f"values for {self.mels} mel bands; give one for each"
                )
        if not self.hop_length <= self.window_length <= self.fft_length:
            raise UserError(
                "audio contract: hop_length <= window_length <= fft_length "
                f"must hold, but they are {self.hop_length}, "
                f"{self.window_length}, {self.fft_length}"
            )

    @classmethod
    def from_config(cls, config: "AudioContract | dict") -> "AudioContract":
        """A contract as it is, or from its form in a saved model."""
        return config if isinstance(config, cls) else cls(**config)

    def require_upsampling(self, factors: tuple[int, ...]) -> None:
        """Refuses upsampling factors that do not make one hop.

        Raises:
            UserError: If their product is not the hop length.
        """
        if math.prod(factors) != self.hop_length:
            raise UserError(
                f"upsampling {tuple(factors)} multiplies to "
                f"{math.prod(factors)}, but the hop length is "
                f"{self.hop_length}; choose factors whose product it is"
            )

    def frames(self, samples: int) -> int:
        """The number of mel frames of audio that has so many samples."""
        return math.ceil(samples / self.hop_length)

    def differences(self, other: "AudioContract") -> list[str]:
        """Names and values of the fields in which two contracts differ."""
        found = []
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine == theirs:
                continue
            if isinstance(mine, tuple):
                found.append(f"{field.name} (statistics of another corpus)")
            else:
                found.append(f"{field.name} ({mine} against {theirs})")
        return found

    def require_equal(
        self, other: "AudioContract", mine: str, theirs: str
    ) -> None:
        """Refuses another contract, naming the fields that differ.

        Raises:
            UserError: If any field differs. `mine` and `theirs` name the two
                places in the message.
        """
        if found := self.differences(other):
            raise UserError(
                f"{mine} and {theirs} do not share one acoustic contract: "
                f"{', '.join(found)}; prepare the data or train the model "
                "anew so that both agree"
            )


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """Sizes of the WaveNet teacher; see `pwavenet_tf.WaveNet`."""

    dilations: tuple[int, ...]
    filter_width: int
    residual_channels: int
    gate_channels: int
    skip_channels: int
    mixture_components: int
    upsampling: tuple[int, ...]
    conditioning_channels: int


@dataclasses.dataclass(frozen=True)
class StudentConfig:
    """Sizes of the student's flows; see `pwavenet_tf.ParallelWaveNet`."""

    flow_dilations: tuple[tuple[int, ...], ...]
    filter_width: int
    residual_channels: int
    gate_channels: int
    upsampling: tuple[int, ...]
    conditioning_channels: int


@dataclasses.dataclass(frozen=True)
class TeacherTraining:
    """How the teacher is trained.

    Attributes:
        steps: Optimiser steps of a whole run.
        batch_size: Clips a step.
        clip_length: Samples of each clip that count in the loss.
        learning_rate: Adam's, at its peak; it decays to zero by a cosine.
        clip_norm: The gradient's global norm is cut to this.
    """

    steps: int
    batch_size: int
    clip_length: int
    learning_rate: float
    clip_norm: float = 10.0


@dataclasses.dataclass(frozen=True)
class Distillation(TeacherTraining):
    """How the student is distilled.

    Attributes:
        inner_samples: Fresh draws per timestep in the cross-entropy.
        kl_weight: Weight of the KL at the end of the run.
        kl_weight_start: Its weight at the start; it grows exponentially.
        power_weight: Weight of the power loss.
    """

    inner_samples: int = 16
    kl_weight: float = 1.0
    kl_weight_start: float = 1.0
    power_weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Preset:
    """A complete set of settings.

    Attributes:
        name: What `preset` knows it by.
        audio: The acoustic contract, without normalisation statistics.
        teacher: Sizes of the teacher.
        student: Sizes of the student.
        teacher_training: How the teacher is trained.
        distillation: How the student is distilled.
    """

    name: str
    audio: AudioContract
    teacher: TeacherConfig
    student: StudentConfig
    teacher_training: TeacherTraining
    distillation: Distillation


def doubling(layers: int, rounds: int = 1) -> tuple[int, ...]:
    """Dilations 1, 2, 4 … over `layers`, repeated `rounds` times."""
    return tuple(2**layer for layer in range(layers)) * rounds


_PRESETS = (
    Preset(
        name="nano",
        audio=AudioContract(),
        teacher=TeacherConfig(
            dilations=doubling(9, rounds=2),
            filter_width=3,
            residual_channels=64,
            gate_channels=64,
            skip_channels=64,
            mixture_components=10,
            upsampling=(10, 20),
            conditioning_channels=32,
        ),
        student=StudentConfig(
            flow_dilations=(doubling(8), doubling(8), doubling(9)),
            filter_width=3,
            residual_channels=32,
            gate_channels=32,
            upsampling=(10, 20),
            conditioning_channels=32,
        ),
        teacher_training=TeacherTraining(
            steps=4_000, batch_size=2, clip_length=10_000, learning_rate=2e-3
        ),
        distillation=Distillation(
            steps=4_000,
            batch_size=2,
            clip_length=6_000,
            learning_rate=2e-3,
            inner_samples=6,
            kl_weight_start=0.003,
            power_weight=20.0,
        ),
    ),
    Preset(
        name="paper",
        audio=AudioContract(
            sample_rate=24_000,
            hop_length=300,
            window_length=1_200,
            fft_length=2_048,
            highest_hz=12_000.0,
        ),
        teacher=TeacherConfig(
            dilations=doubling(10, rounds=3),
            filter_width=3,
            residual_channels=512,
            gate_channels=256,
            skip_channels=256,
            mixture_components=10,
            upsampling=(15, 20),
            conditioning_channels=80,
        ),
        student=StudentConfig(
            flow_dilations=(
                doubling(10),
                doubling(10),
                doubling(10),
                doubling(10, rounds=3),
            ),
            filter_width=3,
            residual_channels=64,
            gate_channels=64,
            upsampling=(15, 20),
            conditioning_channels=80,
        ),
        teacher_training=TeacherTraining(
            steps=1_000_000,
            batch_size=32,
            clip_length=7_800,
            learning_rate=2e-4,
        ),
        distillation=Distillation(
            steps=1_000_000,
            batch_size=32,
            clip_length=7_800,
            learning_rate=2e-4,
            inner_samples=16,
        ),
    ),
)


def preset_names() -> list[str]:
    """The names that `preset` knows."""
    return [known.name for known in _PRESETS]


def preset(name: str) -> Preset:
    """Returns a preset by name: `nano` (two cores) or `paper` (full size).

    Raises:
        UserError: If there is no preset of that name.
    """
    for known in _PRESETS:
        if known.name == name:
            return known
    raise UserError(
        f"no preset is named {name!r}; there are {', '.join(preset_names())}"
    )
