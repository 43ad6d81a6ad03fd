"""The student's exact likelihood: the inverse of what it computes."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.inverse import (
    CachedInverse,
    discretised_mass,
    log_density,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet

FRAMES = 6
NAMES = ("noise", "location", "log_scale")
NOISES = ("logistic", "gaussian")


def whole(inverse: CachedInverse, audio, features) -> dict[str, np.ndarray]:
    """What the inverse finds, all its pieces in one."""
    pieces = [found for _, found in inverse.chunks(audio, features)]
    return {
        name: np.concatenate([getattr(one, name) for one in pieces], axis=1)
        for name in NAMES
    }


def worst(found: dict, expected: dict) -> float:
    """The largest difference of any of the results."""
    return max(
        np.abs(found[name] - expected[name].numpy()).max() for name in NAMES
    )


@pytest.fixture(scope="module")
def student() -> ParallelWaveNet:
    return tiny_models.calmer(tiny_models.student(), 0.1)


@pytest.fixture(scope="module")
def inverse(student) -> CachedInverse:
    """Of a student whose weights no test changes; its loop is traced once."""
    return CachedInverse(student, jit_compile=False)


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5)])
@pytest.mark.parametrize(
    "inputs", [(), ("mel",), ("speaker",), tiny_models.EVERYTHING.inputs]
)
def test_the_inverse_finds_the_noise_for_every_conditioning(
    inputs, upsampling
) -> None:
    """And all sums over flows, batch 2; without upsampling stride 20."""
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, inputs=inputs, upsampling=upsampling
    )
    student = tiny_models.calmer(
        tiny_models.student(conditioning=conditioning), 0.3
    )
    features = tiny_models.features(2, FRAMES)
    noise = tiny_models.noise(2, FRAMES)
    expected = student(features | {"noise": noise})
    inverse = CachedInverse(student, chunk_frames=4, jit_compile=False)
    found = whole(inverse, expected["audio"].numpy(), features)
    assert worst(found, expected) < 1e-4


@pytest.mark.network
@pytest.mark.parametrize(
    ("filter_width", "flow_dilations"),
    [(2, ((1, 3, 9),)), (3, ((2,), (1, 2, 4), (4, 1))), (5, ((1,), (1, 4)))],
)
def test_flows_of_any_depth_and_width_are_inverted(
    filter_width, flow_dilations
) -> None:
    sizes = {"filter_width": filter_width, "flow_dilations": flow_dilations}
    student = tiny_models.calmer(tiny_models.student(**sizes), 0.1)
    inputs = {"mel": tiny_models.mel(1, FRAMES)}
    expected = student(inputs | {"noise": tiny_models.noise(1, FRAMES)})
    inverse = CachedInverse(student, chunk_frames=FRAMES, jit_compile=False)
    found = whole(inverse, expected["audio"].numpy(), inputs)
    assert worst(found, expected) < 1e-4


@pytest.mark.network
@pytest.mark.parametrize("noise", NOISES)
def test_inverse_and_density_are_those_of_tfp(noise) -> None:
    """Of audio that the student did not make, two recordings."""
    student = tiny_models.calmer(tiny_models.student(noise=noise), 0.1)
    mel, audio = tiny_models.mel(2, 2), tiny_models.audio(2, 2)

    @tf.function
    def tfp(audio):
        distribution = student.distribution({"mel": mel})
        inverse = distribution.bijector.inverse(audio)
        return inverse, distribution.log_prob(audio)

    noise, density = tfp(tf.constant(audio))
    found = student.log_prob(audio, {"mel": mel})
    assert found.shape == (2,)
    np.testing.assert_allclose(found, density, rtol=1e-5)
    inverse = whole(CachedInverse(student, 2, False), audio, mel)
    np.testing.assert_allclose(inverse["noise"], noise, atol=1e-4)


def test_density_is_the_noises_over_the_volume_of_the_jacobian(
    student, inverse
) -> None:
    """ln p(x) = ln p(z) - ln|det ∂x/∂z|, by the whole Jacobian."""
    mel, noise = tiny_models.mel(), tiny_models.noise()[0]

    def audio(noise):
        repeated = tiny_models.repeated(mel, noise.shape[0])
        return student({"mel": repeated, "noise": noise})["audio"]

    _, volume = np.linalg.slogdet(tiny_models.jacobian(audio, noise))
    density = np.sum(student.noise_family.log_prob(noise))
    found = inverse.log_prob(audio(noise[None]).numpy(), mel)
    np.testing.assert_allclose(found, [density - volume], rtol=1e-5)


@pytest.mark.network
def test_a_second_of_audio_comes_back_to_its_noise() -> None:
    """z → x → z: 16,000 samples in twenty runs of one compiled loop."""
    frames = 16_000 // tiny_models.HOP
    student = tiny_models.calmer(tiny_models.student(), 0.3)
    inputs = {"mel": tiny_models.mel(1, frames)}
    expected = student(inputs | {"noise": tiny_models.noise(1, frames)})
    found = whole(CachedInverse(student), expected["audio"].numpy(), inputs)
    assert found["noise"].shape == (1, 16_000)
    assert worst(found, expected) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "noise"),
    [("nano", "logistic"), ("nano", "gaussian"), ("paper", "logistic")],
)
def test_a_second_of_a_presets_audio_comes_back_to_its_noise(
    name, noise
) -> None:
    """Untrained: what training makes of the inverse, docs/distillation.md."""
    student = ParallelWaveNet.from_preset(preset(name))
    student = ParallelWaveNet.from_config(
        student.get_config() | {"noise": noise}
    )
    rate, hop = student.audio.sample_rate, student.audio.hop_length
    frames = -(-rate // hop)
    generator = np.random.default_rng(0)
    mel = generator.normal(size=(1, frames, 80)).astype("float32")
    expected = tf.function(student, jit_compile=True)({"mel": mel})
    assert expected["audio"].shape[1] >= rate
    found = whole(CachedInverse(student), expected["audio"].numpy(), mel)
    assert worst(found, expected) < 1e-4


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5)])
def test_the_size_of_pieces_does_not_change_the_result(upsampling) -> None:
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, upsampling=upsampling
    )
    student = tiny_models.student(conditioning=conditioning)
    features, audio = tiny_models.features(2, 20), tiny_models.audio(2, 20)
    once, often = (
        whole(CachedInverse(student, size, False), audio, features)
        for size in (20, 3)
    )
    for name in NAMES:
        np.testing.assert_allclose(often[name], once[name], atol=1e-5)


@pytest.mark.network
def test_a_loop_can_be_resumed_within_a_frame() -> None:
    """With and without padding after the samples to invert."""
    student = tiny_models.student(
        conditioning=dataclasses.replace(tiny_models.ON_MEL, upsampling=())
    )
    mel, audio = tiny_models.mel(1, 2), tiny_models.audio(1, 2)
    inverse = CachedInverse(student, jit_compile=False)
    conditioning = inverse.condition({"mel": mel}, 0, 2)
    expected, last = inverse.invert(
        inverse.initial_state(1), conditioning, audio
    )
    padded = np.pad(audio[:, :13], ((0, 0), (0, 4)))
    first, state = inverse.invert(
        inverse.initial_state(1), conditioning, padded, steps=13
    )
    second, state = inverse.invert(state, conditioning, audio[:, 13:])
    assert state.position == last.position == 40
    assert (first.noise[:, 13:] == 0.0).numpy().all()
    noise = tf.concat([first.noise[:, :13], second.noise], axis=1)
    np.testing.assert_allclose(noise, expected.noise, atol=1e-5)


def test_one_loop_is_compiled_whatever_the_lengths(student) -> None:
    inverse = CachedInverse(student, chunk_frames=4, jit_compile=False)
    for frames in (1, 4, 9):
        audio = tiny_models.audio(1, frames)[:, :-5]
        inverse.log_prob(audio, tiny_models.mel(1, frames))
    assert inverse._invert.experimental_get_tracing_count() == 1
    assert inverse.condition.compute.experimental_get_tracing_count() == 1


def test_a_sample_is_judged_by_the_past_alone(inverse) -> None:
    """What comes after x_t does not move (μ_tot, s_tot) at t."""
    mel, audio = tiny_models.mel(1, 3), tiny_models.audio(1, 3)
    changed = audio.copy()
    changed[:, 30:] += 0.1
    before, after = (whole(inverse, x, mel) for x in (audio, changed))
    for name in ("location", "log_scale"):
        same = before[name] == after[name]
        assert same[:, :31].all() and not same[:, 31:].any()


def test_mass_is_the_densitys_integral_over_a_level(student, inverse) -> None:
    """By the densities of audio whose last sample moves within its bin."""
    mel, audio = tiny_models.mel(1, 1), tiny_models.audio(1, 1)
    (_, found), *_ = inverse.chunks(audio, mel)
    mass = np.exp(discretised_mass(student, audio, found).log_prob[0])
    places, weights = np.polynomial.legendre.leggauss(8)
    series = tiny_models.repeated(audio, 8)
    series[:, -1] += places.astype("float32") / 65_536
    density = inverse.log_prob(series, tiny_models.repeated(mel, 8))
    past = np.sum(log_density(student, found)[0, :-1], dtype=np.float64)
    integral = np.sum(weights * np.exp(density - past)) / 65_536
    assert mass[-1] == pytest.approx(integral, rel=1e-3)


def test_weights_are_read_again_and_rows_are_independent() -> None:
    student = tiny_models.calmer(tiny_models.student(), 0.1)
    inverse = CachedInverse(student, jit_compile=False)
    mel, audio = tiny_models.mel(2, 3), tiny_models.audio(2, 3)
    before = inverse.log_prob(audio, mel)
    student.networks[0].before_output.bias.assign([0.5] * 8)
    after = inverse.log_prob(audio, mel)
    assert (np.abs(after - before) > 1e-3).all()
    single = inverse.log_prob(audio[1], mel[1])
    assert single.shape == ()
    np.testing.assert_allclose(single, after[1], rtol=1e-5)


@pytest.mark.network
def test_a_student_that_was_asked_is_saved_as_before(student, tmp_path) -> None:
    mel, audio = tiny_models.mel(1, 2), tiny_models.audio(1, 2)
    expected = student.log_prob(audio, mel)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    found = CachedInverse(loaded, jit_compile=False).log_prob(audio, mel)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_audio_that_blows_the_inverse_up_has_no_density() -> None:
    """Wild flows are inverted by an unstable filter."""
    student = tiny_models.student()
    audio = tiny_models.audio(1, 40)
    inverse = CachedInverse(student, jit_compile=False)
    assert inverse.log_prob(audio, tiny_models.mel(1, 40)) == [-np.inf]


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((1, 41)), "of 1 recordings of 2 frames"),
        (np.zeros((1, 20)), "of 1 recordings of 2 frames"),
        (np.zeros((2, 40)), "of 1 recordings of 2 frames"),
        (np.full((1, 40), np.nan), "audio holds values that are not finite"),
    ],
)
def test_audio_that_does_not_suit_is_refused(student, audio, message) -> None:
    with pytest.raises(UserError, match=message):
        student.log_prob(audio, tiny_models.mel(1, 2))
