"""Sampling from a SampleRNN: equal to its parallel scoring, in any chunks."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import tiny_models

from pwavenet_tf.core.config import HEADS
from pwavenet_tf.synthesis.teacher import CachedSampler, generate

FRAMES = 6
TIME = FRAMES * tiny_models.HOP


def cached_and_parallel(teacher, jit_compile: bool):
    """Parameters along one audio: cached, and by the whole network."""
    audio = tiny_models.audio(2, FRAMES)
    features = tiny_models.features(2, FRAMES)
    sampler = CachedSampler(teacher, jit_compile=jit_compile)
    conditioning = sampler.condition(features, 0, FRAMES)
    cached, _ = sampler.score(sampler.initial_state(2), conditioning, audio)
    return cached, teacher(features | {"audio": audio})


@pytest.mark.network
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
def test_cached_equals_parallel_for_every_head_and_upsampling(
    head, upsampling
) -> None:
    teacher = tiny_models.recurrent_teacher(
        head=head,
        audio=tiny_models.CONTRACT
        if head == "mu_law"
        else tiny_models.EMPHASISED,
        conditioning=dataclasses.replace(
            tiny_models.EVERYTHING, upsampling=upsampling
        ),
    )
    cached, parallel = cached_and_parallel(teacher, jit_compile=False)
    np.testing.assert_allclose(cached, parallel, atol=1e-5)


@pytest.mark.network
@pytest.mark.xla
def test_cached_equals_parallel_under_xla() -> None:
    teacher = tiny_models.recurrent_teacher(
        conditioning=tiny_models.EVERYTHING, frame_sizes=(12, 6, 2)
    )
    cached, parallel = cached_and_parallel(teacher, jit_compile=True)
    np.testing.assert_allclose(cached, parallel, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("head", ["mu_law", "mixture_of_logistics"])
def test_chunks_that_end_within_a_frame_change_nothing(head) -> None:
    """A mel frame has 20 samples, one of the top tier 16."""
    teacher = tiny_models.recurrent_teacher(head=head)
    mel = tiny_models.mel(2, FRAMES)
    whole = generate(teacher, mel, seed=3)
    sampler = CachedSampler(teacher, chunk_frames=1)
    chunks = list(sampler.chunks(mel, seed=3))
    assert [chunk.shape[1] for chunk in chunks] == FRAMES * [tiny_models.HOP]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)
    pcm = whole * 32_768.0
    np.testing.assert_array_equal(pcm, np.round(pcm))


@pytest.mark.network
def test_generated_audio_follows_the_teachers_distribution() -> None:
    """F(x_t | x_<t) is uniform, by the parallel network's parameters."""
    teacher = tiny_models.recurrent_teacher(head="gaussian")
    mel = tiny_models.repeated(tiny_models.mel(1, FRAMES), 64)
    audio = generate(teacher, mel, seed=11)
    distribution = teacher.distribution({"audio": audio, "mel": mel})
    below, up_to = distribution.cumulative(audio)
    spread = np.random.default_rng(0).random(audio.shape)
    uniform = below + spread * (up_to - below)
    for part in (uniform[:, :20], uniform[:, 20:]):
        flat = np.asarray(part).ravel()
        assert scipy.stats.kstest(flat, "uniform").pvalue > 1e-3
