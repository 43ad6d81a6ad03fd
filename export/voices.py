"""Who speaks, from a file of any kind that holds a voice."""

from pathlib import Path

from pwavenet_tf.models import load_model
from pwavenet_tf.speaking import voice_of
from pwavenet_tf.streaming import StreamedVoice


def load_voice(path: Path) -> StreamedVoice:
    """The voice in a `.keras`, a `.tflite` or an `.onnx`.

    Raises:
        UserError: If the file is missing, damaged, of another version, or
            holds no voice.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".tflite":
        from pwavenet_tf.export.lite.voice import LiteVoice

        return LiteVoice(path)
    if suffix == ".onnx":
        from pwavenet_tf.export.onnx import OnnxVoice

        return OnnxVoice(path)
    return voice_of(load_model(path))
