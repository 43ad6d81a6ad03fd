"""The corpus card: what a prepared corpus is, in one JSON file."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import write_json
from pwavenet_tf.corpus.phones.phones import LANGUAGE

FILE_NAME = "corpus.json"
FORMAT = 2

Split = Literal["training", "validation"]
SPLITS: tuple[Split, ...] = ("training", "validation")


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording: its path within the corpus, and how long it is there."""

    file: str
    samples: int
    speaker: str | None = None


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A recording that was left out, and why."""

    file: str
    reason: str


@dataclasses.dataclass(frozen=True)
class CorpusCard:
    """The contents of a prepared corpus.

    The contract has its statistics. Shards are file names of TFRecords, in
    order. Phones have ids from 1 and speakers from 0; there are none without
    that input. `mean_pitch_hz` is the mean of F0 in the logarithm, None without
    pitch; `language` is the voice of espeak-ng that texts were read with.
    """

    preset: str
    contract: AudioContract
    training: tuple[Recording, ...]
    validation: tuple[Recording, ...]
    refused: tuple[Refusal, ...]
    training_shards: tuple[str, ...]
    validation_shards: tuple[str, ...]
    phones: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    mean_pitch_hz: float | None = None
    # Not in `repr`, by which runs recognise their data: older ones had none.
    language: str = dataclasses.field(default=LANGUAGE, repr=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the data hold of `Conditioning.inputs`."""
        held = {
            "mel": True,
            "linguistic": self.phones,
            "pitch": self.mean_pitch_hz,
            "speaker": self.speakers,
        }
        return tuple(name for name, there in held.items() if there)

    def recordings(self, split: Split) -> tuple[Recording, ...]:
        """The recordings of one split."""
        return getattr(self, split)

    def shards(self, split: Split) -> tuple[str, ...]:
        """The shards of one split."""
        return getattr(self, f"{split}_shards")

    def seconds(self, split: Split) -> float:
        """The duration of one split."""
        samples = sum(one.samples for one in self.recordings(split))
        return samples / self.contract.sample_rate

    def save(self, folder: Path) -> None:
        """Writes `corpus.json` into a folder.

        Raises:
            UserError: If it cannot be written.
        """
        seconds = {one: round(self.seconds(one), 3) for one in SPLITS}
        # The seconds are for the human reader; `load` computes them again.
        content = {"format": FORMAT, "seconds": seconds}
        write_json(Path(folder) / FILE_NAME, content | dataclasses.asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "CorpusCard":
        """Reads `corpus.json` from a folder.

        Raises:
            UserError: If it is missing, damaged or of another format.
        """
        path = Path(folder) / FILE_NAME
        content = _read_json(path)
        try:
            return cls(
                preset=content["preset"],
                contract=AudioContract(**content["contract"]),
                training=_each(Recording, content["training"]),
                validation=_each(Recording, content["validation"]),
                refused=_each(Refusal, content["refused"]),
                training_shards=tuple(content["training_shards"]),
                validation_shards=tuple(content["validation_shards"]),
                phones=tuple(content["phones"]),
                speakers=tuple(content["speakers"]),
                mean_pitch_hz=content["mean_pitch_hz"],
                language=content.get("language", LANGUAGE),
            )
        except (KeyError, TypeError, UserError) as error:
            raise UserError(
                f"{path}: is damaged ({type(error).__name__}: {error}); "
                "prepare the corpus again"
            ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read; name a folder that `pwavenet prepare` "
            "has written"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: is not a corpus card ({error})") from error
    if not isinstance(content, dict) or "format" not in content:
        raise UserError(f"{path}: is not a corpus card")
    if content["format"] != FORMAT:
        raise UserError(
            f"{path}: has format {content['format']!r} where this version "
            f"reads {FORMAT}; prepare the corpus again"
        )
    return content


def _each(kind: type, entries: list[dict[str, Any]]) -> tuple:
    return tuple(kind(**entry) for entry in entries)
