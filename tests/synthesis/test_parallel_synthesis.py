"""The student's chunks add up to one pass, eagerly and as a graph."""

import functools

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import strategies as st

from pwavenet_tf.audio.signal import standard_logistic
from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import OddInput, UserError
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import generate

HOP = tiny_models.HOP


@pytest.fixture(scope="module")
def student() -> ParallelWaveNet:
    return tiny_models.student()


@functools.cache
def synthesizer(student, chunk_frames: int) -> Synthesizer:
    return Synthesizer(student, chunk_frames)


@functools.cache
def compiled(student):
    return tf.function(student, reduce_retracing=True)


def one_pass(student, mel, seed: int) -> np.ndarray:
    """The oracle: the network once, on all of the noise; no temperature."""
    batch, frames, _ = mel.shape
    uniforms = positional_uniforms(seed, batch, 0, frames * HOP)
    noise = standard_logistic(uniforms)
    audio = compiled(student)({"mel": tf.constant(mel), "noise": noise})
    return audio["audio"].numpy().clip(-1.0, 1.0 - 2.0**-15)


@pytest.mark.network
@hypothesis.given(
    frames=st.integers(1, 40),
    chunk_frames=st.sampled_from([1, 5, 64]),
    seed=st.integers(-(2**63), 2**63 - 1),
)
@hypothesis.settings(max_examples=12)
def test_chunks_equal_one_pass(student, frames, chunk_frames, seed) -> None:
    """Inputs shorter and longer than a window, of 9 frames and more."""
    mel = tiny_models.mel(2, frames)
    audio = synthesizer(student, chunk_frames)(mel, seed)
    assert audio.shape == (2, frames * HOP)
    np.testing.assert_allclose(audio, one_pass(student, mel, seed), atol=1e-5)


@pytest.mark.network
def test_chunks_are_exact_for_a_hop_that_is_no_multiple_of_four() -> None:
    contract = AudioContract(
        hop_length=15, window_length=40, fft_length=64, mels=tiny_models.MELS
    )
    student = tiny_models.randomised(
        ParallelWaveNet(
            contract,
            Conditioning(channels=4, upsampling=(3, 5)),
            ((1, 2),),
            residual_channels=4,
            gate_channels=4,
        )
    )
    mel = tiny_models.mel(1, 23)
    whole = Synthesizer(student, 23)(mel, seed=2)
    chunked = Synthesizer(student, 2)(mel, seed=2)
    np.testing.assert_allclose(chunked, whole, atol=1e-5)


def test_a_row_depends_on_no_other_row(student) -> None:
    """But on its place in the batch, which chooses its noise."""
    mel = tiny_models.mel(3, 12)
    together = synthesizer(student, 5)(mel, seed=4)
    alone = synthesizer(student, 5)(mel[:1], seed=4)
    np.testing.assert_allclose(alone, together[:1], atol=1e-6)
    other = mel.copy()
    other[[0, 2]] += 1.0
    changed = synthesizer(student, 5)(other, seed=4)
    np.testing.assert_array_equal(changed[1], together[1])
    same = tiny_models.repeated(mel[:1], 3)
    assert len(np.unique(synthesizer(student, 5)(same, 4), axis=0)) == 3


def test_without_a_batch_axis_in_there_is_none_out(student) -> None:
    mel = tiny_models.mel(1, 7)
    audio = synthesizer(student, 5)(mel[0], seed=1)
    assert audio.shape == (7 * HOP,)
    np.testing.assert_array_equal(audio, synthesizer(student, 5)(mel, 1)[0])


def test_temperature_one_is_bit_identical_to_none(student) -> None:
    mel = tiny_models.mel(2, 5)
    model = synthesizer(student, 5)
    plain = tf.function(
        lambda mel, uniforms: student(
            {"mel": mel, "noise": standard_logistic(uniforms)}
        )["audio"]
    )
    uniforms = positional_uniforms(3, 2, 0, 5 * HOP)
    expected = plain(tf.constant(mel), uniforms).numpy()
    expected = expected.clip(-1.0, 1.0 - 2.0**-15)
    np.testing.assert_allclose(model(mel, 3), expected, atol=1e-6)
    np.testing.assert_array_equal(model(mel, 3, temperature=1.0), model(mel, 3))


@pytest.mark.network
def test_temperature_scales_the_noise(student) -> None:
    mel = tiny_models.mel(1, 5)
    model = synthesizer(student, 5)
    silent = compiled(student)(
        {"mel": tf.constant(mel), "noise": tf.zeros((1, 5 * HOP))}
    )
    cold = model(mel, seed=1, temperature=0.0)
    np.testing.assert_allclose(cold, silent["audio"], atol=1e-5)
    np.testing.assert_array_equal(cold, model(mel, 2, temperature=0.0))
    assert (model(mel, seed=1) != model(mel, seed=2)).mean() > 0.9


def test_export_is_clipped_and_a_seed_repeats_itself(student) -> None:
    mel = tiny_models.mel(1, 14)
    model = synthesizer(student, 5)
    loud = model(mel, seed=1, temperature=40.0)
    assert loud.max() == 1.0 - 2.0**-15 and loud.min() == -1.0
    np.testing.assert_array_equal(loud, model(mel, 1, temperature=40.0))
    pieces = list(model.chunks(mel, seed=1, temperature=40.0))
    assert [piece.shape for piece in pieces] == [
        (1, 5 * HOP),
        (1, 5 * HOP),
        (1, 4 * HOP),
    ]


@pytest.mark.parametrize(
    "mel",
    [
        np.zeros((0, tiny_models.MELS)),
        np.zeros((4, tiny_models.MELS + 1)),
        np.zeros((1, 1, 4, tiny_models.MELS)),
        np.full((4, tiny_models.MELS), np.inf),
        np.full((4, tiny_models.MELS), "loud"),
    ],
)
def test_an_invalid_mel_spectrogram_is_refused(student, mel) -> None:
    with pytest.raises(UserError, match="^mel .*; compute it"):
        synthesizer(student, 5)(mel)


@pytest.mark.parametrize(
    ("mel", "message"),
    [
        (tiny_models.mel(1, 40) - 90, r"mel \(from -9.* holds decibels"),
        (tiny_models.mel(1, 40) * 1e6, "no mel spectrogram has"),
        (tiny_models.mel(1, 1).astype(float) * 1e300, "no mel spectrogram has"),
        (np.exp(4 * tiny_models.mel(1, 40)), "linear magnitudes"),
        (tiny_models.mel(1, 4) + 1j, "mel holds complex numbers"),
    ],
)
def test_a_mel_spectrogram_of_another_scale_is_refused(
    student, mel, message
) -> None:
    for synthesize in (synthesizer(student, 5), Synthesizer(student)):
        with pytest.raises(UserError, match=message) as caught:
            synthesize(mel)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=message):
        generate(tiny_models.teacher(), mel)


def test_a_mel_spectrogram_that_looks_odd_is_warned_of(student) -> None:
    mel = np.tanh(tiny_models.mel(1, 120))
    with pytest.warns(OddInput, match="was it scaled, as to between -1 and 1"):
        audio = synthesizer(student, 160)(mel)
    assert audio.shape == (1, 120 * HOP)


@pytest.mark.parametrize("temperature", [np.nan, np.inf, -np.inf])
def test_an_invalid_temperature_is_refused(student, temperature) -> None:
    with pytest.raises(UserError, match="temperature"):
        synthesizer(student, 5)(tiny_models.mel(1, 2), 0, temperature)
    with pytest.raises(UserError, match="temperature"):
        generate(tiny_models.teacher(), tiny_models.mel(1, 2), 0, temperature)
