"""The published sizes: built, trained for a step, and synthesizing."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from pwavenet_tf.audio.signal import mu_law_encode
from pwavenet_tf.cli.benchmark.peak_memory import random_teacher
from pwavenet_tf.core.presets import preset
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler, generate
from pwavenet_tf.training.truncated import (
    TruncatedTrainer,
    require_whole_frames,
)

pytestmark = pytest.mark.slow
PAPER = preset("paper")

# The fewest frames that fill the power loss's Fourier transform.
FRAMES = 7


@pytest.fixture(scope="module")
def teacher() -> WaveNet:
    teacher = WaveNet.from_preset(PAPER)
    teacher.build()
    return teacher


@pytest.fixture(scope="module")
def student() -> ParallelWaveNet:
    student = ParallelWaveNet.from_preset(PAPER)
    student.build()
    return student


def convolution_weights(stack: GatedStack) -> int:
    """Kernels of the blocks, without biases and conditioning."""
    return sum(
        int(tf.size(layer.kernel))
        for block in stack.blocks
        for layer in (block.convolution, block.residual, block.skip)
        if layer is not None
    )


def clip(frames: int = FRAMES, batch: int = 1):
    generator = np.random.default_rng(0)
    mel = generator.normal(size=(batch, frames, PAPER.audio.mels))
    samples = frames * PAPER.audio.hop_length
    audio = generator.normal(0.0, 0.1, (batch, samples))
    audio = np.round(audio * 32_768).clip(-32_768, 32_767) / 32_768
    return mel.astype("float32"), audio.astype("float32")


def test_the_teacher_has_the_papers_29_5_million_weights(teacher) -> None:
    """Less one residual, behind the last layer, that nobody would read."""
    layer = 3 * 512 * 512 + 256 * 512 + 256 * 256
    weights = convolution_weights(teacher.stack)
    assert weights == 30 * layer - 256 * 512
    assert weights == pytest.approx(29.5e6, rel=0.01)


def test_the_student_has_the_papers_weights_in_either_reading() -> None:
    """Width 64 behind the gate's split: 1.72 million; before it: 0.86."""
    for gate_channels, expected in ((64, 1_720_320), (32, 860_160)):
        sizes = dataclasses.replace(PAPER.student, gate_channels=gate_channels)
        student = ParallelWaveNet(
            PAPER.audio, PAPER.conditioning, **dataclasses.asdict(sizes)
        )
        student.build()
        stacks = [network.stack for network in student.networks]
        assert sum(map(convolution_weights, stacks)) == expected


def test_the_teacher_takes_a_training_step(teacher) -> None:
    mel, audio = clip()
    before = teacher.get_weights()
    take_two_steps(teacher, {"audio": audio, "mel": mel})
    for old, new in zip(before, teacher.get_weights(), strict=True):
        assert np.isfinite(new).all() and (old != new).any()


def take_two_steps(teacher: WaveNet, inputs: dict) -> None:
    teacher.compile(keras.optimizers.Adam(2e-4), run_eagerly=True)
    # The conditioning is projected from zero: its own weights move from the
    # second step on.
    for _ in range(2):
        values = teacher.train_on_batch(
            inputs, inputs["audio"], return_dict=True
        )
        assert np.isfinite(list(values.values())).all()


def test_the_papers_teacher_generates(teacher) -> None:
    """A frame, 300 samples: a second would take minutes."""
    mel, _ = clip(1)
    audio = generate(teacher, mel[0], seed=1)
    assert audio.shape == (300,)
    assert np.isfinite(audio).all() and audio.std() > 0.0


def test_nano_is_cached_exactly_past_its_longest_ring() -> None:
    """2,600 samples: the rings of dilation 256 hold 512."""
    teacher = random_teacher(preset("nano"))
    hop = teacher.audio.hop_length
    features = random_features(teacher.audio, teacher.conditioning, 1, 13)
    audio = np.random.default_rng(0).normal(0, 0.1, (1, 13 * hop))
    audio = audio.astype("float32")
    sampler = CachedSampler(teacher)
    cached, _ = sampler.score(
        sampler.initial_state(1), sampler.condition(features, 0, 13), audio
    )
    parallel = teacher(features | {"audio": audio})
    np.testing.assert_allclose(cached, parallel, atol=1e-5)


def test_v1_has_the_published_layers_and_generates() -> None:
    """30 layers of width 2, 3,070 samples, 256 classes."""
    v1 = preset("v1")
    teacher = random_teacher(v1)
    assert teacher.receptive_field == 3_070
    assert len(teacher.dilations) == 30 and teacher.filter_width == 2
    layer = 2 * 256 * 512 + 2 * 256 * 256
    assert convolution_weights(teacher.stack) == 30 * layer - 256 * 256
    features = random_features(teacher.audio, teacher.conditioning, 1, 10)
    audio = generate(teacher, features, seed=1)
    assert audio.shape == (1, 800)
    codes = ops.convert_to_numpy(mu_law_encode(audio))
    assert len(np.unique(codes)) > 20
    before = teacher.get_weights()
    take_two_steps(teacher, features | {"audio": audio})
    changed = [
        (old != new).any()
        for old, new in zip(before, teacher.get_weights(), strict=True)
    ]
    assert all(changed)


def sample_rnn_weights(units: int, channels: int, inputs: int) -> int:
    """Of frames of 16 and 4 samples, by section 2 of 1612.07837.

    `channels` are those of the conditioning and of the samples that the
    lowest tier reads, `inputs` the others' and the head's.
    """
    tiers = sum(
        # W_x, the GRU (six products, two biases), W_1 … W_4.
        (size + 1) * units + 6 * units * (units + 1) + 4 * units * (units + 1)
        for size in (16, 4)
    )
    mlp = (4 * channels + 1) * units + 2 * units * (units + 1)
    return tiers + mlp + (units + 1) * inputs


@pytest.mark.parametrize(
    ("name", "million"), [("samplernn", 24.7), ("samplernn-small", 1.50)]
)
def test_sample_rnn_has_its_tiers_steps_and_generates(name, million) -> None:
    """Two segments of two rows, and a frame of audio."""
    chosen = preset(name)
    sizes, settings = chosen.teacher, chosen.teacher_training
    teacher = random_teacher(chosen)
    assert isinstance(teacher, SampleRNN)
    require_whole_frames(teacher, settings.clip_length)
    is_coarse = sizes.head == "mu_law"
    expected = sample_rnn_weights(
        sizes.units, 256 if is_coarse else 1, 256 if is_coarse else 30
    )
    # The embedding, the initial states, and the conditioning of both tiers.
    expected += 256 * 256 if is_coarse else 0
    inputs = teacher.conditioner.series_channels
    inputs += 8 if "sinusoids" in teacher.conditioning.inputs else 0
    expected += 2 * sizes.units * (1 + inputs)
    own = teacher.count_params() - teacher.conditioner.count_params()
    assert own == expected
    assert own == pytest.approx(1e6 * million, rel=0.01)
    hop = teacher.audio.hop_length
    frames = settings.clip_length // hop
    around = frames + 2 * teacher.conditioner.context_frames
    features = random_features(teacher.audio, teacher.conditioning, 2, around)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, frames * hop))
    segment = features | {"audio": audio.astype("float32")}
    trainer = TruncatedTrainer(teacher, 2)
    trainer.build()
    before = teacher.get_weights()
    trainer.compile(keras.optimizers.Adam(1e-3))
    for begins in (True, False, False):
        inputs = segment | {"begins": np.array([begins] * 2)}
        values = trainer.train_on_batch(
            inputs, segment["audio"], return_dict=True
        )
        assert np.isfinite(list(values.values())).all()
    changed = [
        (old != new).any()
        for old, new in zip(before, teacher.get_weights(), strict=True)
    ]
    assert all(changed)
    short = random_features(teacher.audio, teacher.conditioning, 1, 2)
    generated = generate(teacher, short, seed=1)
    assert generated.shape == (1, 2 * hop)
    assert np.isfinite(generated).all() and generated.std() > 0.0


def encoder_weights(channels: int, layers: int) -> int:
    """Kernels and biases, by section 2.1 of 1704.01279; it states no count."""
    layer = 3 * channels * channels + channels * channels + 2 * channels
    return 4 * channels + layers * layer + 16 * (channels + 1)


@pytest.mark.parametrize(
    ("name", "channels", "layers", "million"),
    [("nsynth", 128, 30, 1.98), ("nsynth-small", 64, 16, 0.264)],
)
def test_nsynth_has_its_encoder_steps_and_generates(
    name, channels, layers, million
) -> None:
    """Two frames, 64 ms: with what the encoder sees around them."""
    chosen = preset(name)
    teacher = random_teacher(chosen)
    encoder = teacher.conditioner.encoder
    assert len(encoder.dilations) == layers
    assert encoder.count_params() == encoder_weights(channels, layers)
    assert encoder.count_params() == pytest.approx(1e6 * million, rel=0.01)
    if name == "nsynth":
        # The published decoder is the teacher of `paper`, in 8 bits.
        paper = WaveNet.from_preset(PAPER)
        paper.build()
        weights = map(convolution_weights, (teacher.stack, paper.stack))
        assert len(set(weights)) == 1
        # 3,069 samples and the front layer's one.
        assert encoder.context_samples == 3_070
    hop = teacher.audio.hop_length
    audio = np.random.default_rng(0).normal(0, 0.1, (1, 2 * hop))
    audio = audio.astype("float32")
    before = teacher.get_weights()
    take_two_steps(teacher, {"audio": audio})
    changed = [
        (old != new).any()
        for old, new in zip(before, teacher.get_weights(), strict=True)
    ]
    assert all(changed)
    encoding = teacher.encode(audio[0])
    assert encoding.shape == (2, 16)
    generated = generate(teacher, {"encoding": encoding[:1]}, seed=1)
    assert generated.shape == (hop,)
    assert np.isfinite(generated).all() and generated.std() > 0.0


def test_nsynths_student_takes_a_step_and_encodes() -> None:
    chosen = preset("nsynth")
    sizes = dataclasses.replace(chosen.teacher, head="mixture_of_logistics")
    chosen = dataclasses.replace(chosen, teacher=sizes)
    teacher = random_teacher(chosen)
    student = ParallelWaveNet.from_preset(chosen)
    student.build()
    audio = np.random.default_rng(0).normal(0, 0.1, (1, 4 * 512))
    audio = audio.astype("float32")
    inputs = {"audio": audio}
    take_a_distillation_step(teacher, student, inputs, audio, contrastive=0.0)
    encoding = student.encode(audio[0])
    np.testing.assert_array_equal(encoding, teacher.encode(audio[0]))
    found = Synthesizer(student)({"encoding": encoding}, seed=1)
    assert found.shape == (4 * 512,) and np.isfinite(found).all()


def test_the_distiller_takes_a_training_step(teacher, student) -> None:
    mel, audio = clip(batch=2)
    take_a_distillation_step(teacher, student, {"mel": mel}, audio)


def take_a_distillation_step(
    teacher, student, inputs, audio, **settings
) -> None:
    model = Distiller(teacher, student, inner_samples=2, **settings)
    model.build()
    model.compile(keras.optimizers.Adam(2e-4), run_eagerly=True)
    frozen = teacher.get_weights()
    before = [v.numpy() for v in student.trainable_variables]
    values = model.train_on_batch(inputs, audio, return_dict=True)
    assert np.isfinite(list(values.values())).all()
    for old, variable in zip(before, student.trainable_variables, strict=True):
        assert (old != variable.numpy()).any(), variable.path
    for old, new in zip(frozen, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_multispeaker_student_has_30_layers_in_every_flow() -> None:
    """A training step, and a second of two voices, which differ."""
    many = preset("multispeaker")
    conditioning = dataclasses.replace(
        many.conditioning, speakers=("anna", "ben")
    )
    teacher = WaveNet.from_preset(many, conditioning=conditioning)
    student = ParallelWaveNet.from_preset(many, conditioning=conditioning)
    assert [len(flow) for flow in student.flow_dilations] == [30] * 4
    mel, audio = clip(batch=2)
    inputs = {"mel": mel, "speaker": np.arange(2, dtype="int32")}
    # A second pass of the teacher would take some more gigabytes.
    take_a_distillation_step(teacher, student, inputs, audio, contrastive=0.0)
    frames = many.audio.frames(many.audio.sample_rate)
    same, _ = clip(frames)
    synthesizer = Synthesizer(student, chunk_frames=frames)
    voices = [
        synthesizer({"mel": same[0], "speaker": name}, seed=1)
        for name in ("anna", "ben")
    ]
    assert voices[0].shape == voices[1].shape == (24_000,)
    assert np.abs(voices[0] - voices[1]).max() > 0.0


def test_the_student_synthesizes_one_second(student) -> None:
    frames = PAPER.audio.frames(PAPER.audio.sample_rate)
    mel, _ = clip(frames)
    audio = Synthesizer(student, chunk_frames=frames)(mel[0], seed=1)
    assert audio.shape == (24_000,)
    assert np.isfinite(audio).all()
    assert 0.01 < audio.std() < 0.5
