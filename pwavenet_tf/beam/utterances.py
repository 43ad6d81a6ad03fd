"""What a synthesis job is to speak, and where the sound goes."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pwavenet_tf.corpus.audio import SUFFIXES
from pwavenet_tf.corpus.layouts import MANIFEST
from pwavenet_tf.corpus.manifest import is_manifest, read_manifest
from pwavenet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Utterance:
    """An input and its sound file.

    Attributes:
        path: A recording, or an `.npy` or `.npz` file.
        name: Its path within the folder or the manifest, with `/`.
        sound: Where the sound goes.
    """

    path: Path
    name: str
    sound: Path

    @property
    def line(self) -> str:
        """As text of one line, in ASCII."""
        return json.dumps([str(self.path), self.name, str(self.sound)])

    @classmethod
    def read(cls, line: str) -> "Utterance":
        """What `line` stands for."""
        path, name, sound = json.loads(line)
        return cls(Path(path), name, Path(sound))


def find_manifest(place: Path) -> Path | None:
    """The CSV manifest that a place is, or that is in it; None without one."""
    manifest = place if is_manifest(place) else place / MANIFEST
    return manifest if manifest.is_file() else None


def find_utterances(place: Path, out: Path) -> tuple[Path, list[Utterance]]:
    """Finds what is to be spoken.

    Args:
        place: A folder, searched recursively without what is hidden, or a CSV
            manifest, which may also be `manifest.csv` in the folder.
        out: Folder for the sound.

    Returns:
        What names are relative to; and the utterances, sorted by name.

    Raises:
        UserError: If there are none, if two would give one sound file, or if
            the sound would lie among them.
    """
    # Late, because it loads TensorFlow.
    from pwavenet_tf.speaking import nothing_to_speak, same_sound

    if manifest := find_manifest(place):
        folder = manifest.parent
        names = [row.path for row in read_manifest(manifest)]
    elif place.is_dir():
        folder, names = place, list(_names(place))
    else:
        raise UserError(
            f"{place}: is neither a folder nor a CSV manifest; a single file "
            "is spoken by pwavenet synthesize"
        )
    if not names:
        raise nothing_to_speak(place)
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"--out={out} lies within {folder}, where its sound would be "
            "taken for recordings; give another folder"
        )
    by_sound: dict[Path, str] = {}
    for name in sorted(names):
        sound = out / _sound(name)
        if (other := by_sound.setdefault(sound, name)) != name:
            raise same_sound(other, name, sound)
    return folder, [
        Utterance(folder / name, name, sound)
        for sound, name in by_sound.items()
    ]


def _names(folder: Path) -> Iterator[str]:
    from pwavenet_tf.speaking import ARRAY_SUFFIXES

    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if (
            path.suffix.lower() in (*SUFFIXES, *ARRAY_SUFFIXES)
            and not hidden
            and path.is_file()
        ):
            yield name.as_posix()


def _sound(name: str) -> PurePosixPath:
    # A manifest may name files anywhere; their sound stays in one folder.
    path = PurePosixPath(name)
    inside = [part for part in path.parts if part not in ("..", path.anchor)]
    return PurePosixPath(*inside).with_suffix(".wav")
