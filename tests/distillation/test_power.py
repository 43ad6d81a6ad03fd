"""The power loss against SciPy's spectra."""

import itertools

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import PowerLoss
from pwavenet_tf.distillation.power import power_loss

SAMPLE_RATE = 16_000


def recordings(seed: int) -> np.ndarray:
    shape = (2, 3_000)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, shape)
    return noise.astype("float32")


FORMS = [
    PowerLoss(),
    PowerLoss(exponents=((2, 1),)),
    PowerLoss(average_time=True),
    PowerLoss(resolutions=((2_048, 1_024, 256), (512, 256, 64))),
    PowerLoss(exponents=((2, 1),), average_time=True, emphasis=0.0),
    PowerLoss(exponents=((1, 5), (0.3, 80))),
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

    def feature(x, exponent, fft, window, hop):
        shape = scipy.signal.get_window("hann", window)
        frames = np.lib.stride_tricks.sliding_window_view(x, fft, axis=1)
        padded = np.pad(shape, (fft - window) // 2)
        spectrum = np.abs(np.fft.rfft(frames[:, ::hop] * padded))
        spectrum = spectrum**exponent
        return (
            spectrum.mean(1, keepdims=True) if form.average_time else spectrum
        )

    expected = []
    for resolution, (exponent, weight) in itertools.product(
        form.resolutions, form.exponents
    ):
        squared = weight * np.square(
            feature(audio, exponent, *resolution)
            - feature(recording, exponent, *resolution)
        )
        hertz = np.fft.rfftfreq(resolution[0], 1 / SAMPLE_RATE)
        low = squared[..., hertz < form.emphasis_hz]
        share = form.emphasis
        expected.append((1 - share) * squared.mean() + share * low.mean())
    found = power_loss(audio, recording, SAMPLE_RATE, form)
    expected = np.sum(expected) / len(form.resolutions)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_averaged_over_time_the_order_of_frames_does_not_matter() -> None:
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
        ({"exponents": ((3, 1),)}, "to the 3 with the weight 1"),
        ({"exponents": ((0, 1),)}, "above 0"),
        ({"exponents": ((1, -1),)}, "weight of 0 or more"),
        ({"exponents": ()}, "exponents is empty"),
        ({"emphasis": 1.5}, "between 0 and 1"),
        ({"resolutions": ()}, "resolutions is empty"),
        ({"resolutions": ((512, 1_024, 256),)}, "FFT 512, window 1024"),
    ],
)
def test_impossible_power_losses_are_refused(wrong, words) -> None:
    with pytest.raises(UserError, match=words):
        PowerLoss(**wrong)


@pytest.mark.parametrize("exponent", [0.3, 1, 2])
def test_power_loss_has_a_finite_gradient_at_silence(exponent) -> None:
    form = PowerLoss(exponents=((exponent, 1),))

    def gradient(audio):
        audio = tf.constant(audio)
        with tf.GradientTape() as tape:
            tape.watch(audio)
            loss = power_loss(audio, recordings(0)[:1], SAMPLE_RATE, form)
        return tape.gradient(loss, audio).numpy()

    assert np.isfinite(gradient(np.zeros((1, 3_000), "float32"))).all()
    assert np.isfinite(gradient(1e-6 * recordings(1)[:1])).all()
    assert np.abs(gradient(1e-3 * recordings(1)[:1])).max() > 0.0


def test_small_exponents_weigh_quiet_sounds_more() -> None:
    """White noise 40 dB under a loud tone, against the tone 3 dB louder."""
    seconds = np.arange(3_000) / SAMPLE_RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * seconds)[None].astype("float32")
    noisy, louder = tone + 0.01 * recordings(0)[:1], 1.41 * tone

    def share(exponent):
        form = PowerLoss(exponents=((exponent, 1),))
        hiss, level = (
            power_loss(audio, tone, SAMPLE_RATE, form)
            for audio in (noisy, louder)
        )
        return hiss / level

    assert share(0.3) > 100 * share(1.0) > 10_000 * share(2.0)
