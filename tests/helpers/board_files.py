"""What TensorBoard itself reads in a folder."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

_ALL = {event_accumulator.TENSORS: 0}


def reports(folder: Path) -> dict[str, dict[int, np.ndarray]]:
    """By name and step: numbers, histograms, and bytes of what is encoded."""
    found = event_accumulator.EventAccumulator(str(folder), _ALL).Reload()
    return {
        name: {
            event.step: tensor_util.make_ndarray(event.tensor_proto)
            for event in found.Tensors(name)
        }
        for name in found.Tags()["tensors"]
    }


def sound(encoded: np.ndarray) -> tuple[np.ndarray, int]:
    """Samples `(time,)` and their rate."""
    audio, rate = tf.audio.decode_wav(encoded[0, 0])
    return audio.numpy()[:, 0], int(rate)


def image(encoded: np.ndarray) -> np.ndarray:
    """Pixels `(height, width, channels)`; the file states their size."""
    width, height, png = encoded
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape[:2] == (int(height), int(width))
    return pixels
