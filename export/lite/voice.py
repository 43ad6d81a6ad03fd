"""Speaks with a .tflite, as `Synthesizer` speaks with a student."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.config import AudioContract, Conditioning
from pwavenet_tf.errors import UserError
from pwavenet_tf.export.lite.card import read_card
from pwavenet_tf.noise_families import NOISES
from pwavenet_tf.quiet import hold_back_stderr
from pwavenet_tf.streaming import StreamedVoice

SIGNATURE = "speak"
_STATE = ("state_past", "state_newest")


class LiteVoice(StreamedVoice):
    """A voice in a .tflite, run by LiteRT's interpreter with XNNPACK.

    It draws the same noise from a seed as `Synthesizer`, so the float32
    variant makes the same sound.

    Args:
        path: The file that `export_tflite` wrote.
        threads: Of the interpreter.

    Attributes:
        card: What the file says of itself; see `export_tflite`.
        contract: Its acoustic contract.
        conditioning: What it is told.
        chunk_frames: Frames that it speaks at a time, no more and no less;
            `block_frames` is the same.
        context_frames: Frames before and behind a block that it must see.
        reads: The names of all that a block reads.

    Raises:
        UserError: If the file is missing, damaged, not one of ours, or of
            another version.

    Example:
        voice = LiteVoice("voice.tflite")
        audio = voice(mel, seed=1)
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.card = read_card(path)
        from ai_edge_litert.interpreter import Interpreter

        self.contract = AudioContract.from_config(self.card["contract"])
        self.conditioning = Conditioning.from_config(self.card["conditioning"])
        self.chunk_frames = self.block_frames = self.card["block_frames"]
        self.context_frames: int = self.card["look_ahead_frames"]
        self._noise = NOISES[self.card["sizes"]["noise"]]
        try:
            # The runner is of no use once its interpreter is gone.
            # It says on the screen that it uses XNNPACK.
            with hold_back_stderr():
                self.interpreter = Interpreter(str(path), num_threads=threads)
                self._speak = self.interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"{path}: is damaged ({str(error).splitlines()[0][:120]}); "
                "export the student anew"
            ) from error
        self.reads = tuple(self._speak.get_input_details())

    def initial_state(self, batch: int) -> dict[str, np.ndarray]:
        """The state before the first sample: zeros.

        Raises:
            UserError: If more than one row is to be spoken.
        """
        if batch != 1:
            raise UserError(
                f"a .tflite speaks one utterance at a time, not {batch}; give "
                "each to a stream of its own"
            )
        return {
            name: np.zeros((1, *self.card["state"][name]["shape"]), np.float32)
            for name in _STATE
        }

    def advance(
        self, state: dict, window: dict, uniforms: tf.Tensor, temperature: float
    ) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state behind it; see `StreamedVoice`."""
        noise = temperature * self._noise.from_uniforms(uniforms[..., 0])
        frames = noise.shape[1] // self.contract.hop_length
        if frames != self.chunk_frames:
            raise UserError(
                f"this .tflite speaks {self.chunk_frames} frames at a time, "
                f"not {frames}; use "
                f"Stream(voice, block_frames={self.chunk_frames})"
            )
        return self.run(window | {"noise": noise.numpy()} | state)

    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state behind it, from all it reads."""
        said = self._speak(**{name: inputs[name] for name in self.reads})
        return said["audio"], {name: said[name] for name in _STATE}
