"""The teacher: causality, receptive field, likelihood and training."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.config import HEADS, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.distributions import MixtureOfLogistics
from pwavenet_tf.models.wavenet import WaveNet


@pytest.fixture(scope="module")
def teacher() -> WaveNet:
    return tiny_models.teacher()


def projected(teacher, mel):
    """The teacher as a function of audio alone, its outputs mixed to one."""
    channels = teacher.head_class.channels(teacher.mixture_components)
    weights = np.random.default_rng(7).normal(size=channels)

    def function(audio):
        repeated = tiny_models.repeated(mel, audio.shape[0])
        parameters = teacher({"audio": audio, "mel": repeated})
        return tf.linalg.matvec(parameters, weights.astype("float32"))

    return function


def test_receptive_field_of_the_paper_teacher_is_6139_samples() -> None:
    assert WaveNet.from_preset(preset("paper")).receptive_field == 6_139


@pytest.mark.parametrize(
    ("dilations", "filter_width"),
    [((1, 2, 4), 3), ((1, 2, 4, 8), 2), ((1, 2, 1, 2), 3)],
)
def test_exactly_the_receptive_field_matters(dilations, filter_width) -> None:
    """No sample more, no sample fewer, and never the present or future."""
    teacher = tiny_models.teacher(
        dilations=dilations, filter_width=filter_width
    )
    field = 1 + (filter_width - 1) * sum(dilations)
    assert teacher.receptive_field == field
    gradient = tiny_models.jacobian(
        projected(teacher, tiny_models.mel()), tiny_models.audio()[0]
    )
    outputs, inputs = np.indices(gradient.shape)
    age = outputs - inputs
    seen = (age >= 1) & (age <= field)
    assert (gradient[~seen] == 0.0).all()
    assert (gradient[seen] != 0.0).all()


def test_audio_depends_on_its_own_mel_frame_and_not_on_distant_ones(
    teacher,
) -> None:
    audio, mel = tiny_models.audio(frames=12), tiny_models.mel(frames=12)
    other = mel.copy()
    other[:, 5] += 1.0
    difference = np.abs(
        (
            teacher({"audio": audio, "mel": mel})
            - teacher({"audio": audio, "mel": other})
        ).numpy()
    ).max(axis=(0, 2))
    hop = tiny_models.HOP
    assert (difference[5 * hop : 6 * hop] > 0.0).all()
    assert (difference[: 2 * hop] == 0.0).all()


def test_the_loss_is_nats_per_valid_sample(teacher) -> None:
    audio, mel = tiny_models.audio(2, 3), tiny_models.mel(2, 3)
    parameters = teacher({"audio": audio, "mel": mel})
    weight = np.zeros_like(audio)
    weight[:, 25:] = 1.0
    loss = teacher.compute_loss(
        y=audio, y_pred=parameters, sample_weight=weight
    )
    each = -MixtureOfLogistics(parameters).log_prob(audio).numpy()
    np.testing.assert_allclose(loss, each[:, 25:].mean(), rtol=1e-6)
    np.testing.assert_array_equal(
        teacher.distribution({"audio": audio, "mel": mel}).log_prob(audio),
        -each,
    )


def test_context_beyond_the_receptive_field_does_not_change_the_loss(
    teacher,
) -> None:
    audio, mel = tiny_models.audio(1, 4), tiny_models.mel(1, 4)
    weight = np.zeros_like(audio)
    first_valid = 40
    weight[:, first_valid:] = 1.0

    def loss(samples):
        parameters = teacher({"audio": samples, "mel": mel})
        return teacher.compute_loss(
            y=samples, y_pred=parameters, sample_weight=weight
        ).numpy()

    far, near = audio.copy(), audio.copy()
    far[:, : first_valid - teacher.receptive_field] = 0.5
    near[:, first_valid - teacher.receptive_field] = 0.5
    assert loss(far) == loss(audio)
    assert loss(near) != loss(audio)


@pytest.mark.network
def test_gradient_through_the_activations_matches_finite_differences(
    teacher,
) -> None:
    """d ln p_T(x) / dx, where x is its own past as well as its target."""
    x = tiny_models.audio(1, 2).astype("float32")
    mel = tiny_models.mel(1, 2)

    def log_likelihood(samples):
        distribution = teacher.distribution({"audio": samples, "mel": mel})
        each = distribution.log_prob_unbounded(samples)
        return tf.reduce_sum(tf.cast(each, tf.float64), axis=-1)

    samples = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(samples)
        total = log_likelihood(samples)
    gradient = tape.gradient(total, samples).numpy()[0]
    step = 2.0**-10
    steps = step * np.eye(x.shape[1], dtype="float32")
    mel = tiny_models.repeated(mel, x.shape[1])
    difference = log_likelihood(x + steps) - log_likelihood(x - steps)
    estimate = difference.numpy() / (2.0 * step)
    assert np.abs(gradient).min() > 1e-3
    np.testing.assert_allclose(gradient, estimate, rtol=2e-2, atol=2e-2)


def sine_clips(batch: int = 4, frames: int = 8):
    time = np.arange(frames * tiny_models.HOP)
    phase = np.random.default_rng(0).uniform(0.0, 6.0, (batch, 1))
    wave = 0.5 * np.sin(0.3 * time + phase)
    audio = (np.round(wave * 32_768) / 32_768).astype("float32")
    mel = tiny_models.mel(batch, frames)
    return {"audio": audio, "mel": mel}, audio, np.ones_like(audio)


@pytest.mark.network
@pytest.mark.xla
def test_fit_learns_a_sine_under_xla() -> None:
    teacher = tiny_models.teacher(
        dilations=(1, 2), conditioning=tiny_models.COARSE
    )
    teacher.compile(keras.optimizers.Adam(1e-2), jit_compile=True)
    inputs, target, weight = sine_clips()
    data = tf.data.Dataset.from_tensors((inputs, target, weight)).repeat()
    history = teacher.fit(
        data, steps_per_epoch=20, epochs=3, shuffle=False, verbose=0
    )
    losses = history.history["loss"]
    assert losses[-1] < losses[0] - 1.0


def test_mixed_precision_step_gives_a_finite_float32_loss() -> None:
    teacher = tiny_models.teacher(dtype="mixed_bfloat16")
    inputs, target, weight = sine_clips()
    before = [v.numpy() for v in teacher.trainable_variables]
    teacher.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    logs = teacher.train_on_batch(
        inputs, target, sample_weight=weight, return_dict=True
    )
    assert np.isfinite(logs["loss"])
    parameters = teacher(inputs)
    assert parameters.dtype == "float32"
    assert teacher.compute_loss(y=target, y_pred=parameters).dtype == "float32"
    for old, variable in zip(before, teacher.trainable_variables, strict=True):
        assert variable.dtype == "float32"
        assert np.isfinite(variable.numpy()).all()
        assert (variable.numpy() != old).any()


def test_upsampling_that_is_not_the_hop_is_refused() -> None:
    with pytest.raises(UserError, match="hop length is 20"):
        tiny_models.teacher(
            conditioning=Conditioning(channels=4, upsampling=(4, 4))
        )


@pytest.mark.network
@pytest.mark.parametrize("components", [1, 2, 10])
def test_an_untrained_mixture_has_one_location_and_many_scales(
    components,
) -> None:
    keras.utils.set_random_seed(0)
    teacher = WaveNet.from_preset(
        dataclasses.replace(
            preset("nano"),
            teacher=dataclasses.replace(
                preset("nano").teacher,
                mixture_components=components,
                prediction_order=0,
            ),
        ),
        dataclasses.replace(preset("nano").audio, pre_emphasis=0.0),
    )
    teacher.build()
    random = np.random.default_rng(0)
    audio = random.normal(0.0, 0.1, (1, 1_000)).astype("float32")
    mel = random.normal(size=(1, 5, 80)).astype("float32")
    untrained = teacher.distribution({"audio": audio, "mel": mel})
    assert np.std(untrained.locations) < 0.1
    weights = np.exp(untrained.log_weights)
    np.testing.assert_allclose(weights, 1.0 / components, rtol=0.5)
    scales = np.median(untrained.log_scales, axis=(0, 1))
    expected = [-4.0] if components == 1 else np.linspace(-7, -2.5, components)
    np.testing.assert_allclose(scales, expected, atol=0.2)


@pytest.mark.network
@pytest.mark.xla
@pytest.mark.parametrize("head", ["mixture_of_logistics", "gaussian"])
def test_a_short_run_learns_to_follow_the_past(head) -> None:
    """x_t = 0.98 x_{t-1} + noise: bits far below those of its marginal.

    The best model that ignores the past has the marginal's standard deviation,
    five times the noise's: ln 5 nats more.
    """
    teacher = tiny_models.teacher(
        head=head, dilations=(1, 2), conditioning=tiny_models.COARSE
    )
    fresh = WaveNet.from_config(teacher.get_config())
    random = np.random.default_rng(0)
    noise = random.normal(0.0, 0.02, (16, 1_000))
    wave = scipy.signal.lfilter([1.0], [1.0, -0.98], noise)
    audio = (np.round(wave * 32_768) / 32_768).astype("float32")
    inputs = {"audio": audio, "mel": tiny_models.mel(16, 50)}
    data = tf.data.Dataset.from_tensors((inputs, audio)).repeat()
    fresh.compile(keras.optimizers.Adam(1e-2), jit_compile=True)
    fresh.fit(data, steps_per_epoch=150, shuffle=False, verbose=0)
    found = fresh.evaluate(data.take(1), verbose=0, return_dict=True)["nats"]
    entropy = 0.5 * np.log(2.0 * np.pi * np.e * 0.02**2) - np.log(2.0**-15)
    assert entropy - 0.2 < found < entropy + 0.5


@pytest.mark.parametrize("head", HEADS)
def test_the_first_output_is_of_order_one(head) -> None:
    """Whatever the first layer reads: samples of speech, or codes one-hot."""
    teacher = WaveNet(
        dilations=(1,),
        residual_channels=64,
        head=head,
        conditioning=tiny_models.COARSE,
        audio=tiny_models.CONTRACT,
    )
    teacher.build()
    audio = np.random.default_rng(0).normal(0.0, 0.1, (1, 2_000))
    series = teacher.head_class.network_input(audio.astype("float32"))
    found = np.std(np.asarray(teacher.stack.first(series)))
    assert 0.3 < found < 3.0
