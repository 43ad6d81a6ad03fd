"""The voices that come with the package: models, and a card on each.

A voice is a folder here: `student.keras`, the `teacher.keras` that it was
distilled from, `acoustic.keras`, which makes its features of a text,
`card.json`, and `sample.flac`, a sentence that the student synthesised.
"""

import json
from pathlib import Path

from pwavenet_tf.core.errors import UserError

FOLDER = Path(__file__).parent
_CARD = "card.json"
ACOUSTIC_MODEL = "acoustic.keras"
LITE = ".tflite"
_KINDS = ("student", "teacher")


def voice_names() -> list[str]:
    """The names of the voices that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{_CARD}"))


def voice_file(name: str) -> Path:
    """The `.keras` file of a voice.

    Args:
        name: `NAME` for its student, `NAME/teacher` for its teacher.

    Raises:
        UserError: If there is no such voice.
    """
    voice, _, kind = name.partition("/")
    kind = kind or "student"
    if voice not in voice_names():
        raise UserError(
            f"no voice is named {voice!r}; there are "
            f"{', '.join(voice_names())} (pwavenet voices lists them)"
        )
    if kind not in _KINDS:
        raise UserError(
            f"voice {name!r}: a voice has a student and a teacher; give "
            f"{voice} or {voice}/teacher"
        )
    return FOLDER / voice / f"{kind}.keras"


def acoustic_beside(vocoder: Path) -> Path | None:
    """The acoustic model that lies beside a vocoder's file, if one does.

    Beside a `.tflite` an `acoustic.tflite` comes first.
    """
    keras = vocoder.with_name(ACOUSTIC_MODEL)
    lite = keras.with_suffix(LITE)
    paths = [lite, keras] if vocoder.suffix.lower() == LITE else [keras]
    return next((path for path in paths if path.exists()), None)


def voice_card(name: str) -> dict:
    """What is known of a voice: data, licence, training, measures, limits.

    Raises:
        UserError: If there is no such voice.
    """
    path = voice_file(name).with_name(_CARD)
    return json.loads(path.read_text("utf-8"))


def voice_sample(name: str) -> Path:
    """A sentence that the voice synthesised, a FLAC file.

    Raises:
        UserError: If there is no such voice.
    """
    return voice_file(name).with_name("sample.flac")
