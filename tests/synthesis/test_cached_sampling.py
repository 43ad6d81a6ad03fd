"""Cached sampling: equal to the parallel network, and to its distribution."""

import dataclasses
import time

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.distributions import HEADS
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.teacher import CachedSampler, generate

FRAMES = 6
TIME = FRAMES * tiny_models.HOP


@pytest.fixture(scope="module")
def teacher() -> WaveNet:
    return tiny_models.teacher()


@pytest.fixture(scope="module")
def sampled(teacher) -> np.ndarray:
    """64 rows of audio for one mel spectrogram, in one chunk."""
    mel = tiny_models.repeated(tiny_models.mel(1, FRAMES), 64)
    return generate(teacher, mel, seed=11)


def conditioning_of(teacher, features: dict) -> dict:
    """The conditioning of the teacher's layers for all of the features."""
    return CachedSampler(teacher).condition(features, 0, FRAMES)


def cached_and_parallel(teacher, jit_compile: bool):
    """Parameters along one audio: cached, and by the whole network."""
    audio = tiny_models.audio(2, FRAMES)
    features = tiny_models.features(2, FRAMES)
    sampler = CachedSampler(teacher, jit_compile=jit_compile)
    conditioning = conditioning_of(teacher, features)
    cached, _ = sampler.score(sampler.initial_state(2), conditioning, audio)
    return cached, teacher(features | {"audio": audio})


@pytest.mark.network
@pytest.mark.xla
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("filter_width", "dilations"),
    [(2, (1, 3, 9)), (3, (1, 2, 4, 1, 2)), (5, (1, 4))],
)
def test_cached_parameters_are_the_parallel_ones(
    filter_width, dilations, jit_compile
) -> None:
    """120 samples: past the longest dilation and many times round a ring."""
    teacher = tiny_models.teacher(
        filter_width=filter_width, dilations=dilations
    )
    cached, parallel = cached_and_parallel(teacher, jit_compile)
    np.testing.assert_allclose(cached, parallel, atol=1e-5)


@pytest.mark.network
@pytest.mark.xla
@pytest.mark.parametrize(
    "teacher",
    [
        lambda: tiny_models.teacher(prediction_order=4),
        lambda: tiny_models.teacher(
            conditioning=dataclasses.replace(
                tiny_models.ON_MEL, upsampling=(4,)
            )
        ),
        tiny_models.recurrent_teacher,
    ],
)
def test_a_chunk_is_compiled_once(teacher) -> None:
    """XLA compiles again where a value of its inputs must be a constant."""
    teacher = teacher()
    sampler = CachedSampler(teacher, chunk_frames=2)
    chunks = sampler.chunks(tiny_models.mel(1, 10))
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        next(chunks)
        spent.append(time.perf_counter() - started)
    assert min(spent[1:]) < spent[0] / 5


@pytest.mark.network
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
@pytest.mark.parametrize(
    "inputs", [(), ("mel",), ("speaker",), tiny_models.EVERYTHING.inputs]
)
def test_cached_equals_parallel_for_every_head_and_conditioning(
    head, upsampling, inputs
) -> None:
    teacher = tiny_models.teacher(
        head=head,
        conditioning=dataclasses.replace(
            tiny_models.EVERYTHING, inputs=inputs, upsampling=upsampling
        ),
    )
    cached, parallel = cached_and_parallel(teacher, jit_compile=False)
    np.testing.assert_allclose(cached, parallel, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
def test_conditioning_of_some_frames_is_a_part_of_the_whole(
    upsampling,
) -> None:
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, upsampling=upsampling
    )
    teacher = tiny_models.teacher(conditioning=conditioning)
    features = tiny_models.features(2, 20)
    whole = teacher.layer_conditioning(features)
    part = CachedSampler(teacher).condition(features, 7, 4)
    scale = whole["conditioning"].shape[1] // 20
    np.testing.assert_allclose(
        part["conditioning"],
        whole["conditioning"][:, 7 * scale : 11 * scale],
        atol=1e-6,
    )
    np.testing.assert_array_equal(part["speaker"], whole["speaker"])


def between(conditioning: dict, start: int, end: int) -> dict:
    """The conditioning of some samples, in whole frames if it has frames."""
    series = conditioning["conditioning"]
    stride = TIME // series.shape[1]
    return {"conditioning": series[:, start // stride : -(-end // stride)]}


def teacher_with(upsampling, **changes) -> WaveNet:
    conditioning = dataclasses.replace(
        tiny_models.ON_MEL, upsampling=upsampling
    )
    return tiny_models.teacher(conditioning=conditioning, **changes)


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
def test_scoring_in_chunks_equals_one_call(upsampling) -> None:
    teacher = teacher_with(upsampling)
    audio = tiny_models.audio(2, FRAMES)
    conditioning = conditioning_of(teacher, tiny_models.features(2, FRAMES))
    sampler = CachedSampler(teacher, jit_compile=False)
    whole, last = sampler.score(sampler.initial_state(2), conditioning, audio)
    state = sampler.initial_state(2)
    chunks = []
    for start, end in ((0, 1), (1, 8), (8, 67), (67, TIME)):
        part = between(conditioning, start, end)
        chunk, state = sampler.score(state, part, audio[:, start:end])
        chunks.append(chunk)
    np.testing.assert_allclose(tf.concat(chunks, 1), whole, atol=1e-6)
    assert state.position == last.position == TIME
    np.testing.assert_array_equal(state.newest, audio[:, -1:])
    np.testing.assert_allclose(state.rings, last.rings, atol=1e-6)


@pytest.mark.network
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
def test_sampling_in_chunks_equals_one_call(head, upsampling) -> None:
    """State out and in, at any cut, with the same uniforms."""
    teacher = teacher_with(upsampling, head=head)
    conditioning = conditioning_of(teacher, tiny_models.features(2, FRAMES))
    uniforms_per_sample = teacher.head_class.uniforms_per_sample(3)
    uniforms = np.random.default_rng(1).random(
        (2, TIME, uniforms_per_sample), "float32"
    )
    sampler = CachedSampler(teacher, jit_compile=False)
    whole, _ = sampler.sample(sampler.initial_state(2), conditioning, uniforms)
    state, chunks = sampler.initial_state(2), []
    for start, end in ((0, 33), (33, 34), (34, TIME)):
        part = between(conditioning, start, end)
        chunk, state = sampler.sample(state, part, uniforms[:, start:end])
        chunks.append(chunk)
    np.testing.assert_array_equal(np.concatenate(chunks, 1), whole)


def test_memory_is_the_rings_of_fast_wavenet(teacher) -> None:
    """(k - 1) · Σ dilations inputs for each stream."""
    state = CachedSampler(teacher).initial_state(5)
    assert state.rings.shape == (2 * (1 + 2 + 4), 5, 8)


@pytest.mark.network
def test_generated_samples_are_16_bit_pcm_values(sampled) -> None:
    assert sampled.shape == (64, TIME) and sampled.dtype == np.float32
    pcm = sampled * 32_768.0
    np.testing.assert_array_equal(pcm, np.round(pcm))
    assert pcm.min() >= -32_768 and pcm.max() <= 32_767


def test_generated_audio_follows_the_teachers_distribution(
    teacher, sampled
) -> None:
    """F(x_t | x_<t) is uniform, by the parallel network's parameters."""
    mel = tiny_models.repeated(tiny_models.mel(1, FRAMES), 64)
    distribution = teacher.distribution({"audio": sampled, "mel": mel})
    standardised = (sampled[..., None] - distribution.locations) * tf.exp(
        -distribution.log_scales
    )
    cumulative = tf.reduce_sum(
        tf.exp(distribution.log_weights) * tf.sigmoid(standardised), axis=-1
    )
    inside = np.abs(sampled) < 0.99
    assert inside.mean() > 0.9
    uniform = cumulative.numpy()
    # A clipped sample stands for its whole tail: spread it over that.
    top, bottom = sampled >= 0.9999, sampled <= -1.0
    spread = np.random.default_rng(0).random(sampled.shape)
    uniform = np.where(top, uniform + (1 - uniform) * spread, uniform)
    uniform = np.where(bottom, uniform * spread, uniform)
    for part in (uniform[:, :20], uniform[:, 20:70], uniform[:, 70:]):
        assert scipy.stats.kstest(part.ravel(), "uniform").pvalue > 1e-3
    pairs = scipy.stats.pearsonr(
        uniform[:, 1:].ravel(), uniform[:, :-1].ravel()
    )
    assert pairs.pvalue > 1e-3


@pytest.mark.network
def test_generate_repeats_itself_whatever_the_chunks(teacher, sampled) -> None:
    """Sampling feeds back, so one different sample would change the rest."""
    mel = tiny_models.repeated(tiny_models.mel(1, FRAMES), 64)
    chunks = list(CachedSampler(teacher, chunk_frames=4).chunks(mel, seed=11))
    assert [piece.shape[1] for piece in chunks] == [80, 40]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), sampled)


def test_seeds_rows_and_temperatures_differ(teacher, sampled) -> None:
    assert len(np.unique(sampled, axis=0)) == 64
    mel = tiny_models.mel(1, FRAMES)[0]
    other = generate(teacher, mel, seed=12)
    assert other.shape == (TIME,)
    assert (other != sampled[0]).mean() > 0.9


def test_cold_sampling_follows_the_heaviest_component(teacher) -> None:
    mel = tiny_models.mel(1, 1)
    cold = generate(teacher, mel, seed=1, temperature=1e-4)
    distribution = teacher.distribution({"audio": cold, "mel": mel})
    heaviest = np.argmax(distribution.log_weights, axis=-1)
    location = tf.gather(distribution.locations, heaviest, batch_dims=2)
    expected = location.numpy().clip(-1.0, 1.0 - 2.0**-15)
    np.testing.assert_allclose(cold, expected, atol=1e-3)


@pytest.mark.parametrize(
    "mel",
    [
        np.zeros((0, tiny_models.MELS)),
        np.zeros((4, tiny_models.MELS + 1)),
        np.zeros(tiny_models.MELS),
        np.full((4, tiny_models.MELS), np.nan),
        np.full((4, tiny_models.MELS), "loud"),
    ],
)
def test_an_invalid_mel_spectrogram_is_refused(teacher, mel) -> None:
    with pytest.raises(UserError, match="mel"):
        generate(teacher, mel)
