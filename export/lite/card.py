"""The card of a .tflite, in its metadata; no TensorFlow is needed."""

import json
from pathlib import Path

from pwavenet_tf.core.checksum import require_intact, require_kept
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.card_format import require_format

# Number formats of a .tflite.
VARIANTS = ("float32", "float16", "int8-dynamic", "int8")
# Of a block, whose activations are all in memory at once.
MOST_FRAMES = 1_000

_NAME = b"pwavenet_tf"
_IDENTIFIER = b"TFL3"
_ADVICE = "name a .tflite that `pwavenet export --format=tflite` wrote"
_AGAIN = "export the student again"


def with_card(content: bytes, card: dict) -> bytes:
    """The content of a .tflite with a card, which is ready for JSON."""
    import flatbuffers
    import numpy as np

    schema = _schema()
    model = schema.ModelT.InitFromPackedBuf(content)
    buffer = schema.BufferT()
    text = json.dumps(card)
    buffer.data = np.frombuffer(text.encode("ascii"), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content) + len(text) + 1_024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def read_card(path: Path) -> dict:
    """The card of a .tflite, which must be an intact export of this format."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); {_ADVICE}"
        ) from error
    if content[4:8] != _IDENTIFIER:
        raise UserError(f"{path}: is not a .tflite file; {_ADVICE}")
    found = require_intact(Path(path), _AGAIN)
    # A damaged flatbuffer may contain any offsets and any text.
    try:
        card = json.loads(_text(content))
    except Exception as error:
        raise UserError(
            f"{path}: is damaged, or not our export; {_ADVICE}"
        ) from error
    require_format(card, str(path))
    require_kept(found, card, Path(path), _AGAIN)
    return card


def _text(content: bytes) -> bytes:
    model = _schema().Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == _NAME:
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    raise LookupError("it has no such metadata")


def _schema():
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise UserError(
            "a .tflite needs ai-edge-litert, which is not installed; "
            "pip install 'pwavenet_tf[tflite]'"
        ) from error
    return schema_py_generated
