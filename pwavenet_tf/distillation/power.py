"""The power loss: the student's spectrogram against the recording's."""

from keras import ops

from pwavenet_tf.audio.signal import stft_magnitude
from pwavenet_tf.core.training_config import PowerLoss


def power_loss(audio, recording, sample_rate: int, settings: PowerLoss):
    """Mean of (φ(audio) - φ(recording))² (1711.10433, section 4.1), a scalar.

    Both are `(batch, time)`, at least as long as the longest FFT, at the
    sample rate in Hz. φ is a power of |STFT|, frame by frame or averaged over
    time; see the settings. A share of the loss, usually half of it, is the
    mean over the frequencies below 3 kHz alone, where speech has its power;
    the rest is the mean over all.
    """
    each = [
        _at_resolution(audio, recording, sample_rate, settings, *resolution)
        for resolution in settings.resolutions
    ]
    return sum(each) / len(each)


def _at_resolution(
    audio, recording, sample_rate, settings, fft_length, window, hop
):
    own, theirs = (
        stft_magnitude(samples, window, hop, fft_length)
        for samples in (audio, recording)
    )
    bins = max(1, round(settings.emphasis_hz * fft_length / sample_rate))
    total = 0.0
    for exponent, weight in settings.exponents:

        def feature(magnitude, exponent=exponent):
            raised = magnitude**exponent
            return ops.mean(raised, 1) if settings.average_time else raised

        squared = ops.square(feature(own) - feature(theirs))
        whole, low = ops.mean(squared), ops.mean(squared[..., :bins])
        total += weight * (whole + settings.emphasis * (low - whole))
    return total
