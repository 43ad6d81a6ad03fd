"""A prepared corpus as NumPy files, and clips from it, without TensorFlow."""

import contextlib
import dataclasses
import functools
import math
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.audio.mel import mel_filterbank
from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import ARRAY_WIDTHS, INPUT_ARRAYS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.sizes import require_whole_array
from pwavenet_tf.corpus.card import SPLITS, CorpusCard, Split
from pwavenet_tf.corpus.clips import ClipSource, Window, cut_joined
from pwavenet_tf.corpus.compact import (
    FILTERBANK,
    LEVELS,
    exported,
    flac_writer,
    unpacked,
)
from pwavenet_tf.corpus.dataset import Corpus

# Of each recording in the corpus card.
_CARD_BYTES = 200
# What a FLAC writer may hold back of what it was given.
_HELD_BACK_BYTES = 32_768


class NumpyCorpus(ClipSource):
    """A corpus that `pwavenet export-corpus` has written; see `Corpus`.

    Its clips are those of `Corpus`, as NumPy arrays: the validation clips are
    the same ones (but for what fills up the last batch and does not count),
    the training clips begin at other places and come in another order. The
    files are read as they are needed; those of a compact corpus are unpacked
    into memory, and its mel spectrograms computed, at once.

    Raises:
        UserError: If `folder` is not such a corpus, or lacks a file.
    """

    def __init__(self, folder: Path) -> None:
        self.card = CorpusCard.load(Path(folder))
        self._recordings = {
            split: joined_recordings(Path(folder), split, self.card)
            for split in SPLITS
        }

    def _training_clips(
        self, window: Window, batch_size: int, seed: int, first_batch: int
    ) -> keras.utils.PyDataset:
        # Each pass takes the clips of all recordings in a new order.
        recordings = self._recordings["training"]
        return _TrainingClips(recordings, window, batch_size, seed, first_batch)

    def _validation_clips(
        self, window: Window, batch_size: int
    ) -> keras.utils.PyDataset:
        recordings = self._recordings["validation"]
        return _ValidationClips(recordings, window, batch_size)


def arrays_of(card: CorpusCard, split: Split) -> dict[str, tuple[str, tuple]]:
    """Type and shape of each array of a split, by the name of its file."""
    lengths = [one.samples for one in card.recordings(split)]
    frames = sum(map(card.contract.frames, lengths))
    widths = ARRAY_WIDTHS | {"mel": card.contract.mels}
    arrays = {
        "lengths": ("<i8", (len(lengths),)),
        "levels": ("<i2", (sum(lengths),)),
    }
    for key in (k for one in card.inputs for k in INPUT_ARRAYS[one]):
        kind = "<i4" if key in ("phones", "speaker") else "<f4"
        is_frames = key in widths
        shape = (frames, widths[key]) if is_frames else (len(lengths),)
        arrays[key] = (kind, shape)
    return arrays


def joined_recordings(folder: Path, split: Split, card: CorpusCard) -> dict:
    """The recordings of one split, joined end to end in mapped files.

    They are `levels`, PCM int16 `(samples,)`; `features`, a dict of `(frames,
    channels)` or `(recordings,)`; of each recording, `(recordings,)`, its
    `lengths` in samples, its `frames`, and its `first_sample` and
    `first_frame` among all.
    """
    expected = arrays_of(card, split)
    packed = ("levels", "mel") if (folder / FILTERBANK).exists() else ()
    features = {
        name: _mapped(folder / split / f"{name}.npy", *expected[name])
        for name in expected
        if name not in packed
    }
    lengths = features.pop("lengths")
    if packed:
        files = (folder / split / LEVELS, folder / FILTERBANK)
        features |= unpacked(*files, lengths, card.contract)
    frames = -(-lengths // card.contract.hop_length)
    first_frame = np.cumsum(frames) - frames
    if "pitch" in features:
        pitch = relative_pitch(features["pitch"], 1.0 / card.mean_pitch_hz)
        features["sinusoids"] = np.concatenate(
            [
                sinusoid_track(each, card.contract)
                for each in np.split(pitch, first_frame[1:])
            ]
        )
    return {
        "levels": features.pop("levels"),
        "features": features,
        "lengths": lengths,
        "frames": frames,
        "first_sample": np.cumsum(lengths) - lengths,
        "first_frame": first_frame,
    }


class _Clips(keras.utils.PyDataset):
    """Batches by number, of clips that `place` finds by number."""

    def __init__(
        self, recordings: dict, window: Window, batch_size: int
    ) -> None:
        super().__init__()
        self.recordings = recordings
        self.window = window
        self.batch_size = batch_size
        # Of each recording, and of all before it.
        self._clips = window.clips(recordings["frames"])
        self._clips_before = np.cumsum(self._clips) - self._clips

    def __getitem__(self, index: int) -> tuple:
        place = self.places(index * self.batch_size, self.batch_size)
        return cut_joined(self.recordings, self.window, place, np)

    def places(self, first: int, count: int) -> np.ndarray:
        """Where so many clips are, from clip number `first` on.

        int32 `(count, 2)`: the recording, and the frame from which on the clip
        is in the loss.
        """
        found = [self.place(number) for number in range(first, first + count)]
        return np.array(found, np.int32)

    def in_order(self, number: int) -> tuple[int, int]:
        """The recording that holds a clip, and which of its clips it is."""
        last = np.searchsorted(self._clips_before, number, "right") - 1
        return int(last), int(number - self._clips_before[last])


class _TrainingClips(_Clips):
    def __init__(
        self, recordings, window, batch_size, seed: int, first_batch: int
    ) -> None:
        super().__init__(recordings, window, batch_size)
        self._first_clip = first_batch * batch_size
        # NumPy's seeds are not negative.
        self._seed = seed % 2**64
        self._shuffled = functools.lru_cache(maxsize=2)(self._shuffled)

    @property
    def num_batches(self) -> None:
        """Without end."""
        return None

    def place(self, number: int) -> tuple[int, int]:
        """The recording, and the first frame of the clip in the loss."""
        total = int(self._clips.sum())
        in_pass, number = divmod(self._first_clip + number, total)
        order, leads = self._shuffled(in_pass)
        recording, clip = self.in_order(order[number])
        frame = clip * self.window.clip_frames - leads[recording]
        return recording, int(frame)

    def _shuffled(self, in_pass: int) -> tuple[np.ndarray, np.ndarray]:
        """The order of all clips, and how early each recording's first is."""
        random = np.random.default_rng([self._seed, in_pass])
        covered = self._clips * self.window.clip_frames
        spare = covered - self.recordings["frames"]
        return random.permutation(self._clips.sum()), random.integers(spare + 1)


class _ValidationClips(_Clips):
    @property
    def num_batches(self) -> int:
        """The last one is filled up: samples after the end have no weight."""
        return -(-int(self._clips.sum()) // self.batch_size)

    def place(self, number: int) -> tuple[int, int]:
        """The recording, and the first frame of the clip in the loss."""
        recording, clip = self.in_order(number)
        return recording, clip * self.window.clip_frames


def _mapped(path: Path, kind: str, shape: tuple) -> np.ndarray:
    with exported(path):
        require_whole_array(path)
        array = np.load(path, mmap_mode="r")
    if (array.dtype.str, array.shape) != (kind, shape):
        raise UserError(
            f"{path}: is of another corpus, {array.dtype} {array.shape} and "
            f"not {np.dtype(kind)} {shape}; copy or export it again"
        )
    return array


def export_numpy(corpus: Corpus, out: Path) -> None:
    """Writes a folder that `NumpyCorpus` reads.

    It holds the corpus card and, for each split, the recordings joined end to
    end: `lengths.npy`, int64 `(recordings,)`, each one's samples;
    `levels.npy`, PCM int16 `(samples,)`; and the features as models read them,
    `mel.npy`, float32 `(frames, mels)`, and what else the corpus holds.

    Raises:
        UserError: If `out` holds something or cannot be written.
    """
    require_free(Path(out))
    with atomic_write(out) as folder:
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

    With a largest size in `megabytes`, millions of bytes, it holds as many
    recordings of each split as fit, chosen at random when the corpus was
    prepared. Returns the card of what was written.

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
    with atomic_write(out) as folder:
        folder.mkdir()
        bank = mel_filterbank(corpus.contract)
        np.savez_compressed(folder / FILTERBANK, filterbank=bank)
        left = math.inf if megabytes is None else megabytes * 1e6
        left -= (folder / FILTERBANK).stat().st_size
        kept = {}
        for split, share in (("validation", held_out / total), ("training", 1)):
            (folder / split).mkdir()
            place = folder / split
            names, size = _write_compact(corpus, split, place, share * left)
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
    """Writes the first recordings, at least one, into `limit` bytes.

    Returns:
        The names of the recordings that were written, and the bytes.
    """
    kinds = arrays_of(corpus.card, split)
    arrays = {key: [] for key in kinds if key not in ("levels", "mel")}
    names, added = set(), 0
    path = folder / LEVELS
    with flac_writer(path, corpus.contract.sample_rate) as flac:
        for name, audio, features in _shown(corpus, split):
            held = {"lengths": len(audio)} | features
            values = {
                key: np.asarray(held[key], kinds[key][0]) for key in arrays
            }
            own = sum(value.nbytes for value in values.values()) + _CARD_BYTES
            written = path.stat().st_size + _HELD_BACK_BYTES
            # As FLAC its samples are smaller than that.
            largest = written + 2 * len(audio) + added + own
            if names and largest > limit:
                break
            # Exact: the audio is its own PCM.
            flac.write((audio * 32768).astype(np.int16))
            names.add(name)
            added += own
            for key, value in values.items():
                arrays[key].append(value)
    for key, values in arrays.items():
        joined = np.concatenate if values[0].ndim else np.array
        np.save(folder / f"{key}.npy", joined(values))
    written = sum(one.stat().st_size for one in folder.iterdir())
    return names, written + _CARD_BYTES * len(names)


def _write(corpus: Corpus, split: Split, folder: Path) -> None:
    arrays = arrays_of(corpus.card, split)
    with contextlib.ExitStack() as stack:
        files = {}
        for name, (kind, shape) in arrays.items():
            path = folder / f"{name}.npy"
            files[name] = stack.enter_context(path.open("wb"))
            # The header; not a memory map, which a full disk kills.
            header = {"descr": kind, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(files[name], header)
        for _, audio, features in _shown(corpus, split):
            # Exact: the audio is its own PCM.
            pcm = audio * 32768
            held = {"lengths": len(audio), "levels": pcm} | features
            for name, (kind, _) in arrays.items():
                files[name].write(np.asarray(held[name], kind).tobytes())


def _shown(corpus: Corpus, split: Split):
    """The recordings of a split, with a progress bar."""
    return Bar(
        corpus.utterances(split),
        desc=f"export {split}",
        total=len(corpus.card.recordings(split)),
        unit="file",
    )
