"""What a model's layers are told, for some of the frames."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pwavenet_tf.conditioner import Conditioner
from pwavenet_tf.model_inputs import at_frames


class ToldFrames:
    """Computes for any part of an utterance what layers are told of it.

    Args:
        tell: Makes of features the keyword arguments of a `GatedStack`.
        conditioner: What `tell` makes them with.
    """

    def __init__(
        self, tell: Callable[[dict], dict], conditioner: Conditioner
    ) -> None:
        self._tell = tell
        self.context_frames = conditioner.context_frames
        vectors_of_frame = conditioner.audio.hop_length // conditioner.stride
        self._margin = self.context_frames * vectors_of_frame
        self.compute = tf.function(self.of_window, reduce_retracing=True)

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
        context = self.context_frames
        places = np.arange(first - context, first + frames + context)
        return self.compute(at_frames(features, places))

    def of_window(self, window: dict) -> dict:
        """What the layers are told of a window but its margins.

        Args:
            window: Features of the wanted frames and of `context_frames`
                more on either side.
        """
        told = {
            name: tf.cast(x, tf.float32)
            for name, x in self._tell(window).items()
        }
        if "conditioning" in told and self._margin:
            series = told["conditioning"]
            told["conditioning"] = series[:, self._margin : -self._margin]
        return told
