"""Writes a prepared corpus as NumPy files, for where TensorFlow is absent."""

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pwavenet_tf.corpus.card import CorpusCard, Split
from pwavenet_tf.corpus.compact import FILTERBANK, LEVELS, FlacWriter
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.features import mel_filterbank
from pwavenet_tf.corpus.numpy_clips import arrays_of
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside

SPLITS: tuple[Split, ...] = ("training", "validation")

# Of each recording in the corpus card.
_CARD_BYTES = 200
# What a FLAC writer may hold back of what it was given.
_HELD_BACK_BYTES = 32_768


def export_numpy(corpus: Corpus, out: Path) -> None:
    """Writes a folder that `NumpyCorpus` reads.

    It holds the corpus card and, for each split, the recordings joined end to
    end: `lengths.npy`, int64 `(recordings,)`, each one's samples;
    `levels.npy`, int16 `(samples,)`; and the features as models read them,
    `mel.npy`, float32 `(frames, mels)`, and what else the corpus holds.

    Args:
        corpus: The prepared corpus.
        out: The folder, which must not hold anything yet.

    Raises:
        UserError: If `out` holds something or cannot be written.
    """
    require_free(Path(out))
    with written_aside(out) as folder:
        folder.mkdir()
        corpus.card.save(folder)
        for split in SPLITS:
            (folder / split).mkdir()
            _write(corpus, split, folder / split)


def export_compact(
    corpus: Corpus, out: Path, megabytes: float | None = None
) -> CorpusCard:
    """Writes a folder that `NumpyCorpus` reads too, a fourth as large.

    In place of `levels.npy` it has `levels.flac`, without loss, and in place
    of `mel.npy` the mel filter bank, by which the spectrograms are computed
    when the corpus is read.

    Args:
        corpus: The prepared corpus.
        out: The folder, which must not hold anything yet.
        megabytes: The folder's largest size, in millions of bytes: then as
            many recordings of each split as fit, chosen at random when the
            corpus was prepared. All of them, if left out.

    Returns:
        The card of what was written.

    Raises:
        UserError: If `out` holds something or cannot be written, or if not
            even one recording of each split fits.
    """
    require_free(Path(out))
    card = corpus.card
    total, held_out = (
        sum(one.samples for one in recordings)
        for recordings in (card.training + card.validation, card.validation)
    )
    with written_aside(out) as folder:
        folder.mkdir()
        bank = mel_filterbank(corpus.contract)
        np.savez_compressed(folder / FILTERBANK, filterbank=bank)
        left = math.inf if megabytes is None else megabytes * 1e6
        left -= (folder / FILTERBANK).stat().st_size
        kept = {}
        for split, share in (("validation", held_out / total), ("training", 1)):
            (folder / split).mkdir()
            names, size = _write_compact(
                corpus, split, folder / split, share * left
            )
            left -= size
            kept[split] = tuple(
                one for one in card.recordings(split) if one.file in names
            )
        if left < 0:
            raise UserError(
                f"not even two recordings fit into {megabytes:g} megabytes; "
                "allow more"
            )
        card = dataclasses.replace(card, **kept)
        card.save(folder)
    return card


def _write_compact(
    corpus: Corpus, split: Split, folder: Path, limit: float
) -> tuple[set[str], int]:
    """Writes the first recordings, at least one.

    Args:
        corpus: The prepared corpus.
        split: Which of its splits.
        folder: The split's folder.
        limit: Bytes that the folder may come to.

    Returns:
        The names of the recordings that were written, and the bytes.
    """
    kinds = arrays_of(corpus.card, split)
    arrays = {key: [] for key in kinds if key not in ("levels", "mel")}
    names, added = set(), 0
    writer = FlacWriter(folder / LEVELS, corpus.contract.sample_rate)
    try:
        for name, audio, features in _shown(corpus, split):
            held = {"lengths": len(audio)} | features
            values = {
                key: np.asarray(held[key], kinds[key][0]) for key in arrays
            }
            own = sum(value.nbytes for value in values.values()) + _CARD_BYTES
            written = writer.bytes + _HELD_BACK_BYTES
            # As FLAC its samples are smaller than that.
            largest = written + 2 * len(audio) + added + own
            if names and largest > limit:
                break
            # Exact: the audio is its own levels.
            writer.write((audio * 32768).astype(np.int16))
            names.add(name)
            added += own
            for key, value in values.items():
                arrays[key].append(value)
    finally:
        writer.close()
    for key, values in arrays.items():
        joined = np.concatenate if values[0].ndim else np.array
        np.save(folder / f"{key}.npy", joined(values))
    written = sum(one.stat().st_size for one in folder.iterdir())
    return names, written + _CARD_BYTES * len(names)


def _write(corpus: Corpus, split: Split, folder: Path) -> None:
    arrays = arrays_of(corpus.card, split)
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / f"{name}.npy").open("wb"))
            for name in arrays
        }
        for name, (kind, shape) in arrays.items():
            _begin(files[name], kind, shape)
        for _, audio, features in _shown(corpus, split):
            # Exact: the audio is its own levels.
            levels = audio * 32768
            held = {"lengths": len(audio), "levels": levels} | features
            for name, value in held.items():
                kind, _ = arrays[name]
                files[name].write(np.asarray(value, kind).tobytes())


def _shown(corpus: Corpus, split: Split):
    """The recordings of a split, with a progress bar."""
    from tqdm import tqdm

    return tqdm(
        corpus.utterances(split),
        desc=f"export {split}",
        total=len(corpus.card.recordings(split)),
        unit="file",
        disable=None,
    )


def _begin(file: BinaryIO, kind: str, shape: tuple) -> None:
    """Writes the header; not a memory map, which a full disk kills."""
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
