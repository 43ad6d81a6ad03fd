"""The upsampler: where a frame lands, and chunks equal to the whole."""

import keras
import numpy as np
import pytest
import tiny_models

from pwavenet_tf.models.conditioning import TransposedConvolution, Upsampler

HOP = tiny_models.HOP


@pytest.fixture(
    params=[((4, 5), 1), ((20,), 1), ((2, 2, 5), 3), ((10, 2), 2)],
    ids=str,
)
def upsampler(request) -> Upsampler:
    upsampler = Upsampler(4, *request.param)
    upsampler.build((None, None, tiny_models.MELS))
    return upsampler


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 20])
def test_transposed_convolution_is_keras_conv1d_transpose(stride) -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    layer = TransposedConvolution(4, stride)
    layer.build(x.shape)
    # Weights from NumPy: the triangle alone would hide a reversed kernel.
    kernel = np.random.default_rng(1).normal(size=layer.kernel.shape)
    bias = np.arange(4.0)
    layer.set_weights([kernel, bias])
    ours = layer(x)
    oracle = keras.layers.Conv1DTranspose(
        4, 2 * stride, strides=stride, padding="same"
    )
    oracle.build(x.shape)
    oracle.set_weights([kernel, bias])
    assert ours.shape == (2, 7 * stride, 4)
    np.testing.assert_allclose(ours, oracle(x), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 20])
def test_every_output_depends_on_equally_many_inputs(stride) -> None:
    """No checkerboard imbalance (Odena et al. 2016), whatever is learned.

    The sum of the absolute kernel over what an output sees is its sensitivity
    to a constant: with a kernel of ones, the count of its inputs.
    """
    layer = TransposedConvolution(1, stride)
    layer.build((1, 9, 1))
    layer.set_weights([np.ones(layer.kernel.shape), np.zeros(1)])
    counts = np.ravel(layer(np.ones((1, 9, 1), "float32")))
    np.testing.assert_array_equal(counts[stride:-stride], 2.0)
    # The oracle shows what the usual kernel, no multiple of its stride, does.
    if stride > 1:
        usual = keras.layers.Conv1DTranspose(
            1,
            2 * stride - 1,
            strides=stride,
            padding="same",
            kernel_initializer="ones",
        )
        uneven = np.ravel(usual(np.ones((1, 9, 1), "float32")))
        assert len(np.unique(uneven[2 * stride : -2 * stride])) > 1


def test_untrained_transposed_convolution_interpolates() -> None:
    """A constant stays constant: no checkerboard to unlearn."""
    out = TransposedConvolution(4, 5)(np.ones((1, 9, 3), "float32")).numpy()
    inner = out[:, 5:-5]
    np.testing.assert_allclose(inner, inner[:, :1] + 0 * inner, atol=1e-6)


def test_a_chunk_with_context_equals_the_whole(upsampler) -> None:
    mel = tiny_models.mel(2, 16)
    whole = upsampler(mel).numpy()
    assert whole.shape == (2, 16 * HOP, 4)
    for start, end in ((0, 5), (5, 6), (6, 16)):
        context_frames = upsampler.context_frames
        places = np.arange(start - context_frames, end + context_frames)
        chunk = upsampler(mel[:, places.clip(0, 15)]).numpy()
        extension = context_frames * HOP
        np.testing.assert_allclose(
            chunk[:, extension:-extension],
            whole[:, start * HOP : end * HOP],
            atol=1e-6,
        )


def test_a_frame_is_upsampled_to_its_own_samples(upsampler) -> None:
    """Its effect covers [f · hop, (f + 1) · hop) and is centred there.

    The convolutions look at the frame itself only, so that their random
    weights do not favour one side.
    """
    for layer in (upsampler.convolution, *upsampler.further_convolutions):
        middle = np.float32([0.0, 1.0, 0.0])[:, None, None]
        layer.kernel.assign(layer.kernel * middle)
    mel = tiny_models.mel(1, 13)
    centres = []
    for frame in range(4, 9):
        changed = mel.copy()
        changed[:, frame] += 1.0
        difference = np.abs((upsampler(changed) - upsampler(mel)).numpy())
        effect = difference.sum(axis=(0, 2))
        own = slice(frame * HOP, (frame + 1) * HOP)
        assert (effect[own] > 0.0).all()
        margin = upsampler.context_frames * HOP
        assert effect[: own.start - margin].sum() == 0.0
        assert effect[own.stop + margin :].sum() == 0.0
        centre = (effect * np.arange(len(effect))).sum() / effect.sum()
        centres.append(centre - (own.start + (HOP - 1) / 2))
    assert np.abs(np.mean(centres)) < HOP / 4


def test_ends_are_extended_by_the_first_and_last_frame(upsampler) -> None:
    """A still spectrogram is conditioned alike at its ends and inside."""
    still = tiny_models.repeated(tiny_models.mel(1, 1)[0], 8)[None]
    out = upsampler(still).numpy()
    frames = out.reshape(8, HOP, 4)
    np.testing.assert_allclose(frames, frames[[4]] + 0 * frames, atol=1e-5)
