"""The student as a SavedModel that runs without this package."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.synthesis import Synthesizer

_TOLERANCE = 1e-5
_VERSION = "1"


def export_saved_model(student: ParallelWaveNet, out: Path) -> Path:
    """Writes `out/1`, in the layout that TensorFlow Serving watches.

    Its signature `serving_default` takes `mel`, float32 `(batch, frames,
    mels)`, normalised by the contract, any batch and length; `seed`, int64
    scalar; `temperature`, float32 scalar. It returns `audio`, float32
    `(batch, frames * hop length)` in [-1, 1). Long input is computed in
    chunks: memory grows only with the audio itself. The contract lies beside
    the graph, in `assets.extra/contract.json`.

    Before it is put in place it is loaded and compared with the student.

    Args:
        student: The trained student.
        out: Folder of the versions.

    Returns:
        The folder of the version.

    Raises:
        UserError: If the version is there already or can't be written, or
            the student is told anything but a mel spectrogram.
    """
    if student.conditioning.inputs != ("mel",):
        raise UserError(
            "this student is told "
            f"{', '.join(student.conditioning.inputs) or 'nothing'}; a "
            "SavedModel is made of students that are told the mel "
            "spectrogram alone"
        )
    version = Path(out) / _VERSION
    require_free(version)
    synthesizer = Synthesizer(student)
    with written_aside(version) as aside:
        archive = keras.export.ExportArchive()
        archive.track(student)
        archive.add_endpoint(
            "serving_default",
            _signature(synthesizer),
            input_signature=[
                tf.TensorSpec((None, None, student.audio.mels), name="mel"),
                tf.TensorSpec((), tf.int64, name="seed"),
                tf.TensorSpec((), name="temperature"),
            ],
        )
        archive.write_out(str(aside), verbose=False)
        extra = aside / "assets.extra"
        extra.mkdir()
        contract = json.dumps(dataclasses.asdict(student.audio), indent=1)
        (extra / "contract.json").write_text(contract + "\n", "ascii")
        _require_equal_sound(synthesizer, aside)
    return version


def _signature(synthesizer: Synthesizer):
    def synthesize(mel, seed, temperature):
        audio = synthesizer.graph_synthesis(mel, seed, temperature)
        return {"audio": audio}

    return synthesize


def _require_equal_sound(synthesizer: Synthesizer, folder: Path) -> None:
    contract = synthesizer.student.audio
    frames = synthesizer.windows.length + 1
    random = np.random.default_rng(0)
    mel = random.standard_normal((2, frames, contract.mels), np.float32)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    audio = served(
        mel=tf.constant(mel),
        seed=tf.constant(7, tf.int64),
        temperature=tf.constant(1.0),
    )["audio"]
    difference = np.abs(audio.numpy() - synthesizer(mel, seed=7)).max()
    if not difference <= _TOLERANCE:
        raise UserError(
            f"{folder.name}: the exported graph differs from the student by "
            f"{difference:.1e} (more than {_TOLERANCE}); is the student's "
            "training finished and sound?"
        )
