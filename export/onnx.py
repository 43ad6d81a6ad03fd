"""The student as an ONNX file, for other runtimes than TensorFlow's."""

import importlib
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.core import checksum
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.imports import hold_back_stderr
from pwavenet_tf.export.card import model_card
from pwavenet_tf.export.card_format import require_format
from pwavenet_tf.export.file_voice import STATE, FileVoice
from pwavenet_tf.export.graphs.block import BlockGraph
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

_OPSET = 18
_KEY = "pwavenet_tf"
_AGAIN = "export the student again"
_TOLERANCE = 1e-4


class OnnxVoice(FileVoice):
    """A synthesizer from an ONNX file, run by onnxruntime.

    Args:
        path: The file that `export_onnx` wrote.
        threads: Of the runtime; its own default if 0.

    Raises:
        UserError: If the file is missing, damaged, or not one of ours.
    """

    chunk_frames = 160
    whole_blocks = False

    def __init__(self, path: Path, threads: int = 0) -> None:
        runtime, path = _package("onnxruntime"), Path(path)
        found = path.is_file() and checksum.require_intact(path, _AGAIN)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            card = json.loads(metadata[_KEY])
        # onnxruntime has exceptions of its own for every fault of a file.
        except Exception as error:
            raise UserError(
                f"{path}: is missing, damaged or not our export; name an "
                ".onnx file that `pwavenet export --format=onnx` wrote"
            ) from error
        require_format(card, str(path))
        checksum.require_kept(found, card, path, _AGAIN)
        super().__init__(card)
        self._reads = [one.name for one in self._session.get_inputs()]

    def run(self, inputs: dict) -> tuple[np.ndarray, dict]:
        audio, *following = self._session.run(
            ["audio", *map(_next, STATE)],
            {name: inputs[name] for name in self._reads},
        )
        return audio, dict(zip(STATE, following, strict=True))


def _next(name: str) -> str:
    """The output that is the next block's state.

    An ONNX graph may not name an output as an input.
    """
    return name.replace("state_", "next_")


def export_onnx(student: ParallelWaveNet, out: Path) -> float:
    """Writes an ONNX file that synthesizes a block of frames at a time.

    Any batch and any number of frames. Its inputs are the features of the
    block and of `look_ahead_frames` frames on either side, whichever the
    student reads (integers int32); `noise`, float32 `(batch, frames * hop
    length)`, standard noise times the temperature; `state_past` and
    `state_newest`, zeros at the beginning. Its outputs are `audio`, as long
    as the noise, in [-1, 1), and the states for the next block, `next_past`
    and `next_newest`. The metadata `pwavenet_tf` is the card as JSON.

    Before it is moved to its place it is run by onnxruntime and compared with
    the student.

    Args:
        student: The student.
        out: The file.

    Returns:
        The largest difference of its audio from the student's.

    Raises:
        UserError: If a package is missing, the file can't be written, or its
            audio differs from the student's.
    """
    onnx, tf2onnx = _package("onnx"), _package("tf2onnx")
    _package("onnxruntime")
    synthesizer = Synthesizer(in_precision(student, "float32"))
    graph = BlockGraph(synthesizer.student, None, None)

    @tf.function(input_signature=list(graph.specs.values()), autograph=False)
    def synthesize(*inputs):
        given = dict(zip(graph.specs, inputs, strict=True))
        outputs = graph.synthesize(**given)
        return {_next(name): x for name, x in outputs.items()}

    with atomic_write(out) as temporary:
        with hold_back_stderr():
            model, _ = tf2onnx.convert.from_function(
                synthesize,
                input_signature=synthesize.input_signature,
                opset=_OPSET,
            )
        onnx.helper.set_model_props(
            model, {_KEY: json.dumps(model_card(synthesizer) | checksum.STATED)}
        )
        onnx.save(model, temporary)
        checksum.append_checksum(temporary)
        difference = _difference(synthesizer, OnnxVoice(temporary))
        if not difference <= _TOLERANCE:
            raise UserError(
                f"not exported: the ONNX graph differs from the student by "
                f"{difference:.1e} (more than {_TOLERANCE}); is the student's "
                "training finished and healthy?"
            )
    return difference


def _difference(synthesizer: Synthesizer, other: OnnxVoice) -> float:
    """On two rows, in blocks that depend on each other."""
    contract, conditioning = synthesizer.contract, synthesizer.conditioning
    past = contract.frames(synthesizer.student.receptive_field)
    features = random_features(contract, conditioning, 2, 2 * past + 1)
    other.chunk_frames = past
    return float(np.abs(synthesizer(features, 7) - other(features, 7)).max())


def _package(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"an ONNX file needs {name}, which is not installed; "
            "pip install 'pwavenet_tf[onnx]'"
        ) from error
