"""A synthesizer from a file of any kind, or from a voice of the package.

TensorFlow is imported for a `.keras` and for an `.onnx`, not for a `.tflite`.
"""

from pathlib import Path

from pwavenet_tf.synthesis.speech import Speaker
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer
from pwavenet_tf.voices import LITE, acoustic_beside, voice_file, voice_names


def load_voice(source: str | Path) -> StreamingSynthesizer:
    """The synthesizer of a voice or of a model's file.

    It speaks texts too if the voice comes with an acoustic model, or if there
    is an `acoustic.keras` beside the file, or an `acoustic.tflite` beside a
    `.tflite`.

    Args:
        source: The name of a voice that comes with the package, such as
            `kathleen` (its student) or `kathleen/teacher`; or a file: a
            `.keras`, a `.tflite` or an `.onnx`.

    Raises:
        UserError: If the file is missing, damaged, of another version, or
            holds no voice.

    Example:
        audio = load_voice("kathleen").say("Good morning.")
    """
    known = str(source).partition("/")[0] in voice_names()
    path = voice_file(str(source)) if known else Path(source)
    synthesizer = _synthesizer(path)
    if (acoustic_model := acoustic_beside(path)) is not None:
        synthesizer.speaker = Speaker(
            acoustic_model, synthesizer, load_acoustic
        )
    return synthesizer


def load_acoustic(path: str | Path):
    """An acoustic model from its file, a `.keras` or a `.tflite`."""
    path = Path(path)
    if path.suffix.lower() == LITE:
        from pwavenet_tf.export.lite.voice import LiteAcousticModel

        return LiteAcousticModel(path)
    from pwavenet_tf.models.loading import load_acoustic_model

    return load_acoustic_model(path)


def _synthesizer(path: Path) -> StreamingSynthesizer:
    suffix = path.suffix.lower()
    if suffix == LITE:
        from pwavenet_tf.export.lite.voice import LiteVoice

        return LiteVoice(path)
    if suffix == ".onnx":
        from pwavenet_tf.export.onnx import OnnxVoice

        return OnnxVoice(path)
    from pwavenet_tf.models.loading import load_model
    from pwavenet_tf.synthesis.student import synthesizer_of

    return synthesizer_of(load_model(path))
