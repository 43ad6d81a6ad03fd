"""The recurrent layer: equal to Keras's, and its gradient to Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.models.gru import GRU


def pair(units: int, channels: int, seed: int) -> tuple[GRU, keras.layers.GRU]:
    """The layer and Keras's, of the same random weights."""
    own, theirs = GRU(units), keras.layers.GRU(units, return_sequences=True)
    own.build((None, None, channels), (None, units))
    theirs.build((None, None, channels))
    generator = np.random.default_rng(seed)
    kernel, recurrent, biases = (
        generator.normal(0.0, 0.5, shape).astype("float32")
        for shape in ((channels, 3 * units), (units, 3 * units), (2, 3 * units))
    )
    theirs.set_weights([kernel, recurrent, biases])
    own.projection.set_weights([kernel, biases[0]])
    own.recurrent_kernel.assign(recurrent)
    own.recurrent_bias.assign(biases[1])
    return own, theirs


@settings(max_examples=5)
@given(
    st.integers(1, 3),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_it_is_the_gru_of_keras_with_its_gradient(
    batch, steps, units, channels, seed
) -> None:
    own, theirs = pair(units, channels, seed)
    generator = np.random.default_rng(seed)
    x, initial, upstream = (
        tf.constant(generator.normal(size=shape), tf.float32)
        for shape in (
            (batch, steps, channels),
            (batch, units),
            (batch, steps, units),
        )
    )
    found = []
    for layer, weights in (
        (own, own.projection.trainable_variables),
        (theirs, theirs.trainable_variables[:1]),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x, initial])
            states = (
                layer(x, initial_state=initial)
                if layer is theirs
                else (layer(x, initial))
            )
            total = tf.reduce_sum(states * upstream)
        by = tape.gradient(
            total,
            [x, initial, weights[0].value, layer_recurrent(layer).value],
        )
        found.append([states, *by])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def layer_recurrent(layer):
    if isinstance(layer, GRU):
        return layer.recurrent_kernel
    return layer.cell.recurrent_kernel


@pytest.mark.parametrize("weight", ["recurrent_bias", "projection.bias"])
def test_the_gradients_of_biases_match_finite_differences(weight) -> None:
    own, _ = pair(3, 2, 0)
    generator = np.random.default_rng(1)
    x = generator.normal(size=(2, 5, 2)).astype("float32")
    initial = generator.normal(size=(2, 3)).astype("float32")
    upstream = generator.normal(size=(2, 5, 3)).astype("float32")
    variable = own
    for name in weight.split("."):
        variable = getattr(variable, name)

    def total():
        return tf.reduce_sum(own(x, initial) * upstream)

    with tf.GradientTape() as tape:
        value = total()
    gradient = tape.gradient(value, variable.value).numpy()
    before, step = variable.numpy(), 1e-2
    for index in range(len(gradient)):
        shift = step * np.eye(len(gradient), dtype="float32")[index]
        variable.assign(before + shift)
        above = total()
        variable.assign(before - shift)
        estimate = (above - total()) / (2.0 * step)
        np.testing.assert_allclose(gradient[index], estimate, atol=2e-3)
    variable.assign(before)
