"""Linear prediction from the mel spectrogram, and the teacher behind it."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats
import tensorflow as tf
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.signal import pre_emphasis
from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.distributions import Gaussian, MixtureOfLogistics
from pwavenet_tf.models.linear_prediction import (
    LinearPrediction,
    levinson_durbin,
)
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.teacher import CachedSampler

ORDER, FRAMES = 6, 6
TIME = FRAMES * tiny_models.HOP
CONTRACT = preset("small").audio
QUIET = dataclasses.replace(tiny_models.QUIET, pre_emphasis=0.9)


def teacher(**changes) -> WaveNet:
    settings = {"prediction_order": ORDER, "audio": QUIET}
    return tiny_models.teacher(**(settings | changes))


def noise_of_envelope(seconds: float = 2.0) -> np.ndarray:
    """Noise with two resonances, `(1, time)`, of known innovations."""
    poles = [
        radius * np.exp(2j * np.pi * hertz / CONTRACT.sample_rate)
        for radius, hertz in ((0.96, 700.0), (0.93, 2_600.0))
    ]
    denominator = np.poly([*poles, *np.conj(poles)]).real
    count = round(seconds * CONTRACT.sample_rate)
    white = np.random.default_rng(0).normal(0.0, 1e-3, count)
    audio = scipy.signal.lfilter([1.0], denominator, white)
    return audio[None].astype("float32")


@pytest.mark.parametrize("order", [1, 2, 5, 32])
def test_the_recursion_solves_the_normal_equations(order) -> None:
    """Against SciPy's solver, in float64."""
    power = np.exp(np.random.default_rng(order).normal(size=(3, 2, 257)))
    lags = np.fft.irfft(power)[..., : order + 1]
    found, error = levinson_durbin(tf.constant(lags), order)
    for row, a, variance in zip(
        lags.reshape(-1, order + 1),
        found.numpy().reshape(-1, order),
        error.numpy().ravel(),
        strict=True,
    ):
        oracle = scipy.linalg.solve_toeplitz(row[:-1], row[1:])
        np.testing.assert_allclose(a, oracle, atol=1e-10)
        np.testing.assert_allclose(variance, row[0] - oracle @ row[1:])


@pytest.mark.network
@given(st.integers(0, 1_000), st.floats(0.0, 3.0), st.sampled_from([4, 16, 32]))
def test_synthesis_from_any_mel_spectrogram_is_stable(
    seed, spread, order
) -> None:
    """All poles lie inside the unit circle, in float32 too."""
    mel = np.random.default_rng(seed).normal(-4.0, spread, (1, 1, 80))
    predictor = LinearPrediction(CONTRACT, order)(mel)["predictor"]
    polynomial = np.r_[1.0, -predictor.numpy()[0, 0].astype(np.float64)]
    assert np.abs(np.roots(polynomial)).max() < 1.0


def test_the_error_is_white_and_has_the_gain() -> None:
    """Noise through a filter: what is left are its innovations."""
    audio = noise_of_envelope()
    layer = LinearPrediction(CONTRACT, 32)
    series = pre_emphasis(audio, CONTRACT.pre_emphasis)
    location, log_gain = layer.located(
        series, **layer(log_mel_spectrogram(audio, CONTRACT))
    )
    middle = slice(1_600, -1_600)
    error = ((series - location) / tf.exp(log_gain)).numpy()[0, middle]
    assert 0.9 < error.std() < 1.1
    # A flat spectrum: the geometric mean of its parts is their mean's.
    _, power = scipy.signal.welch(error, nperseg=256)
    flatness = np.exp(np.log(power[2:-2]).mean()) / power[2:-2].mean()
    _, power = scipy.signal.welch(audio[0, middle], nperseg=256)
    before = np.exp(np.log(power[2:-2]).mean()) / power[2:-2].mean()
    assert before < 0.3 < 0.9 < flatness


def test_the_prediction_is_the_sum_over_the_past() -> None:
    layer = LinearPrediction(QUIET, ORDER)
    prediction = layer(tiny_models.mel(2, FRAMES))
    predictor = prediction["predictor"].numpy()
    series = tiny_models.audio(2, FRAMES)
    found = layer.located(tf.constant(series), **prediction)[0].numpy()
    for row in range(2):
        for t in range(TIME):
            a = predictor[row, t // tiny_models.HOP]
            past = series[row, max(0, t - ORDER) : t][::-1]
            expected = a[: len(past)] @ past
            assert found[row, t] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("head", [MixtureOfLogistics, Gaussian])
def test_a_head_is_placed_by_location_and_gain(head) -> None:
    """x = offset + gain u has the density of u, over the gain."""
    channels, offset, gain = head.channels(3), 0.05, 0.5
    place = tf.constant([offset]), tf.math.log([gain])
    parameters = np.random.default_rng(0).normal(size=(1, channels))
    placed = head(head.placed(parameters.astype("float32"), *place))
    edge = np.round(np.array([-0.4, 0.05, 0.3]) * 32_768) / 32_768
    found = placed.log_prob(edge[:, None].astype("float32")).numpy()[:, 0]
    x = np.linspace(edge - 0.5 / 32_768, edge + 0.5 / 32_768, 101)
    u = (x - offset) / gain
    if head is Gaussian:
        location, log_scale = parameters[0]
        density = scipy.stats.norm.pdf(u, location, np.exp(log_scale))
    else:
        logits, locations, log_scales = np.split(parameters[0], 3)
        density = sum(
            weight * scipy.stats.logistic.pdf(u, location, np.exp(log_scale))
            for weight, location, log_scale in zip(
                scipy.special.softmax(logits),
                locations,
                log_scales,
                strict=True,
            )
        )
    expected = np.log(np.trapezoid(density / gain, x, axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_untrained_teacher_knows_the_envelope() -> None:
    """It is nats better than one that has to learn it."""
    audio = np.round(noise_of_envelope() * 32_768) / 32_768
    inputs = {
        "audio": audio,
        "mel": log_mel_spectrogram(audio, CONTRACT),
    }
    conditioning = Conditioning(channels=4, upsampling=(10, 20))
    nats = []
    for order in (0, 32):
        keras.utils.set_random_seed(0)
        plain = WaveNet(
            CONTRACT,
            conditioning,
            (1, 2),
            residual_channels=8,
            prediction_order=order,
        )
        nats.append(float(plain.mean_nats(audio, plain(inputs))[0]))
    innovations = 0.5 * np.log(2 * np.pi * np.e * (1e-3 * 32_768) ** 2)
    assert innovations < nats[1] < innovations + 0.7 < nats[0] - 0.5


def test_exactly_the_receptive_field_matters() -> None:
    """Without pre-emphasis, which looks one sample further back."""
    model = teacher(audio=tiny_models.QUIET)
    mel = tiny_models.mel(1, 2)

    def function(audio):
        given = tiny_models.repeated(mel, audio.shape[0])
        return tf.reduce_sum(model({"audio": audio, "mel": given}), axis=-1)

    gradient = tiny_models.jacobian(function, tiny_models.audio(1, 2)[0])
    outputs, inputs = np.indices(gradient.shape)
    age = outputs - inputs
    assert (gradient[(age < 1) | (age > model.receptive_field)] == 0.0).all()
    assert (gradient[(age >= 1) & (age <= model.receptive_field)] != 0.0).all()
    assert model.receptive_field == model.stack.receptive_field + ORDER


@pytest.mark.network
@pytest.mark.parametrize("head", ["mixture_of_logistics", "gaussian"])
@pytest.mark.parametrize("coefficient", [0.0, 0.9])
def test_cached_parameters_are_the_parallel_ones(head, coefficient) -> None:
    """In chunks that end within frames too."""
    audio = dataclasses.replace(QUIET, pre_emphasis=coefficient)
    model = teacher(head=head, audio=audio)
    sound = tiny_models.audio(2, FRAMES)
    features = tiny_models.features(2, FRAMES)
    sampler = CachedSampler(model, jit_compile=False)
    conditioning = sampler.condition(features, 0, FRAMES)
    state, chunks = sampler.initial_state(2), []
    for start, end in ((0, 1), (1, 47), (47, TIME)):
        first, last = start // tiny_models.HOP, -(-end // tiny_models.HOP)
        part = {
            name: x[:, start:end] if x.shape[1] == TIME else x[:, first:last]
            for name, x in conditioning.items()
        }
        chunk, state = sampler.score(state, part, sound[:, start:end])
        chunks.append(chunk)
    whole = model(features | {"audio": sound})
    np.testing.assert_allclose(tf.concat(chunks, 1), whole, atol=1e-5)


@pytest.mark.network
def test_features_in_pieces_give_the_same_samples() -> None:
    sampler = CachedSampler(teacher(), jit_compile=False)
    features = tiny_models.features(1, FRAMES)
    whole = sampler(features, seed=3)
    pieces = (
        {
            name: x[:, i : i + 1] if x.ndim > 1 else x
            for name, x in features.items()
        }
        for i in range(FRAMES)
    )
    streamed = np.concatenate([*sampler.stream(pieces, seed=3)], axis=-1)
    np.testing.assert_allclose(
        np.squeeze(streamed), np.squeeze(whole), atol=1e-5
    )


@pytest.mark.parametrize("mel", [-12.0, 0.0, 12.0])
@pytest.mark.parametrize("sound", [0.0, 0.9])
def test_features_of_other_sound_leave_the_likelihood_finite(
    mel, sound
) -> None:
    """As the contrastive loss gives them; with their gradient."""
    model = teacher(
        audio=dataclasses.replace(QUIET, mel_mean=(), mel_deviation=())
    )
    audio = tf.fill((1, TIME), tf.constant(sound))
    with tf.GradientTape() as tape:
        tape.watch(audio)
        parameters = model(
            {"audio": audio, "mel": tf.fill((1, FRAMES, tiny_models.MELS), mel)}
        )
        value, _ = model.mean_nats(audio, parameters)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, audio)).all()


def test_what_cannot_be_predicted_is_refused() -> None:
    with pytest.raises(UserError, match="which the conditioning lacks"):
        teacher(conditioning=Conditioning(inputs=()))
    with pytest.raises(UserError, match="no location"):
        teacher(head="mu_law", audio=tiny_models.CONTRACT)


@pytest.mark.parametrize(
    ("inputs", "head", "order"),
    [
        (("mel",), "mixture_of_logistics", 32),
        (("pitch",), "gaussian", 0),
        (("mel",), "mu_law", 0),
    ],
)
def test_a_preset_predicts_where_it_can(inputs, head, order) -> None:
    nano = preset("nano")
    sizes = dataclasses.replace(nano.teacher, head=head)
    made = WaveNet.from_preset(
        dataclasses.replace(nano, teacher=sizes),
        conditioning=dataclasses.replace(
            nano.conditioning, inputs=inputs, mean_pitch_hz=150.0
        ),
    )
    assert made.prediction_order == order


def test_a_saved_teacher_predicts_as_before(tmp_path) -> None:
    model = teacher()
    inputs = {"audio": tiny_models.audio(), "mel": tiny_models.mel()}
    model.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    assert loaded.prediction_order == ORDER
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
