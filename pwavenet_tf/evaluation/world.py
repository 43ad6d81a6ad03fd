"""The baseline WORLD: a recording, analysed and synthesized again."""

import numpy as np

from pwavenet_tf.evaluation.metrics import checked_audio
from pwavenet_tf.evaluation.perceptual_measures import library


def world_is_installed() -> bool:
    """Whether `pyworld` can be imported."""
    return library("pyworld") is not None


def world_copy_synthesis(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Copy synthesis by WORLD (Morise et al., 2016), a parametric vocoder.

    F0 by Harvest, the spectral envelope by CheapTrick, aperiodicity by D4C,
    all every 5 ms, with the settings of `pyworld`. It analyses the recording
    itself, at full resolution, where a model has the mel spectrogram alone.

    Args:
        audio: Audio `(time,)` in [-1, 1).
        sample_rate: Hz, at least 8,000.

    Returns:
        Audio of the same shape, float32; the same input gives the same audio.

    Raises:
        UserError: If the audio is empty, not `(time,)`, or not finite.
    """
    import pyworld

    audio = np.ascontiguousarray(checked_audio(audio, "the recording"))
    samples = len(audio)
    # Harvest needs a few periods of its lowest F0.
    padded = np.pad(audio, (0, max(0, sample_rate // 4 - samples)))
    pitch, times = pyworld.harvest(padded, sample_rate)
    envelope = pyworld.cheaptrick(padded, pitch, times, sample_rate)
    aperiodicity = pyworld.d4c(padded, pitch, times, sample_rate)
    spoken = pyworld.synthesize(pitch, envelope, aperiodicity, sample_rate)
    spoken = np.pad(spoken, (0, max(0, samples - len(spoken))))
    return spoken[:samples].astype(np.float32)
