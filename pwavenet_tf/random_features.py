"""Features that mean nothing, for comparing and for timing voices."""

import numpy as np

from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet


def random_features(
    model: WaveNet | ParallelWaveNet, rows: int, frames: int
) -> dict[str, np.ndarray]:
    """Features `(rows, frames, channels)` of every kind, always the same.

    Args:
        model: Whose contract, phones and speakers they suit.
        rows: The batch.
        frames: Frames of each row.
    """
    random = np.random.default_rng(0)
    phones = len(model.conditioning.phones)
    speakers = max(1, len(model.conditioning.speakers))

    def normal(channels):
        shape = (rows, frames, channels)
        return random.standard_normal(shape, np.float32)

    return {
        "mel": normal(model.audio.mels),
        "phones": random.integers(0, 1 + phones, (rows, frames, 3), "int32"),
        "timing": normal(2),
        "pitch": normal(2),
        "speaker": random.integers(0, speakers, rows, "int32"),
    }
