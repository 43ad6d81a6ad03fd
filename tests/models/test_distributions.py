"""What every output head promises."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from pwavenet_tf.audio import signal as ops
from pwavenet_tf.core import config
from pwavenet_tf.models.distributions import (
    HEADS,
    ContinuousHead,
    Gaussian,
    Head,
    MixtureOfLogistics,
    MuLaw,
)

PCM_VALUES = (np.arange(-32_768, 32_768) / 32_768.0).astype("float32")
SHAPE = (2, 5)

every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())


def test_settings_know_every_head() -> None:
    assert tuple(HEADS) == config.HEADS


def raw_parameters(head: type[Head], *shape: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.normal(size=(*shape, head.channels(10))).astype("float32")


def uniforms_for(head: type[Head], *shape: int) -> np.ndarray:
    generator = np.random.default_rng(2)
    return generator.random(
        (*shape, head.uniforms_per_sample(10)), dtype="float32"
    )


@pytest.mark.parametrize(
    "name, channels, uniforms, inputs",
    [
        ("mixture_of_logistics", 30, 11, 1),
        ("mu_law", 256, 1, 256),
        ("gaussian", 2, 1, 1),
    ],
)
def test_sizes_are_the_papers(name, channels, uniforms, inputs) -> None:
    head = HEADS[name]
    assert head.channels(10) == channels
    assert head.uniforms_per_sample(10) == uniforms
    assert head.input_channels() == inputs
    seen = head.network_input(np.zeros(SHAPE, "float16"))
    assert seen.shape == (*SHAPE, inputs)
    assert seen.dtype == "float32"


@every_head
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_shapes_and_types(head, dtype) -> None:
    distribution = head(raw_parameters(head, *SHAPE).astype(dtype))
    audio = np.random.default_rng(3).choice(PCM_VALUES, SHAPE)
    results = [
        distribution.log_prob(audio),
        *distribution.cumulative(audio),
        distribution.sample(uniforms_for(head, *SHAPE)),
        distribution.mean(),
    ]
    for result in results:
        assert result.shape == SHAPE
        assert result.dtype == "float32"
    assert distribution.log_prob(np.zeros((4, *SHAPE))).shape == (4, *SHAPE)


def everything(head, raw, audio, uniforms, temperature):
    with tf.GradientTape() as tape:
        tape.watch(raw)
        distribution = head(raw)
        log_prob = distribution.log_prob(audio)
    results = {
        "log_prob": log_prob,
        "gradient": tape.gradient(log_prob, raw),
        "below": distribution.cumulative(audio)[0],
        "up_to": distribution.cumulative(audio)[1],
        "sample": distribution.sample(uniforms, temperature),
        "mean": distribution.mean(),
        "input": head.network_input(audio),
    }
    if issubclass(head, ContinuousHead):
        results["unbounded"] = distribution.log_prob_unbounded(audio)
    return results


def edges_and_middle(head: type[Head], shape: tuple[int, int]):
    audio = np.random.default_rng(4).choice(PCM_VALUES, shape)
    audio[:, 0], audio[:, 1] = PCM_VALUES[0], PCM_VALUES[-1]
    uniforms = uniforms_for(head, *shape)
    uniforms[:, 2], uniforms[:, 3] = 0.0, 1.0 - 2.0**-24
    uniforms[:, 4] = 0.5
    return audio, uniforms


@pytest.mark.network
@pytest.mark.xla
@every_head
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_xla_and_graph_are_eager(head, temperature) -> None:
    raw = tf.constant(raw_parameters(head, 3, 40))
    audio, uniforms = edges_and_middle(head, (3, 40))
    arguments = (raw, audio, uniforms, tf.constant(temperature))
    expected = everything(head, *arguments)
    for jit_compile in (False, True):

        @tf.function(jit_compile=jit_compile)
        def compiled(*arguments):
            return everything(head, *arguments)

        found = compiled(*arguments)
        for name, value in expected.items():
            tolerance = 1.5 / 32_768 if name == "sample" else 1e-5
            np.testing.assert_allclose(
                found[name], value, rtol=1e-4, atol=tolerance, err_msg=name
            )


@pytest.mark.network
@pytest.mark.xla
@every_head
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_extreme_parameters_are_finite(head, temperature, jit_compile) -> None:
    generator = np.random.default_rng(5)
    shape = (40, 20, head.channels(10))
    raw = generator.choice([-1e4, -50.0, 0.0, 50.0, 1e4], shape)
    audio, uniforms = edges_and_middle(head, (40, 20))

    @tf.function(jit_compile=jit_compile)
    def compiled(*arguments):
        return everything(head, *arguments)

    results = compiled(
        tf.constant(raw, tf.float32),
        audio,
        uniforms,
        tf.constant(temperature),
    )
    for name, value in results.items():
        assert np.isfinite(value.numpy()).all(), name
    sample = results["sample"].numpy()
    assert ((sample >= -1.0) & (sample < 1.0)).all()
    for name in ("below", "up_to"):
        value = results[name].numpy()
        assert ((value >= 0.0) & (value <= 1.0)).all()


@every_head
def test_cumulative_differs_by_the_probability(head) -> None:
    raw = raw_parameters(head, 400)
    audio = np.random.default_rng(6).choice(PCM_VALUES, 400)
    audio[:2] = PCM_VALUES[[0, -1]]
    below, up_to = head(raw).cumulative(audio)
    np.testing.assert_allclose(
        up_to - below, np.exp(head(raw).log_prob(audio)), atol=1e-6
    )
    assert below[0] == 0.0
    np.testing.assert_allclose(up_to[1], 1.0, atol=1e-6)


@every_head
def test_gradient_is_the_finite_difference(head) -> None:
    raw = tf.constant(raw_parameters(head, 3, 4))
    audio = np.random.default_rng(7).choice(PCM_VALUES, (3, 4))
    direction = np.random.default_rng(8).normal(size=raw.shape)
    step = np.float32(1e-2) * direction.astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(raw)
        values = head(raw).log_prob(audio)
    along = np.sum(tape.gradient(values, raw) * step, axis=-1)
    # Two central differences, whose errors in step² cancel (Richardson).
    wide, narrow = (
        (
            head(raw + k * step).log_prob(audio)
            - head(raw - k * step).log_prob(audio)
        )
        / (2.0 * k)
        for k in (1.0, 0.5)
    )
    expected = (4.0 * narrow.numpy() - wide.numpy()) / 3.0
    np.testing.assert_allclose(along, expected, rtol=1e-2, atol=2e-4)


@every_head
def test_temperature_one_is_bit_identical_to_none(head) -> None:
    distribution = head(raw_parameters(head, 500))
    uniforms = uniforms_for(head, 500)
    np.testing.assert_array_equal(
        distribution.sample(uniforms, tf.constant(1.0)),
        distribution.sample(uniforms),
    )


def narrow_mixture(location: float) -> MixtureOfLogistics:
    """Three components a few 16-bit steps wide around `location`."""
    steps = np.array([-20.0, 0.0, 7.0]) / 32_768
    raw = np.concatenate(
        [[0.0, 1.0, 0.5], location + steps, [-5.5, -5.0, -6.0]]
    )
    return MixtureOfLogistics(raw.astype("float32"))


def narrow_gaussian(location: float) -> Gaussian:
    return Gaussian(np.float32([location, -4.5]))


def some_codes(location: float) -> MuLaw:
    """Probabilities about the code of `location`, to both sides."""
    code = int(ops.mu_law_encode(np.float32(location)))
    generator = np.random.default_rng(9)
    logits = generator.normal(size=256) - 0.3 * np.abs(np.arange(256) - code)
    return MuLaw(logits.astype("float32"))


@pytest.mark.parametrize("location", [0.1, -1.0, PCM_VALUES[-1]])
@pytest.mark.parametrize("make", [narrow_mixture, narrow_gaussian, some_codes])
def test_samples_follow_the_pmf(make, location) -> None:
    """χ² of 100,000 samples; the last two mix into the edge values' tails."""
    count = 100_000
    distribution = make(location)
    uniforms = np.random.default_rng(3).random((count, 4), dtype="float32")
    samples = distribution.sample(uniforms).numpy()
    indices = np.round(samples * 32_768).astype(int) + 32_768
    np.testing.assert_array_equal(PCM_VALUES[indices], samples)
    audio = PCM_VALUES
    if isinstance(distribution, MuLaw):
        indices = ops.mu_law_encode(samples).numpy()
        audio = ops.quantise(ops.mu_law_decode(np.arange(256)))
    logs = distribution.log_prob(audio).numpy().astype("float64")
    observed = np.bincount(indices, minlength=len(logs))
    expected = count * np.exp(logs) / np.exp(logs).sum()
    common = expected >= 5.0
    rest = [observed[~common].sum()], [expected[~common].sum()]
    result = scipy.stats.chisquare(
        [*observed[common], *rest[0]], [*expected[common], *rest[1]]
    )
    assert result.pvalue > 1e-3


@pytest.mark.parametrize("make", [narrow_mixture, narrow_gaussian, some_codes])
def test_mean_is_the_mean_of_the_samples(make) -> None:
    distribution = make(0.1)
    uniforms = np.random.default_rng(6).random((50_000, 4), dtype="float32")
    samples = distribution.sample(uniforms).numpy().astype("float64")
    error = samples.std() / np.sqrt(len(samples))
    mean = keras.ops.convert_to_numpy(distribution.mean())
    assert abs(samples.mean() - mean) < 4.0 * error
