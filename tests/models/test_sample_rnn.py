"""SampleRNN: its tiers against NumPy, causality, carried state, gradient."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.wavenet import WaveNet

FRAMES = 6
TIME = FRAMES * tiny_models.HOP
EVERYTHING = tiny_models.EVERYTHING


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def kernel_and_bias(layer):
    return [weight.numpy().astype("float64") for weight in layer.weights]


def companded(audio):
    """The 8-bit μ-law code of audio, as in 1609.03499, section 2.2."""
    y = np.sign(audio) * np.log1p(255.0 * np.abs(audio)) / np.log(256.0)
    return np.clip(np.floor((y + 1.0) * 128.0), 0, 255).astype(int)


def reference(teacher: SampleRNN, audio: np.ndarray, features: dict):
    """Parameters of every sample of one row, sample by sample, in NumPy.

    Written from section 2 of the paper, with a loop over samples that keeps
    the last c of each tier, and no batch.
    """
    conditioning = {
        name: x[0].numpy()
        for name, x in teacher.layer_conditioning(features).items()
    }
    a, codes = teacher.audio.pre_emphasis, teacher.head == "mu_law"
    y = audio - a * np.concatenate([[0.0], audio[:-1]])

    def past(t, size):
        return np.array([y[i] if i >= 0 else 0.0 for i in range(t - size, t)])

    def seen(values):
        if codes:
            return 2.0 * (companded(values) - 128.0) / 128.0
        return values / teacher.input_std

    hidden = [tier.initial_hidden.numpy() for tier in teacher.tiers]
    given = [None] * len(hidden)
    outputs = []
    for t in range(len(audio)):
        above = None
        for k, tier in enumerate(teacher.tiers):
            size = tier.frame_size
            if t % size == 0:
                kernel, bias = kernel_and_bias(tier.samples)
                x = seen(past(t, size)) @ kernel + bias
                if above is not None:
                    x = x + above
                for name, series in conditioning.items():
                    rate = len(audio) // len(series)
                    row = 0 if name == "speaker" else t // rate
                    x = x + series[row] @ getattr(tier, name).kernel.numpy()
                hidden[k] = numpy_gru(tier.gru, hidden[k], x)
                kernel, bias = kernel_and_bias(tier.upsampling)
                given[k] = (hidden[k] @ kernel + bias).reshape(tier.ratio, -1)
            above = given[k][t % size * tier.ratio // size]
        last = past(t, teacher.frame_sizes[-1])
        if codes:
            e = teacher.embedding.kernel.numpy()[companded(last)]
        else:
            e = seen(last)[:, None]
        kernel, bias = kernel_and_bias(teacher.samples)
        x = np.einsum("sc,scu->u", e, kernel) + bias + above
        for layer in teacher.hidden_layers:
            kernel, bias = kernel_and_bias(layer)
            x = np.maximum(x @ kernel + bias, 0.0)
        kernel, bias = kernel_and_bias(teacher.output_parameters)
        outputs.append(x @ kernel + bias)
    outputs = np.array(outputs)
    if a:
        # The locations of the mixture follow the logits.
        components = teacher.mixture_components
        shift = a * np.concatenate([[0.0], audio[:-1]])
        outputs[:, components : 2 * components] += shift[:, None]
    return outputs


def numpy_gru(gru, hidden, x):
    kernel, bias = kernel_and_bias(gru.projection)
    recurrent = hidden @ gru.recurrent_kernel.numpy()
    recurrent = recurrent + gru.recurrent_bias.numpy()
    z, r, n = np.split(x @ kernel + bias, 3)
    own_z, own_r, own_n = np.split(recurrent, 3)
    z, r = sigmoid(z + own_z), sigmoid(r + own_r)
    return z * hidden + (1.0 - z) * np.tanh(n + r * own_n)


@pytest.mark.network
@pytest.mark.parametrize(
    ("head", "sizes", "changes"),
    [
        ("mu_law", (16, 4), {}),
        ("mixture_of_logistics", (16, 4), {"audio": tiny_models.EMPHASISED}),
        ("mixture_of_logistics", (8,), {"conditioning": EVERYTHING}),
        ("gaussian", (12, 6, 2), {"conditioning": EVERYTHING}),
    ],
)
def test_the_tiers_are_those_of_an_independent_reference(
    head, sizes, changes
) -> None:
    teacher = tiny_models.recurrent_teacher(
        head=head, frame_sizes=sizes, **changes
    )
    audio = tiny_models.audio(1, 2)
    features = tiny_models.features(1, 2)
    found = teacher(features | {"audio": audio})[0]
    expected = reference(teacher, audio[0].astype("float64"), features)
    if head == "mixture_of_logistics" and teacher.audio.pre_emphasis:
        own = teacher.head_class(found[None])
        theirs = teacher.head_class(tf.constant(expected[None], tf.float32))
        np.testing.assert_allclose(own.locations, theirs.locations, atol=1e-4)
        np.testing.assert_allclose(own.log_scales, theirs.log_scales, atol=1e-4)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-4)


def continued(teacher, audio, conditioning, cuts):
    """The parameters of audio given in parts, the state carried."""
    state, parts = teacher.initial_state(len(audio)), []
    for start, end in zip([0, *cuts], [*cuts, audio.shape[1]], strict=True):
        part = {
            name: x
            if name == "speaker"
            else x[:, start * x.shape[1] // TIME : end * x.shape[1] // TIME]
            for name, x in conditioning.items()
        }
        found, state = teacher.continued(audio[:, start:end], part, state)
        parts.append(found)
    return np.concatenate(parts, axis=1), state


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
def test_segments_with_a_carried_state_equal_one_pass(upsampling) -> None:
    """80 samples are whole frames of 16 and of the mel spectrogram."""
    conditioning = dataclasses.replace(EVERYTHING, upsampling=upsampling)
    teacher = tiny_models.recurrent_teacher(
        conditioning=conditioning, audio=tiny_models.EMPHASISED
    )
    audio, features = tiny_models.audio(2, FRAMES), tiny_models.features(2, 6)
    whole = teacher(features | {"audio": audio})
    given = teacher.layer_conditioning(features)
    found, state = continued(teacher, audio, given, [80])
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert [h.shape for h in state.hidden] == [(2, 8), (2, 8)]


def test_only_the_past_matters_and_all_of_it() -> None:
    teacher = tiny_models.recurrent_teacher()
    mel = tiny_models.mel(1, 4)
    weights = np.random.default_rng(7).normal(size=9).astype("float32")

    def mixed(audio):
        repeated = tiny_models.repeated(mel, audio.shape[0])
        parameters = teacher({"audio": audio, "mel": repeated})
        return tf.linalg.matvec(parameters, weights)

    gradient = tiny_models.jacobian(mixed, tiny_models.audio(1, 4)[0])
    outputs, inputs = np.indices(gradient.shape)
    assert (gradient[inputs >= outputs] == 0.0).all()
    # Back to the beginning, through the frames before the sample's own; and
    # the last samples directly.
    whole = inputs < outputs // 4 * 4
    direct = (inputs < outputs) & (inputs >= outputs - 4)
    assert (gradient[whole | direct] != 0.0).all()
    assert (gradient[~(whole | direct)] == 0.0).all()


@pytest.mark.network
def test_the_gradient_to_the_past_matches_finite_differences() -> None:
    """d ln p_T(x) / dx: what a student is distilled with."""
    teacher = tiny_models.recurrent_teacher(audio=tiny_models.EMPHASISED)
    x, mel = tiny_models.audio(1, 2), tiny_models.mel(1, 2)

    @tf.function(autograph=False)
    def log_likelihood(samples):
        repeated = tiny_models.repeated(mel, samples.shape[0])
        distribution = teacher.distribution({"audio": samples, "mel": repeated})
        each = distribution.log_prob_unbounded(samples)
        return tf.reduce_sum(tf.cast(each, tf.float64), axis=-1)

    samples = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(samples)
        total = log_likelihood(samples)
    gradient = tape.gradient(total, samples).numpy()[0]
    step = 2.0**-10
    steps = step * np.eye(x.shape[1], dtype="float32")
    difference = log_likelihood(x + steps) - log_likelihood(x - steps)
    estimate = difference.numpy() / (2.0 * step)
    assert np.abs(gradient).min() > 1.0
    # Within a step a ReLU may switch.
    near = np.isclose(gradient, estimate, rtol=2e-2, atol=5e-2)
    assert near.mean() > 0.9


@pytest.mark.parametrize("sizes", [(), (16, 3), (4, 4), (4, 1), (0,)])
def test_frames_that_do_not_divide_each_other_are_refused(sizes) -> None:
    with pytest.raises(UserError, match="frame_sizes"):
        tiny_models.recurrent_teacher(frame_sizes=sizes)


def test_a_preset_of_the_other_teacher_is_refused() -> None:
    with pytest.raises(UserError, match="is no WaveNet"):
        WaveNet.from_preset(preset("samplernn"))
    with pytest.raises(UserError, match="is no SampleRNN"):
        SampleRNN.from_preset(preset("nano"))
