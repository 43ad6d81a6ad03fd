"""NSynth's notes (1704.01279, section 3): its two layouts on disk.

JSON/WAV: `examples.json`, which describes every note by its name, and
`audio/NAME.wav`. TFRecord: one `tf.train.Example` for each note, with the same
descriptions and the samples themselves.
"""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import HIGHEST_RATE, LOWEST_RATE, write_audio
from pwavenet_tf.core.errors import UserError, unreadable
from pwavenet_tf.core.files import atomic_write, require_free, write_json
from pwavenet_tf.core.progress import Bar

EXAMPLES = "examples.json"
AUDIO = "audio"
RECORDS = ".tfrecord"

# Names become files.
_NAME = re.compile(r"[\w-]+")
_AGAIN = "name a file or folder of NSynth as it was published"


@dataclasses.dataclass(frozen=True)
class Note:
    """A note of NSynth: pitch and velocity from 0 to 127, as in MIDI.

    The family is such as `brass` or `mallet`.
    """

    instrument_family_str: str
    pitch: int
    velocity: int

    def __post_init__(self) -> None:
        for name in ("pitch", "velocity"):
            number = getattr(self, name)
            if not isinstance(number, int) or not 0 <= number <= 127:
                raise ValueError(f"{name} is {number!r}, not from 0 to 127")
        if not isinstance(self.instrument_family_str, str):
            raise ValueError("instrument_family_str is no text")


def read_notes(path: Path) -> dict[str, Note]:
    """The notes of an `examples.json`, by name.

    Raises:
        UserError: If it cannot be read, or describes no notes.
    """
    fields = [field.name for field in dataclasses.fields(Note)]
    try:
        content = json.loads(path.read_text("utf-8"))
        return {
            name: Note(**{field: one[field] for field in fields})
            for name, one in content.items()
        }
    except OSError as error:
        raise unreadable(path, error) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: does not describe notes as NSynth does ({error}); "
            f"{_AGAIN}"
        ) from error


def write_notes(folder: Path, notes: dict[str, Note]) -> None:
    """Writes the `examples.json` of notes by name."""
    content = {name: dataclasses.asdict(note) for name, note in notes.items()}
    write_json(folder / EXAMPLES, content)


def unpacked(records: Path) -> Path:
    """The notes of a TFRecord file in the JSON/WAV layout, next to it.

    They are unpacked once, into a folder of the file's name without its suffix,
    which takes half of the file's room.

    Raises:
        UserError: If the file holds no notes of NSynth, or the folder can't be
            written.
    """
    folder = records.with_suffix("")
    if (folder / EXAMPLES).is_file():
        return folder
    require_free(folder)
    notes = {}
    with atomic_write(folder) as temporary:
        (temporary / AUDIO).mkdir(parents=True)
        for name, note, rate, audio in Bar(
            _examples(records), desc=f"unpack {records.name}", unit="note"
        ):
            write_audio(temporary / AUDIO / f"{name}.wav", audio, rate)
            notes[name] = note
        write_notes(temporary, notes)
    return folder


def _examples(records: Path):
    """Name, note, sample rate and audio of each record."""
    import tensorflow as tf

    number, text = (
        tf.io.FixedLenFeature((), kind) for kind in (tf.int64, tf.string)
    )
    features = {
        "note_str": text,
        "instrument_family_str": text,
        "pitch": number,
        "velocity": number,
        "sample_rate": number,
        "audio": tf.io.VarLenFeature(tf.float32),
    }
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(records)):
            yield _parsed(tf.io.parse_single_example(record, features))
            count += 1
    except (KeyError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0][:120]
        raise UserError(
            f"{records}: record {count + 1} holds no note of NSynth "
            f"({reason}); {_AGAIN}"
        ) from error
    if not count:
        raise UserError(f"{records}: holds no records; {_AGAIN}")


def _parsed(found: dict) -> tuple[str, Note, int, np.ndarray]:
    audio = found.pop("audio").values.numpy()
    one = {name: value.numpy() for name, value in found.items()}
    name = one["note_str"].decode()
    if not _NAME.fullmatch(name) or not np.isfinite(audio).all():
        raise ValueError("its name or its samples are invalid")
    if not LOWEST_RATE <= one["sample_rate"] <= HIGHEST_RATE:
        raise ValueError(f"its sample rate is {one['sample_rate']}")
    family = one["instrument_family_str"].decode()
    note = Note(family, int(one["pitch"]), int(one["velocity"]))
    return name, note, int(one["sample_rate"]), audio
