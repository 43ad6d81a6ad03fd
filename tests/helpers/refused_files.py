"""Files that are refused: archives made in a test, and the message."""

import zipfile
from pathlib import Path

import pytest

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.core.errors import UserError


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    """A zip archive of contents by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    """The message with which audio is refused: one line that names it."""
    with pytest.raises(UserError) as caught:
        read_audio(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message
