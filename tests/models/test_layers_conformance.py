"""What every layer and model owes its users: one list, one test a promise.

A new layer is one line in `CASES`.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

import pwavenet_tf
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.distillation.spectral import SpectralTrainer
from pwavenet_tf.models.acoustic_model import AcousticModel
from pwavenet_tf.models.conditioning import (
    Conditioner,
    LinearInterpolation,
    TransposedConvolution,
    Upsampler,
)
from pwavenet_tf.models.encoder import EncoderBlock, TemporalEncoder
from pwavenet_tf.models.flows import FlowNetwork
from pwavenet_tf.models.gru import GRU
from pwavenet_tf.models.layers import CausalConvolution, GatedBlock, GatedStack
from pwavenet_tf.models.linear_prediction import LinearPrediction
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.sample_rnn import FrameTier, SampleRNN
from pwavenet_tf.models.source_filter import SourceFilter
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.truncated import TruncatedTrainer

FRAMES = 2
TIME = FRAMES * tiny_models.HOP


def series(channels: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(2, TIME, channels)).astype("float32")


def distiller(**kwargs) -> Distiller:
    parts = tiny_models.teacher(**kwargs), tiny_models.student(**kwargs)
    return Distiller(*parts, inner_samples=2, power_weight=3.0, **kwargs)


MEL = tiny_models.mel(2, FRAMES)
AUDIO = tiny_models.audio(2, FRAMES)
NOISE = tiny_models.noise(2, FRAMES)

FEATURES = tiny_models.features(2, FRAMES)
SPEAKER = series(7, 2)[:, :1]
# Nothing is carried from call to call.
BEGINS = np.array([True, True])
CONTEXT = Conditioner(tiny_models.CONTRACT, tiny_models.ON_MEL).context_frames
# Of four frames, with what the conditioner looks at around them.
AROUND = tiny_models.mel(2, 4 + 2 * CONTEXT)

# (constructor, arguments of its call)
CASES = {
    CausalConvolution: (
        lambda **kwargs: CausalConvolution(5, 2, 3, **kwargs),
        (series(3),),
    ),
    GatedBlock: (
        lambda **kwargs: GatedBlock(6, 3, 5, 2, 4, FRAMES, **kwargs),
        (series(3), series(2, 1)[:, ::FRAMES], SPEAKER),
    ),
    GatedStack: (
        lambda **kwargs: GatedStack((1, 3), 4, 6, 5, 2, **kwargs),
        (series(1), series(2, 1), SPEAKER),
    ),
    TransposedConvolution: (
        lambda **kwargs: TransposedConvolution(5, 4, **kwargs),
        (series(3),),
    ),
    Conditioner: (
        lambda **kwargs: Conditioner(
            tiny_models.CONTRACT, tiny_models.EVERYTHING, **kwargs
        ),
        (FEATURES,),
    ),
    EncoderBlock: (
        lambda **kwargs: EncoderBlock(3, 4, **kwargs),
        (series(3),),
    ),
    TemporalEncoder: (
        lambda **kwargs: TemporalEncoder(
            5, (1, 2), 3, tiny_models.HOP, **kwargs
        ),
        (AUDIO,),
    ),
    Upsampler: (lambda **kwargs: Upsampler(5, (4, 5), **kwargs), (MEL,)),
    FlowNetwork: (
        lambda **kwargs: FlowNetwork((1, 2), 4, 6, 2, -0.5, **kwargs),
        (NOISE, series(2, 1), SPEAKER),
    ),
    LinearPrediction: (
        lambda **kwargs: LinearPrediction(tiny_models.QUIET, 4, **kwargs),
        (MEL,),
    ),
    SourceFilter: (
        lambda **kwargs: SourceFilter(tiny_models.NORMALISED, 16, **kwargs),
        (FEATURES["mel"], FEATURES["sinusoids"]),
    ),
    GRU: (lambda **kwargs: GRU(5, **kwargs), (series(3), series(5, 1)[:, 0])),
    FrameTier: (
        lambda **kwargs: FrameTier(4, 5, 2, **kwargs),
        (series(4), series(5, 1), series(2, 2), SPEAKER, series(3, 4)),
    ),
    WaveNet: (tiny_models.teacher, ({"audio": AUDIO, "mel": MEL},)),
    SampleRNN: (
        tiny_models.recurrent_teacher,
        ({"audio": AUDIO, "mel": MEL},),
    ),
    ParallelWaveNet: (tiny_models.student, ({"noise": NOISE, "mel": MEL},)),
    PhoneClassifier: (tiny_models.phone_classifier, ({"audio": AUDIO},)),
    AcousticModel: (
        tiny_models.acoustic_model,
        (tiny_models.phone_batch([[2, 1, 3], [1, 4]]),),
    ),
    SpectralTrainer: (
        lambda **kwargs: SpectralTrainer(
            tiny_models.student(**kwargs), **kwargs
        ),
        ({"noise": NOISE, "mel": MEL},),
    ),
    TruncatedTrainer: (
        lambda **kwargs: TruncatedTrainer(
            tiny_models.recurrent_teacher(**kwargs), 2, **kwargs
        ),
        ({"audio": tiny_models.audio(2, 4), "mel": AROUND, "begins": BEGINS},),
    ),
    # Last, for its output is the student's and announced there.
    Distiller: (distiller, ({"noise": NOISE, "mel": MEL},)),
}

# Their outputs are likelihoods and scales: float32 under any policy.
ALWAYS_FLOAT32 = {
    FlowNetwork,
    LinearPrediction,
    SourceFilter,
    WaveNet,
    SampleRNN,
    ParallelWaveNet,
    PhoneClassifier,
    AcousticModel,
    SpectralTrainer,
    TruncatedTrainer,
    Distiller,
}


def name_of(kind) -> str:
    return kind.__name__


cases = pytest.mark.parametrize("kind", CASES, ids=name_of)


def made(kind, **kwargs):
    """The layer, called once, with its arguments."""
    constructor, arguments = CASES[kind]
    layer = constructor(**kwargs)
    layer(*arguments)
    return layer, arguments


@functools.cache
def shared(kind):
    """As `made`, with its outputs, once for all tests: they change nothing."""
    layer, arguments = made(kind)
    return layer, arguments, layer(*arguments)


def outputs(value) -> list:
    return [x for x in tf.nest.flatten(value) if x is not None]


def assert_close(found, expected, tolerance: float) -> None:
    pairs = zip(outputs(found), outputs(expected), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=tolerance)


def test_every_layer_and_model_of_the_package_is_listed() -> None:
    registered = {
        kind
        for name, kind in keras.saving.get_custom_objects().items()
        if name.startswith("pwavenet_tf>")
        and kind.__module__.startswith(pwavenet_tf.__name__)
        and issubclass(kind, keras.layers.Layer)
    }
    assert {CausalConvolution, WaveNet} <= registered
    assert registered <= set(CASES)


@pytest.mark.network
@cases
def test_config_makes_the_same_layer(kind) -> None:
    layer, arguments = made(kind, name="original")
    config = layer.get_config()
    again = kind.from_config(config)
    assert again.get_config() == config
    again(*arguments)
    again.set_weights(layer.get_weights())
    assert_close(again(*arguments), layer(*arguments), 0.0)


@pytest.mark.network
@cases
def test_saved_and_loaded_it_computes_the_same(kind, tmp_path) -> None:
    layer, arguments, _ = shared(kind)
    if not isinstance(layer, keras.Model):
        inputs = tf.nest.map_structure(
            lambda x: keras.Input(x.shape[1:], dtype=x.dtype.name), arguments
        )
        layer = keras.Model(inputs, layer(*inputs))
        arguments = (arguments,)
    layer.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded(*arguments), layer(*arguments), 0.0)


@pytest.mark.network
@pytest.mark.xla
@cases
def test_xla_computes_the_same(kind) -> None:
    layer, arguments, expected = shared(kind)
    compiled = tf.function(
        lambda *inputs: layer(*inputs), jit_compile=True, autograph=False
    )
    assert_close(compiled(*arguments), expected, 1e-5)


@pytest.mark.network
@cases
def test_mixed_precision_keeps_float32_where_promised(kind) -> None:
    layer, arguments, expected = shared(kind)
    mixed, _ = made(kind, dtype="mixed_bfloat16")
    assert all(w.dtype == "float32" for w in mixed.trainable_variables)
    mixed.set_weights(layer.get_weights())
    found = mixed(*arguments)
    dtype = "float32" if kind in ALWAYS_FLOAT32 else "bfloat16"
    assert {x.dtype.name for x in outputs(found)} == {dtype}
    found = [tf.cast(x, tf.float32) for x in outputs(found)]
    assert_close(found, expected, 0.1)


@pytest.mark.network
@pytest.mark.parametrize("kind", list(CASES)[:-1], ids=name_of)
def test_output_shape_is_the_one_announced(kind) -> None:
    layer, arguments, found = shared(kind)
    shapes = [tf.nest.map_structure(np.shape, x) for x in arguments]
    announced = layer.compute_output_shape(*shapes)
    if isinstance(found, dict):
        assert announced == {k: tuple(x.shape) for k, x in found.items()}
    elif isinstance(found, tuple):
        assert announced == tuple(tuple(x.shape) for x in found)
    else:
        assert announced == tuple(found.shape)


@pytest.mark.network
@cases
def test_every_weight_gets_a_gradient(kind) -> None:
    layer, arguments, _ = shared(kind)
    with tf.GradientTape() as tape:
        found = outputs(layer(*arguments))
        value = tf.add_n([tf.reduce_sum(tf.square(x)) for x in found])
    gradients = tape.gradient(value, layer.trainable_variables)
    assert gradients or kind is LinearPrediction
    for weight, gradient in zip(
        layer.trainable_variables, gradients, strict=True
    ):
        assert gradient is not None, weight.path
        # That of an embedding is sparse.
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all(), weight.path


@keras.saving.register_keras_serializable(package="tests")
class OwnStudent(ParallelWaveNet):
    def __init__(self, *args, gain: float = 1.0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.gain = gain


def test_a_subclass_that_passes_arguments_on_keeps_them() -> None:
    student = tiny_models.student(residual_channels=6)
    own = OwnStudent.from_config(student.get_config() | {"gain": 2.0})
    again = OwnStudent.from_config(own.get_config())
    assert (again.residual_channels, again.gain) == (6, 2.0)
    assert again.get_config() == own.get_config()


def test_initializer_survives_its_config() -> None:
    again = keras.initializers.get(
        keras.saving.serialize_keras_object(LinearInterpolation())
    )
    assert isinstance(again, LinearInterpolation)
    kernel = again((8, 3, 2), dtype="float32").numpy()
    np.testing.assert_allclose(kernel, kernel[::-1])
    steps = np.diff(kernel[:4], axis=0)
    np.testing.assert_allclose(steps, steps[:1] + 0 * steps, atol=1e-6)
