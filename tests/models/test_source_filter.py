"""The source-filter flow: a flow, and the sound that the frames describe."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
import tiny_models

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.pitch import sinusoid_track
from pwavenet_tf.audio.signal import de_emphasis
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.flows import affine_step
from pwavenet_tf.models.inverse import CachedInverse
from pwavenet_tf.models.source_filter import SourceFilter
from pwavenet_tf.synthesis.student import Synthesizer

# More taps than a frame has samples.
TAPS, FRAMES = 48, 5
CONTRACT = dataclasses.replace(preset("nano").audio, pre_emphasis=0.9)


def built(
    contract=tiny_models.NORMALISED, taps: int = TAPS, points: int = 1
) -> SourceFilter:
    layer = SourceFilter(contract, taps, points=points)
    layer.build()
    for weight in layer.corrections.trainable_variables:
        noise = np.random.default_rng(0).normal(0.0, 0.1, weight.shape)
        weight.assign(noise.astype("float32"))
    return layer


@pytest.fixture(scope="module", params=[1, 3])
def source(request) -> SourceFilter:
    return built(points=request.param)


@pytest.fixture(scope="module")
def conditioning(source) -> dict:
    features = tiny_models.features(2, FRAMES)
    return source(features["mel"], features["sinusoids"])


def test_it_is_a_flow_whose_scale_is_its_derivative(
    source, conditioning
) -> None:
    """Lower triangular, the diagonal s: ln|det| is the sum of ln s."""
    one = {name: x[:1] for name, x in conditioning.items()}
    noise = tiny_models.noise(1, FRAMES)

    def flow(x):
        copies = {
            name: tf.repeat(given, len(x), axis=0)
            for name, given in one.items()
        }
        location, log_scale = source.flow(x, **copies)
        return affine_step(x, location, tf.exp(log_scale))

    found = tiny_models.jacobian(flow, noise[0])
    _, log_scale = source.flow(noise, **one)
    np.testing.assert_array_equal(np.triu(found, 1), 0.0)
    np.testing.assert_allclose(np.diag(found), np.exp(log_scale)[0], rtol=1e-5)
    below = found[60:, 60 - TAPS : 60]
    assert np.abs(below).max() > 0.0, "the past does not enter"


def test_the_filters_are_those_interpolated_between_frames(
    source, conditioning
) -> None:
    """The oracle filters sample by sample, in float64."""
    noise = tiny_models.noise(2, FRAMES)
    taps = np.asarray(source.filters_at_samples(conditioning["filters"]))
    location, log_scale = source.flow(noise, **conditioning)
    past = np.pad(noise.astype(float), ((0, 0), (TAPS, 0)))
    for t in (0, 3, 33, 59, 99):
        before = past[:, t : t + TAPS][:, ::-1]
        expected = (taps[:, t, 1:] * before[:, : TAPS - 1]).sum(axis=1)
        expected += np.asarray(conditioning["harmonics"])[:, t]
        np.testing.assert_allclose(location[:, t], expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(log_scale), taps[..., 0], rtol=1e-5)


def test_the_filters_are_of_minimum_phase_with_the_given_spectrum() -> None:
    """Zeros within the unit circle; the first tap is the geometric mean."""
    layer = built(CONTRACT, 256)
    points = np.linspace(0.0, np.pi, 129)
    logs = (np.cos(points) - 0.8 * np.cos(3 * points) - 2.0).astype("float32")
    taps = np.asarray(layer._minimum_phase(logs[None]))[0].astype(float)
    np.testing.assert_allclose(
        np.log(np.abs(np.fft.rfft(taps))), logs, atol=1e-4
    )
    assert np.abs(np.roots(taps)).max() < 1.0
    mean = np.trapezoid(logs, points) / np.pi
    np.testing.assert_allclose(taps[0], np.exp(mean), rtol=1e-5)


@pytest.mark.parametrize("points", [1, 2, 4, 7])
def test_envelopes_between_points_are_numpys_interpolation(points) -> None:
    """Of random corrections, over all frames of an utterance."""
    layer = built(points=points)
    features = tiny_models.features(2, FRAMES)
    hop = layer.audio.hop_length
    filters = layer(features["mel"], features["sinusoids"])["filters"]
    given = np.asarray(filters)[:, :, 1:-1].reshape(2, -1, TAPS)
    assert given.shape[1] == FRAMES * points
    at_points = (np.arange(FRAMES * points) + 0.5) / points * hop - 0.5
    found = np.asarray(layer.filters_at_samples(filters))
    first, last = hop // 2, FRAMES * hop - hop // 2
    for tap in (0, 1, TAPS - 1):
        expected = np.interp(
            np.arange(first, last), at_points, given[0, :, tap]
        )
        np.testing.assert_allclose(
            found[0, first:last, tap], expected, atol=1e-5
        )


def test_without_corrections_the_points_lie_between_the_frames() -> None:
    """ln of the first tap is linear in the envelope: it is interpolated."""
    one, four = (
        SourceFilter(tiny_models.NORMALISED, TAPS, points=n) for n in (1, 4)
    )
    features = tiny_models.features(1, FRAMES)
    logs = []
    for layer in (one, four):
        layer.build()
        filters = layer(features["mel"], features["sinusoids"])["filters"]
        logs.append(np.log(np.asarray(filters)[0, :, 1:-1, 0]).ravel())
    inner = slice(2, -2)
    expected = np.interp(
        (np.arange(4 * FRAMES) + 0.5) / 4, np.arange(FRAMES) + 0.5, logs[0]
    )
    np.testing.assert_allclose(logs[1][inner], expected[inner], atol=1e-4)


def test_f0_runs_without_steps_and_keeps_the_tracks_phase() -> None:
    """A glide: the phase at each frame's start; no jump of frequency."""
    frames, hop = 30, CONTRACT.hop_length
    hertz = np.geomspace(100.0, 300.0, frames)
    pitch = np.stack([np.log(hertz), np.ones(frames)], axis=-1)[None]
    track = sinusoid_track(pitch.astype("float32"), CONTRACT)
    layer = SourceFilter(CONTRACT, 4)
    around = [(0, 0), (layer.context_frames,) * 2, (0, 0)]
    track = np.pad(track, around, mode="edge")
    amplitudes = np.zeros((*track.shape[:2], 64), "float32")
    amplitudes[..., 0] = 1.0
    found = np.asarray(layer._oscillators(amplitudes, track))[0]
    starts = track[0, layer.context_frames : -layer.context_frames, 2]
    np.testing.assert_allclose(
        found[::hop], np.sin(2 * np.pi * starts), atol=1e-3
    )
    turns = np.unwrap(np.angle(scipy.signal.hilbert(found))) / (2 * np.pi)
    measured = np.diff(turns)[hop:-hop] * CONTRACT.sample_rate
    between = np.interp(
        np.arange(len(measured)) + hop + 0.5,
        (np.arange(frames) + 0.5) * hop,
        hertz,
    )
    # Steps of F0 would be off by half of one, 2 %.
    assert np.median(np.abs(measured / between - 1)) < 0.004


def generated(layer: SourceFilter, mel: np.ndarray, pitch: np.ndarray):
    track = sinusoid_track(pitch, CONTRACT)
    shape = (len(mel), mel.shape[1] * CONTRACT.hop_length)
    noise = np.random.default_rng(1).normal(size=shape).astype("float32")
    location, log_scale = layer.flow(noise, **layer(mel, track))
    y = affine_step(noise, location, tf.exp(log_scale))
    return de_emphasis(y, CONTRACT.pre_emphasis)


@pytest.mark.parametrize("voiced", [0.0, 1.0])
def test_untrained_it_sounds_as_loud_as_the_mel_spectrogram(voiced) -> None:
    """White noise, and 160 Hz: its mel spectrogram again, within 1.5 dB.

    Above 1 kHz, where a band is wider than the harmonics are apart.
    """
    generator, frames = np.random.default_rng(0), 40
    time = frames * CONTRACT.hop_length
    sound = generator.normal(0.0, 0.05, time)
    if voiced:
        cycles = 160.0 * np.arange(time) / CONTRACT.sample_rate
        phases = generator.uniform(size=(48, 1))
        harmonics = np.arange(1, 49)[:, None] * cycles + phases
        sound = 0.02 * np.sin(2 * np.pi * harmonics).sum(axis=0)
    mel = log_mel_spectrogram(sound[None].astype("float32"), CONTRACT).numpy()
    layer = SourceFilter(CONTRACT, 256)
    layer.build()
    if voiced:
        # Harmonics alone.
        bias = np.zeros(layer.corrections.bias.shape, "float32")
        bias[CONTRACT.mels :] = -20.0
        layer.corrections.bias.assign(bias)
    pitch = np.tile(np.float32([np.log(160.0), voiced]), (1, frames, 1))
    found = log_mel_spectrogram(generated(layer, mel, pitch), CONTRACT)
    inner = np.asarray(found)[0, 4:-4], mel[0, 4:-4]
    bands = slice(40, 78)
    decibels = 20.0 / np.log(10.0) * (inner[0] - inner[1])[:, bands]
    assert abs(decibels.mean()) < 1.5
    assert np.abs(decibels.mean(axis=0)).max() < 4.0


def test_an_f0_of_zero_is_no_fault(source) -> None:
    """As many sources of F0 have it where there is no voicing."""
    features = tiny_models.features(1, FRAMES)
    track = np.where([True, True, False], 0.0, features["sinusoids"])
    found = source(features["mel"], track.astype("float32"))
    assert all(np.isfinite(x).all() for x in found.values())


def test_training_reaches_all_its_weights(source) -> None:
    features = tiny_models.features(1, FRAMES)
    noise = tiny_models.noise(1, FRAMES)
    with tf.GradientTape() as tape:
        conditioning = source(features["mel"], features["sinusoids"])
        location, log_scale = source.flow(noise, **conditioning)
        loss = tf.reduce_sum(location**2) + tf.reduce_sum(log_scale)
    for gradient in tape.gradient(loss, source.trainable_variables):
        assert np.abs(gradient).max() > 0.0


@pytest.fixture(scope="module", params=[1, 2])
def student(request):
    contract = dataclasses.replace(tiny_models.QUIET, pre_emphasis=0.9)
    sizes = {"audio": contract, "source_taps": TAPS}
    sizes["source_points"] = request.param
    made = tiny_models.student(**tiny_models.SOURCE | sizes)
    for network in made.networks:
        # De-emphasis would make ten times as much of it.
        bias = network.output_pair.bias
        bias.assign(0.0 * bias.numpy())
    return tiny_models.calmer(made, 0.03)


@pytest.fixture(scope="module")
def features() -> dict:
    """Of a sound that is not clipped."""
    return quiet(tiny_models.features(2, FRAMES))


def quiet(features: dict) -> dict:
    return features | {"mel": 0.5 * features["mel"] - 1.0}


@pytest.mark.network
@pytest.mark.parametrize("chunk_frames", [1, 2, 4])
def test_synthesis_in_chunks_is_that_of_the_whole(
    student, features, chunk_frames
) -> None:
    whole = Synthesizer(student, FRAMES)(features, seed=3)
    found = Synthesizer(student, chunk_frames)(features, seed=3)
    assert (np.abs(whole) < 0.99).mean() > 0.7, "clipped"
    np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.mark.network
def test_its_audio_is_location_plus_scaled_noise(student, features) -> None:
    noise = tiny_models.noise(2, FRAMES)
    found = student(features | {"noise": noise})
    again = affine_step(noise, found["location"], tf.exp(found["log_scale"]))
    np.testing.assert_allclose(found["audio"], again, atol=1e-5)


@pytest.mark.network
def test_the_cached_inverse_finds_its_noise(student, features) -> None:
    expected = student(features | {"noise": tiny_models.noise(2, FRAMES)})
    inverse = CachedInverse(student, chunk_frames=3, jit_compile=False)
    pieces = [found for _, found in inverse.chunks(expected["audio"], features)]
    for name in ("noise", "location", "log_scale"):
        found = np.concatenate([getattr(x, name) for x in pieces], axis=1)
        np.testing.assert_allclose(found, expected[name], atol=1e-3)


@pytest.mark.network
def test_its_density_is_that_of_tfp(student) -> None:
    features = quiet(tiny_models.features(2, 2))
    audio = tiny_models.audio(2, 2)
    expected = tf.function(student.distribution(features).log_prob)(audio)
    found = student.log_prob(audio, features)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.network
def test_a_saved_student_computes_the_same(student, features, tmp_path) -> None:
    inputs = features | {"noise": tiny_models.noise(2, FRAMES)}
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(
        loaded(inputs)["audio"], student(inputs)["audio"]
    )


@pytest.mark.parametrize(
    ("inputs", "taps", "message"),
    [
        (("mel",), 16, "lacks sinusoids"),
        (("sinusoids",), 16, "lacks mel"),
        (("mel", "sinusoids"), 15, "an even number"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused(inputs, taps, message) -> None:
    conditioning = dataclasses.replace(tiny_models.ON_MEL, inputs=inputs)
    with pytest.raises(UserError, match=message):
        tiny_models.student(conditioning=conditioning, source_taps=taps)
