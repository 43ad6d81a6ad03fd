"""The causal convolution and the gated blocks against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from pwavenet_tf.models.layers import (
    CausalConvolution,
    GatedBlock,
    GatedStack,
    delay,
)


def series(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("filter_width", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 8])
def test_causal_convolution_is_tensorflows_dilated_convolution(
    filter_width, dilation
) -> None:
    """Also where the series is shorter than the left context."""
    layer = CausalConvolution(5, filter_width, dilation)
    for time in (4, 30):
        x = series(2, time, 3)
        layer(x)
        layer.bias.assign(np.arange(5.0))
        left_context = (filter_width - 1) * dilation
        oracle = tf.nn.conv1d(
            tf.pad(x, [[0, 0], [left_context, 0], [0, 0]]),
            layer.kernel.value,
            stride=1,
            padding="VALID",
            dilations=dilation,
        )
        np.testing.assert_allclose(layer(x), oracle + layer.bias, atol=1e-5)


def test_delay_shifts_later_and_lets_zeros_in() -> None:
    x = series(1, 5, 2)
    np.testing.assert_array_equal(delay(x)[:, 1:], x[:, :-1])
    assert (delay(x, 2)[:, :2] == np.zeros((1, 2, 2))).numpy().all()


def test_gated_block_is_the_papers_equation() -> None:
    """z = tanh(W_f ∗ x + V_f y) ⊙ σ(W_g ∗ x + V_g y), in NumPy."""
    block = GatedBlock(4, 3, 6, filter_width=2, dilation=2)
    x, y = series(1, 9, 3), series(1, 9, 2)
    residual, skip = block(x, y)
    past = np.pad(x, [(0, 0), (2, 0), (0, 0)])[:, :9]
    kernel = block.convolution.kernel.numpy()
    both = past @ kernel[0] + x @ kernel[1]
    both = both + y @ block.conditioning.kernel.numpy()
    z = np.tanh(both[..., :4]) / (1.0 + np.exp(-both[..., 4:]))
    np.testing.assert_allclose(
        residual, x + z @ block.residual.kernel.numpy(), atol=1e-6
    )
    np.testing.assert_allclose(skip, z @ block.skip.kernel.numpy(), atol=1e-6)


def test_skip_stack_has_no_weights_that_nobody_reads() -> None:
    x, y = series(1, 12, 1), series(1, 12, 2)
    for skip_channels in (None, 5):
        stack = GatedStack((1, 2), 4, 4, skip_channels)
        with tf.GradientTape() as tape:
            out = stack(x, y)
        assert out.shape == (1, 12, skip_channels or 4)
        gradients = tape.gradient(out, stack.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
