"""A synthesizer and an acoustic model from a .tflite, without TensorFlow."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.imports import hold_back_stderr
from pwavenet_tf.export.file_voice import STATE, FileVoice
from pwavenet_tf.export.lite.card import read_card

SIGNATURE = "speak"
_ACOUSTIC_OUTPUTS = ("mel", "pitch", "durations")


@contextlib.contextmanager
def _loading(path: Path, model: str) -> Iterator[Callable]:
    """Yields what makes an interpreter of a file, and refuses a damaged one."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        # It prints that it uses XNNPACK, at the latest when it first runs.
        with hold_back_stderr():
            yield partial(Interpreter, str(path))
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path}: is damaged ({str(error).splitlines()[0][:120]}); "
            f"export the {model} again"
        ) from error


class LiteVoice(FileVoice):
    """A synthesizer from a .tflite, run by LiteRT with XNNPACK.

    Args:
        path: The file that `export_tflite` wrote.
        threads: Of the interpreter.

    Attributes:
        card: The card in the file; see `export_tflite`.
        chunk_frames: Frames in a block, which are fixed; `block_frames` is
            the same.
        reads: The names of a block's inputs.

    Raises:
        UserError: If the file is missing, damaged, not one of ours, or of
            another version.

    Example:
        voice = LiteVoice("voice.tflite")
        audio = voice(mel, seed=1)
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        card = read_card(path)
        if "state" not in card:
            raise UserError(
                f"{path}: holds an acoustic model, not a vocoder; name it by "
                "--acoustic_model"
            )
        super().__init__(card)
        self.chunk_frames = self.block_frames = self.card["block_frames"]
        with _loading(path, "student") as interpreter:
            # The runner needs its interpreter to stay alive.
            self.interpreter = interpreter(num_threads=threads)
            self.interpreter.allocate_tensors()
            self._run = self.interpreter.get_signature_runner(SIGNATURE)
        self.reads = tuple(self._run.get_input_details())

    def initial_state(self, batch: int) -> dict[str, np.ndarray]:
        """The state before the first sample, of one row: zeros."""
        if batch != 1:
            raise UserError(
                f"a .tflite synthesizes one utterance at a time, not {batch}; "
                "give each to a stream of its own"
            )
        return super().initial_state(batch)

    def advance(self, state, features, uniforms, temperature):
        frames = uniforms.shape[1] // self.contract.hop_length
        if frames != self.chunk_frames:
            raise UserError(
                f"this .tflite synthesizes {self.chunk_frames} frames at a "
                f"time, not {frames}; use "
                f"Stream(voice, block_frames={self.chunk_frames})"
            )
        return super().advance(state, features, uniforms, temperature)

    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        outputs = self._run(**{name: inputs[name] for name in self.reads})
        return outputs["audio"], {name: outputs[name] for name in STATE}


class LiteAcousticModel:
    """An acoustic model from a .tflite, for `Speaker`; see `AcousticModel`.

    Args:
        path: The file that `export_acoustic_tflite` wrote.

    Raises:
        UserError: If the file is missing, damaged, not one of ours, or of
            another version.
    """

    def __init__(self, path: Path) -> None:
        card = read_card(path)
        if "acoustic_model" not in card:
            raise UserError(
                f"{path}: holds a vocoder; name a .tflite that was exported "
                "with --acoustic_model"
            )
        self.audio = AudioContract.from_config(card["contract"])
        self.phones = tuple(card["acoustic_model"]["phones"])
        self.mean_pitch_hz = card["acoustic_model"]["mean_pitch_hz"]
        self.language = card["acoustic_model"]["language"]
        with _loading(path, "acoustic model") as interpreter:
            self._interpreter = interpreter()
            self._run = self._interpreter.get_signature_runner()

    def generate_function(self) -> Callable:
        """`generate` itself, as of an `AcousticModel`."""
        return self.generate

    def generate(
        self, phones: np.ndarray, rate: np.ndarray, pitch: np.ndarray
    ) -> dict[str, np.ndarray]:
        """As `AcousticModel.generate`, of one row of phones."""
        with hold_back_stderr():
            found = self._run(phones=phones, rate=rate, pitch=pitch)
        # LiteRT hands out its own memory, which the next call overwrites.
        return {name: np.array(found[name]) for name in _ACOUSTIC_OUTPUTS}
