"""A voice in a file, run by another runtime than TensorFlow."""

import abc

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.models.noise import NOISES
from pwavenet_tf.synthesis.streaming import StreamedVoice

STATE = ("state_past", "state_newest")


class FileVoice(StreamedVoice):
    """A voice whose file holds a `BlockGraph` and a card.

    It draws the same noise from a seed as `Synthesizer`.

    Args:
        card: What the file says of itself; see `model_card`.

    Attributes:
        card: The same.
    """

    def __init__(self, card: dict) -> None:
        self.card = card
        self.contract = AudioContract.from_config(card["contract"])
        self.conditioning = Conditioning.from_config(card["conditioning"])
        self.context_frames = card["look_ahead_frames"]
        self._noise = NOISES[card["sizes"]["noise"]]

    @abc.abstractmethod
    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state behind it, from all it reads."""

    def initial_state(self, batch: int) -> dict[str, np.ndarray]:
        """The state before the first sample of so many rows: zeros."""
        shapes = {name: self.card["state"][name]["shape"] for name in STATE}
        return {
            name: np.zeros((batch, *shape), np.float32)
            for name, shape in shapes.items()
        }

    def advance(
        self, state: dict, window: dict, uniforms: tf.Tensor, temperature: float
    ) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state behind it; see `StreamedVoice`."""
        noise = temperature * self._noise.from_uniforms(uniforms[..., 0])
        return self.run(window | {"noise": noise.numpy()} | state)
