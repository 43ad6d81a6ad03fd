"""Utterances as TFRecord shards."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.core.config import ARRAY_WIDTHS, INPUT_ARRAYS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import CorpusCard, Split

if TYPE_CHECKING:
    import tensorflow as tf

UTTERANCES_PER_SHARD = 64


class ShardWriter:
    """Writes utterances, one after the other, into numbered shards.

    Used as a context; `finish` gives the shards their final names.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        self._folder = folder
        self._split = split
        self._writer = None
        self._shards = 0
        self._utterances = 0

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        # Open only if the block raised, and that error is the one to report.
        with contextlib.suppress(OSError), _as_os_error():
            self._close()

    def write(
        self, name: str, pcm: np.ndarray, features: dict[str, np.ndarray]
    ) -> None:
        """Writes one utterance: PCM int16 `(time,)` and features as `parse`'s.

        Raises:
            OSError: If there is no room.
        """
        import tensorflow as tf

        with _as_os_error():
            if self._utterances % UTTERANCES_PER_SHARD == 0:
                self._close()
                path = str(self._path(self._shards))
                self._writer = tf.io.TFRecordWriter(path)
                self._shards += 1
            self._writer.write(_example(name, pcm, features))
        self._utterances += 1

    def finish(self) -> tuple[str, ...]:
        """Closes the last shard and returns the file names of all.

        Raises:
            OSError: If there is no room.
        """
        with _as_os_error():
            self._close()
        names = tuple(
            f"{self._split}-{shard:05d}-of-{self._shards:05d}.tfrecord"
            for shard in range(self._shards)
        )
        for shard, name in enumerate(names):
            self._path(shard).rename(self._folder / name)
        return names

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer:
            writer.close()

    def _path(self, shard: int) -> Path:
        return self._folder / f"{self._split}-{shard:05d}.tfrecord"


def parse(
    serialised: "tf.Tensor", card: CorpusCard
) -> tuple["tf.Tensor", "tf.Tensor", dict[str, "tf.Tensor"]]:
    """Reads one utterance from a record, a scalar string, in a graph.

    Returns:
        Its name, scalar string; its PCM, int16 `(time,)`; and its features as
        they were written: `mel`, float32 `(frames, mels)`, and, if the corpus
        holds them, `phones`, int32 `(frames, 3)`, `timing` and `pitch`,
        float32 `(frames, 2)`, and `speaker`, int32 scalar.
    """
    import tensorflow as tf

    held = [key for name in card.inputs for key in INPUT_ARRAYS[name]]
    widths = ARRAY_WIDTHS | {"mel": card.contract.mels}
    text = tf.io.FixedLenFeature((), tf.string)
    record = tf.io.parse_single_example(
        serialised, dict.fromkeys(("name", "levels", *held), text)
    )
    features = {}
    for key in held:
        kind = tf.int32 if key in ("phones", "speaker") else tf.float32
        value = tf.io.decode_raw(record[key], kind)
        shape = () if key == "speaker" else (-1, widths[key])
        features[key] = tf.reshape(value, shape)
    pcm = tf.io.decode_raw(record["levels"], tf.int16)
    return record["name"], pcm, features


def count_records(shard: Path) -> int:
    """How many records there are, by their lengths alone.

    Raises:
        UserError: If the file is missing or cut off.
    """
    place = count = 0
    try:
        with shard.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while place < size:
                file.seek(place)
                # Its length and a checksum, the record, another checksum.
                place += 12 + int.from_bytes(file.read(8), "little") + 4
                count += 1
    except FileNotFoundError as error:
        raise UserError(
            f"{shard}: is missing; prepare the corpus again"
        ) from error
    if place != size:
        raise UserError(f"{shard}: is damaged; prepare the corpus again")
    return count


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _example(
    name: str, pcm: np.ndarray, features: dict[str, np.ndarray]
) -> bytes:
    import tensorflow as tf

    # Little endian, as tf.io.decode_raw expects it by default.
    contents = {
        "name": name.encode("utf-8", "surrogateescape"),
        "levels": pcm.astype("<i2").tobytes(),
    } | {
        key: value.astype("<i4" if value.dtype.kind == "i" else "<f4").tobytes()
        for key, value in features.items()
    }
    features = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in contents.items()
    }
    # Deterministic, or else the order of the features differs between runs.
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString(deterministic=True)
