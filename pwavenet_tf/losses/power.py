"""The power loss: the student's spectrogram against the recording's."""

from keras import ops

from pwavenet_tf.ops import stft_magnitude

FFT_LENGTH = 2_048
WINDOW_LENGTH = 1_024
HOP_LENGTH = 256
SPEECH_BAND_HZ = 3_000


def power_loss(audio, recording, sample_rate: int):
    """Mean of (|STFT(audio)| - |STFT(recording)|)² (1711.10433, section 4.1).

    Half of it is the mean over all frequencies, half the mean over those
    below 3 kHz, where speech has its power.

    Args:
        audio: `(batch, time)`, at least 2,048 samples.
        recording: `(batch, time)`, for the same conditioning.
        sample_rate: Hz.

    Returns:
        A scalar; 0 for equal inputs.
    """

    def spectrum(samples):
        return stft_magnitude(samples, WINDOW_LENGTH, HOP_LENGTH, FFT_LENGTH)

    squared = ops.square(spectrum(audio) - spectrum(recording))
    low = squared[..., : round(SPEECH_BAND_HZ * FFT_LENGTH / sample_rate)]
    return 0.5 * ops.mean(squared) + 0.5 * ops.mean(low)
