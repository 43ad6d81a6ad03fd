"""What a model's layers are told, for some of the frames."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pwavenet_tf.model_inputs import at_frames
from pwavenet_tf.upsampling import CONTEXT_FRAMES


class ToldFrames:
    """Computes for any part of an utterance what layers are told of it.

    Args:
        tell: Makes of features the keyword arguments of a `GatedStack`.
        vectors_of_frame: How many vectors of conditioning it makes of one
            frame.
    """

    def __init__(
        self, tell: Callable[[dict], dict], vectors_of_frame: int
    ) -> None:
        self._tell = tell
        self._margin = CONTEXT_FRAMES * vectors_of_frame
        self._compute = tf.function(self._float32)

    def __call__(self, features: dict, first: int, frames: int) -> dict:
        """What the layers are told for some of the frames.

        Args:
            features: Of the whole utterance, from `require_features`.
            first: The first frame that is wanted.
            frames: How many are wanted. Beyond the end the last one goes on.

        Returns:
            float32 tensors, equal to the same part of what is told of the
            whole.
        """
        places = np.arange(
            first - CONTEXT_FRAMES, first + frames + CONTEXT_FRAMES
        )
        told = self._compute(at_frames(features, places))
        if "conditioning" in told:
            series = told["conditioning"]
            told["conditioning"] = series[:, self._margin : -self._margin]
        return told

    def _float32(self, features):
        told = self._tell(features)
        return {name: tf.cast(x, tf.float32) for name, x in told.items()}
