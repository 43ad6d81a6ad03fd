"""A small Distiller and clips for it."""

import numpy as np
import tiny_models

from pwavenet_tf.distillation.distiller import Distiller

# The power loss wants one whole Fourier transform of 2,048 samples.
FRAMES = 104
NAMES = ["kl", "cross_entropy", "entropy", "contrastive", "power", "level"]
GRADIENTS = ["gradient_kl", "gradient_contrastive", "gradient_power"]


def clips(batch: int = 2):
    recording = tiny_models.audio(batch, FRAMES)
    weight = np.ones_like(recording)
    weight[:, :32] = 0.0
    return {"mel": tiny_models.mel(batch, FRAMES)}, recording, weight


def distiller(**settings) -> Distiller:
    made = Distiller(tiny_models.teacher(), tiny_models.student(), **settings)
    made.build()
    return made
