"""Speaks with a .tflite, as `Synthesizer` speaks with a student."""

from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.imports import hold_back_stderr
from pwavenet_tf.export.file_voice import STATE, FileVoice
from pwavenet_tf.export.lite.card import read_card

SIGNATURE = "speak"


class LiteVoice(FileVoice):
    """A voice in a .tflite, run by LiteRT's interpreter with XNNPACK.

    Args:
        path: The file that `export_tflite` wrote.
        threads: Of the interpreter.

    Attributes:
        card: What the file says of itself; see `export_tflite`.
        chunk_frames: Frames that it speaks at a time, no more and no less;
            `block_frames` is the same.
        reads: The names of all that a block reads.

    Raises:
        UserError: If the file is missing, damaged, not one of ours, or of
            another version.

    Example:
        voice = LiteVoice("voice.tflite")
        audio = voice(mel, seed=1)
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        super().__init__(read_card(path))
        from ai_edge_litert.interpreter import Interpreter

        self.chunk_frames = self.block_frames = self.card["block_frames"]
        try:
            # It says on the screen that it uses XNNPACK.
            with hold_back_stderr():
                # The runner is of no use once its interpreter is gone.
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
        return super().initial_state(batch)

    def advance(self, state, window, uniforms, temperature):
        """The audio of a block and the state behind it; see `StreamedVoice`."""
        frames = uniforms.shape[1] // self.contract.hop_length
        if frames != self.chunk_frames:
            raise UserError(
                f"this .tflite speaks {self.chunk_frames} frames at a time, "
                f"not {frames}; use "
                f"Stream(voice, block_frames={self.chunk_frames})"
            )
        return super().advance(state, window, uniforms, temperature)

    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        """The audio of a block and the state behind it, from all it reads."""
        said = self._speak(**{name: inputs[name] for name in self.reads})
        return said["audio"], {name: said[name] for name in STATE}
