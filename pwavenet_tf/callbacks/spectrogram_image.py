"""Two sounds seen one above the other, as an array of pixels."""

import dataclasses
import math

import numpy as np

from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.features import log_mel_spectrogram

_SHOWN_DB = 80.0
_DB_PER_NEPER = 20.0 / math.log(10.0)

# For each mel band of each frame; and of white between the two.
_PIXELS = 4


def spectrogram_image(
    above: np.ndarray, below: np.ndarray, contract: AudioContract
) -> np.ndarray:
    """The mel spectrograms of two sounds, low frequencies at the bottom.

    The colours span 80 dB down from the loudest place of the sound above, so
    that pictures under one recording compare.

    Args:
        above: `(time,)` in [-1, 1), usually the recording.
        below: As many samples of another voice.
        contract: The frames and the mel bands.

    Returns:
        uint8 `(4 · (2 · mels + 1), 4 · frames, 3)`.
    """
    from matplotlib import colormaps

    plain = dataclasses.replace(contract, mel_mean=(), mel_deviation=())
    mel = log_mel_spectrogram(np.stack([above, below]), plain).numpy()
    decibels = _DB_PER_NEPER * mel.transpose(0, 2, 1)[:, ::-1]
    shown = 1.0 + (decibels - decibels[0].max()) / _SHOWN_DB
    upper, lower = colormaps["magma"](shown, bytes=True)[..., :3]
    line = np.full((1, *upper.shape[1:]), 255, np.uint8)
    return (
        np.concatenate([upper, line, lower])
        .repeat(_PIXELS, axis=0)
        .repeat(_PIXELS, axis=1)
    )
