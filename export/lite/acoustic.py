"""The acoustic model as a .tflite: with a student's, texts on a phone."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.checksum import STATED, append_checksum
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.export.card_format import FORMAT
from pwavenet_tf.export.lite.card import with_card
from pwavenet_tf.export.lite.voice import LiteAcousticModel
from pwavenet_tf.export.tflite import converted
from pwavenet_tf.models.acoustic_model import AcousticModel

_TOLERANCE = 1e-4
# What a comparison is made on: more phones than the encoder sees at once.
_COMPARED_PHONES = 40


def export_acoustic_tflite(model: AcousticModel, out: Path) -> float:
    """Writes a .tflite that turns phones into a vocoder's features.

    Its only signature, `speak`, takes `phones` int32 `(1, phones)`, to be
    resized to the sentence, `rate` and `pitch` float32 `(1,)`; it returns
    `mel` `(1, frames, mels)`, `pitch` `(1, frames, 2)`, ln F0 in Hz and
    voicing, and `durations` `(1, phones)`, frames. It has only built-in
    operations. Its metadata `pwavenet_tf` is a JSON card: `format`, the
    `contract`, and of the `acoustic_model` the `phones`, the `language` of
    espeak-ng and `mean_pitch_hz`.

    The file is compared with the model before it is moved to its place.

    Args:
        model: The trained acoustic model.
        out: The file.

    Returns:
        The largest difference of the mel spectrogram, normalised.

    Raises:
        UserError: If the file can't be written or differs from the model;
            then no file is left.
    """
    specs = {
        "phones": tf.TensorSpec((1, None), tf.int32, "phones"),
        "rate": tf.TensorSpec((1,), tf.float32, "rate"),
        "pitch": tf.TensorSpec((1,), tf.float32, "pitch"),
    }
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    function = tf.function(model.generate, autograph=False)
    content = converted(module, function, specs, "float32")
    card = {
        "format": FORMAT,
        "contract": dataclasses.asdict(model.audio),
        "acoustic_model": {
            "phones": list(model.phones),
            "language": model.language,
            "mean_pitch_hz": model.mean_pitch_hz,
        },
    }
    with atomic_write(out) as temporary:
        temporary.write_bytes(with_card(content, card))
        difference = _difference(model, LiteAcousticModel(temporary))
        if not difference <= _TOLERANCE:
            raise UserError(
                f"{out}: the .tflite differs from the acoustic model by "
                f"{difference:.1e} (more than {_TOLERANCE}); is the model "
                "trained and healthy?"
            )
        temporary.write_bytes(with_card(content, card | STATED))
        append_checksum(temporary)
    return difference


def _difference(model: AcousticModel, lite: LiteAcousticModel) -> float:
    known = len(model.phones)
    ids = (np.arange(_COMPARED_PHONES) % known + 1).astype(np.int32)[None]
    factors = np.array([1.25], np.float32), np.array([0.8], np.float32)
    expected, found = (x.generate(ids, *factors) for x in (model, lite))
    if not np.array_equal(expected["durations"], found["durations"]):
        return float("inf")
    # Unlike max, it propagates NaN.
    return float(np.max(np.abs(expected["mel"] - found["mel"])))
