"""Writes a prepared corpus as NumPy files, for where TensorFlow is absent."""

import contextlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pwavenet_tf.corpus.card import Split
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.numpy_clips import arrays_of
from pwavenet_tf.files import require_free, written_aside

SPLITS: tuple[Split, ...] = ("training", "validation")


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


def _write(corpus: Corpus, split: Split, folder: Path) -> None:
    from tqdm import tqdm

    arrays = arrays_of(corpus.card, split)
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / f"{name}.npy").open("wb"))
            for name in arrays
        }
        for name, (kind, shape) in arrays.items():
            _begin(files[name], kind, shape)
        for _, audio, features in tqdm(
            corpus.utterances(split),
            desc=f"export {split}",
            total=len(corpus.card.recordings(split)),
            unit="file",
            disable=None,
        ):
            # Exact: the audio is its own levels.
            levels = audio * 32768
            held = {"lengths": len(audio), "levels": levels} | features
            for name, value in held.items():
                kind, _ = arrays[name]
                files[name].write(np.asarray(value, kind).tobytes())


def _begin(file: BinaryIO, kind: str, shape: tuple) -> None:
    """Writes the header; not a memory map, which a full disk kills."""
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
