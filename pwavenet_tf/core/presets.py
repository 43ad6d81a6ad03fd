"""The named presets, such as `nano`, `small` and `paper`.

`nano` trains on two cores; `small` has the sizes of the voice `kathleen`,
about as large, with F0 and a source-filter flow; `v1` is the WaveNet of
2016 (1609.03499), with 8-bit output and the linguistic features of the paper;
`paper` has the sizes of Parallel WaveNet (1711.10433), `multispeaker` those
of its student for several speakers. `samplernn` has a teacher of the structure
of 1612.07837, `samplernn-small` one for two cores, with the student of `small`.
`nsynth` is the WaveNet autoencoder of 1704.01279, `nsynth-small` one for two
cores, with the layers of `nano`.
"""

import dataclasses

from pwavenet_tf.core.config import (
    AudioContract,
    Conditioning,
    SampleRNNConfig,
    StudentConfig,
    TeacherConfig,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import (
    Distillation,
    PowerLoss,
    Preset,
    TeacherTraining,
)


def doubling(layers: int, rounds: int = 1) -> tuple[int, ...]:
    """Dilations 1, 2, 4 … over `layers`, repeated `rounds` times."""
    return tuple(2**layer for layer in range(layers)) * rounds


_NANO_DISTILLATION = Distillation(
    steps=12_000,
    batch_size=2,
    clip_length=6_000,
    learning_rate=2e-3,
    inner_samples=6,
    # Under another clip's envelope a teacher with linear prediction finds
    # anything improbable: the contrastive loss would outweigh the KL.
    contrastive=0.0,
    power_weight=5.0,
    power=PowerLoss(exponents=((1.0, 1.0), (0.3, 16.0))),
)

_NANO = Preset(
    name="nano",
    audio=AudioContract(pre_emphasis=0.9),
    conditioning=Conditioning(channels=32, upsampling=(10, 20)),
    teacher=TeacherConfig(
        dilations=doubling(9, rounds=2),
        filter_width=3,
        residual_channels=64,
        gate_channels=64,
        skip_channels=64,
        prediction_order=32,
    ),
    student=StudentConfig(
        flow_dilations=(doubling(8), doubling(8), doubling(9)),
        filter_width=3,
        residual_channels=32,
        gate_channels=32,
    ),
    teacher_training=TeacherTraining(
        steps=4_000, batch_size=2, clip_length=10_000, learning_rate=2e-3
    ),
    distillation=_NANO_DISTILLATION,
)

_SMALL = dataclasses.replace(
    _NANO,
    name="small",
    conditioning=Conditioning(
        inputs=("mel", "sinusoids"),
        channels=64,
        upsampling=(10,),
        frame_layers=2,
    ),
    student=StudentConfig(
        flow_dilations=(doubling(9), doubling(9)),
        filter_width=3,
        residual_channels=32,
        gate_channels=32,
        source_taps=256,
        source_points=4,
    ),
)

_V1 = Preset(
    name="v1",
    # Features every 5 ms, as in 2016.
    audio=AudioContract(hop_length=80, window_length=400),
    conditioning=Conditioning(
        inputs=("linguistic", "pitch"), channels=64, upsampling=(8, 10)
    ),
    # The paper does not give the channels; these are ours.
    teacher=TeacherConfig(
        dilations=doubling(10, rounds=3),
        filter_width=2,
        residual_channels=256,
        gate_channels=256,
        skip_channels=256,
        head="mu_law",
    ),
    teacher_training=TeacherTraining(
        steps=200_000, batch_size=8, clip_length=8_000, learning_rate=1e-3
    ),
)

_PAPER_STUDENT = StudentConfig(
    flow_dilations=(*(doubling(10),) * 3, doubling(10, rounds=3)),
    filter_width=3,
    residual_channels=64,
    gate_channels=64,
)

_PAPER = Preset(
    name="paper",
    audio=AudioContract(
        sample_rate=24_000,
        hop_length=300,
        window_length=1_200,
        fft_length=2_048,
        highest_hz=12_000.0,
    ),
    conditioning=Conditioning(channels=80, upsampling=(15, 20)),
    teacher=TeacherConfig(
        dilations=doubling(10, rounds=3),
        filter_width=3,
        residual_channels=512,
        gate_channels=256,
        skip_channels=256,
    ),
    student=_PAPER_STUDENT,
    teacher_training=TeacherTraining(
        steps=1_000_000, batch_size=32, clip_length=7_800, learning_rate=2e-4
    ),
    distillation=Distillation(
        steps=1_000_000,
        batch_size=32,
        clip_length=7_800,
        learning_rate=2e-4,
        inner_samples=16,
    ),
)

# Every flow has the layers of the teacher (1711.10433, section 5).
_MULTISPEAKER = dataclasses.replace(
    _PAPER,
    name="multispeaker",
    conditioning=dataclasses.replace(
        _PAPER.conditioning, inputs=("mel", "speaker")
    ),
    student=dataclasses.replace(
        _PAPER_STUDENT, flow_dilations=(doubling(10, rounds=3),) * 4
    ),
)

# Frames of 16 and 4 samples, one GRU of 1,024 units in each tier, 8 bits, and
# truncated back-propagation over segments as near to the published 512 samples
# as whole mel frames and whole frames of 16 samples allow (section 3).
_SAMPLE_RNN = dataclasses.replace(
    _NANO,
    name="samplernn",
    conditioning=Conditioning(channels=80, upsampling=(10, 5)),
    teacher=SampleRNNConfig(frame_sizes=(16, 4), units=1_024, head="mu_law"),
    teacher_training=TeacherTraining(
        steps=200_000, batch_size=128, clip_length=400, learning_rate=1e-3
    ),
    student=None,
    distillation=None,
)

_SMALL_SAMPLE_RNN = dataclasses.replace(
    _SMALL,
    name="samplernn-small",
    teacher=SampleRNNConfig(frame_sizes=(16, 4), units=256),
    teacher_training=TeacherTraining(
        steps=16_000, batch_size=8, clip_length=800, learning_rate=2e-3
    ),
    # It has no linear prediction.
    distillation=dataclasses.replace(_NANO_DISTILLATION, contrastive=0.3),
)

# 16 channels every 512 samples, repeated for each of them (section 2.1). The
# 8-bit teacher is the published one; with --head=mixture_of_logistics a student
# can be distilled, of the sizes of 1711.10433.
_NSYNTH = Preset(
    name="nsynth",
    audio=AudioContract(hop_length=512, window_length=1_024, fft_length=1_024),
    conditioning=Conditioning(inputs=("encoding",)),
    teacher=dataclasses.replace(_PAPER.teacher, head="mu_law"),
    student=_PAPER_STUDENT,
    teacher_training=TeacherTraining(
        steps=250_000, batch_size=32, clip_length=6_144, learning_rate=2e-4
    ),
    distillation=Distillation(
        steps=1_000_000, batch_size=32, clip_length=6_144, learning_rate=2e-4
    ),
)

_SMALL_NSYNTH = dataclasses.replace(
    _NANO,
    name="nsynth-small",
    audio=dataclasses.replace(_NSYNTH.audio, pre_emphasis=0.9),
    conditioning=Conditioning(
        inputs=("encoding",),
        upsampling=(16,),
        encoder_channels=64,
        encoder_dilations=doubling(8, rounds=2),
    ),
    teacher_training=dataclasses.replace(
        _NANO.teacher_training, clip_length=10_240
    ),
    distillation=dataclasses.replace(
        _NANO_DISTILLATION, clip_length=6_144, contrastive=0.3
    ),
)

_PRESETS = (
    *(_NANO, _SMALL, _V1, _PAPER, _MULTISPEAKER),
    *(_SAMPLE_RNN, _SMALL_SAMPLE_RNN, _NSYNTH, _SMALL_NSYNTH),
)


def preset_names() -> list[str]:
    """The names that `preset` knows."""
    return [known.name for known in _PRESETS]


def preset(name: str) -> Preset:
    """Returns a preset by name.

    Raises:
        UserError: If there is no preset of that name.
    """
    for known in _PRESETS:
        if known.name == name:
            return known
    raise UserError(
        f"no preset is named {name!r}; there are {', '.join(preset_names())}"
    )
