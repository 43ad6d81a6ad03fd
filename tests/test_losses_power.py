"""The power loss against SciPy's spectra."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf

from pwavenet_tf.errors import UserError
from pwavenet_tf.losses.power import power_loss
from pwavenet_tf.training_config import PowerLoss

SAMPLE_RATE = 16_000


def recordings(seed: int) -> np.ndarray:
    shape = (2, 3_000)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, shape)
    return noise.astype("float32")


FORMS = [
    PowerLoss(),
    PowerLoss(exponent=2),
    PowerLoss(average_time=True),
    PowerLoss(resolutions=((2_048, 1_024, 256), (512, 256, 64))),
    PowerLoss(exponent=2, average_time=True, emphasis=0.0),
    PowerLoss(emphasis=1.0, emphasis_hz=1_000.0),
]


@pytest.mark.parametrize("form", FORMS)
def test_power_loss_is_zero_for_equal_inputs_only(form) -> None:
    audio = recordings(0)
    assert power_loss(audio, audio, SAMPLE_RATE, form) == 0.0
    assert power_loss(audio, recordings(1), SAMPLE_RATE, form) > 0.0
    assert power_loss(0.5 * audio, audio, SAMPLE_RATE, form) > 0.0


@pytest.mark.parametrize("form", FORMS)
def test_power_loss_is_scipys_spectra_compared(form) -> None:
    """With the means taken by hand."""
    audio, recording = recordings(0), recordings(1)

    def feature(x, fft, window, hop):
        shape = scipy.signal.get_window("hann", window)
        frames = np.lib.stride_tricks.sliding_window_view(x, fft, axis=1)
        padded = np.pad(shape, (fft - window) // 2)
        spectrum = np.abs(np.fft.rfft(frames[:, ::hop] * padded))
        spectrum = spectrum**form.exponent
        return (
            spectrum.mean(1, keepdims=True) if form.average_time else spectrum
        )

    expected = []
    for resolution in form.resolutions:
        squared = np.square(
            feature(audio, *resolution) - feature(recording, *resolution)
        )
        hertz = np.fft.rfftfreq(resolution[0], 1 / SAMPLE_RATE)
        low = squared[..., hertz < form.emphasis_hz]
        share = form.emphasis
        expected.append((1 - share) * squared.mean() + share * low.mean())
    found = power_loss(audio, recording, SAMPLE_RATE, form)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-4)


def test_averaged_over_time_the_order_of_frames_does_not_count() -> None:
    """Frames that do not overlap, in another order."""
    form = PowerLoss(average_time=True, resolutions=((500, 500, 500),))
    audio, recording = recordings(0), recordings(1)
    shuffled = audio.reshape(2, 6, 500)[:, [3, 1, 5, 0, 4, 2]].reshape(2, -1)
    found, expected = (
        power_loss(x, recording, SAMPLE_RATE, form) for x in (shuffled, audio)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"exponent": 3}, "exponent is 3"),
        ({"emphasis": 1.5}, "between 0 and 1"),
        ({"resolutions": ()}, "at least one"),
        ({"resolutions": ((512, 1_024, 256),)}, "FFT 512, window 1024"),
    ],
)
def test_impossible_power_losses_are_refused(wrong, words) -> None:
    with pytest.raises(UserError, match=words):
        PowerLoss(**wrong)


def test_power_loss_has_a_finite_gradient_at_silence() -> None:
    silence = tf.zeros((1, 3_000))
    with tf.GradientTape() as tape:
        tape.watch(silence)
        loss = power_loss(silence, recordings(0)[:1], SAMPLE_RATE, PowerLoss())
    assert np.isfinite(tape.gradient(loss, silence).numpy()).all()
    nearly = tf.constant(1e-6 * recordings(1)[:1])
    with tf.GradientTape() as tape:
        tape.watch(nearly)
        loss = power_loss(nearly, recordings(0)[:1], SAMPLE_RATE, PowerLoss())
    assert np.abs(tape.gradient(loss, nearly).numpy()).max() > 0.0
