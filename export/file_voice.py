"""A student in a file, run by another runtime than TensorFlow."""

import abc
import math

import numpy as np
import scipy.special

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.uniforms import open_unit_interval
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer

STATE = ("state_past", "state_newest")


# The inverse distribution functions of `NOISES`, without Keras.
_INVERSES = {
    "logistic": lambda u: np.log(u) - np.log1p(-u),
    "gaussian": lambda u: math.sqrt(2.0) * scipy.special.erfinv(2.0 * u - 1.0),
}


class FileVoice(StreamingSynthesizer):
    """A synthesizer from a file that holds a `BlockGraph` and a card.

    The same seed gives the same noise as in `Synthesizer`. For `card` see
    `model_card`.
    """

    def __init__(self, card: dict) -> None:
        self.card = card
        self.contract = AudioContract.from_config(card["contract"])
        self.conditioning = Conditioning.from_config(card["conditioning"])
        self.context_frames = card["look_ahead_frames"]
        self._inverse = _INVERSES[card["sizes"]["noise"]]

    @abc.abstractmethod
    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state after it, from all its inputs."""

    def initial_state(self, batch: int) -> dict[str, np.ndarray]:
        """The state before the first sample, for a batch of rows: zeros."""
        shapes = {name: self.card["state"][name]["shape"] for name in STATE}
        return {
            name: np.zeros((batch, *shape), np.float32)
            for name, shape in shapes.items()
        }

    def advance(
        self,
        state: dict,
        features: dict,
        uniforms: np.ndarray,
        temperature: float,
    ) -> tuple[np.ndarray, dict]:
        inside = open_unit_interval(uniforms[..., 0])
        noise = np.float32(temperature) * self._inverse(inside)
        return self.run(features | {"noise": noise} | state)
