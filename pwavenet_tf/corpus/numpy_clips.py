"""A corpus of NumPy files as clips for training, without TensorFlow."""

import functools
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.config import ARRAY_WIDTHS, INPUT_ARRAYS, Conditioning
from pwavenet_tf.corpus.card import CorpusCard, Split
from pwavenet_tf.corpus.compact import FILTERBANK, LEVELS, unpacked
from pwavenet_tf.corpus.window import Window
from pwavenet_tf.errors import UserError


class NumpyCorpus:
    """A corpus that `pwavenet export-corpus` has written; see `Corpus`.

    Its clips are those of `Corpus`, as NumPy arrays: the validation clips are
    the same ones (but for what fills up the last batch and does not count),
    the training clips begin at other places and come in another order. The
    files are read as they are needed; those of a compact corpus are unpacked
    into memory, and its mel spectrograms computed, at once.

    Attributes:
        card: The corpus card.
        contract: The acoustic contract, with statistics.

    Raises:
        UserError: If `folder` is not such a corpus, or lacks a file.
    """

    def __init__(self, folder: Path) -> None:
        self.card = CorpusCard.load(Path(folder))
        self.contract = self.card.contract
        self._recordings = {
            split: _Recordings(Path(folder), split, self.card)
            for split in ("training", "validation")
        }

    def conditioning(self, wanted: Conditioning) -> Conditioning:
        """As `Corpus.conditioning`."""
        return wanted.of_corpus(
            self.card.phones, self.card.speakers, self.card.mean_pitch_hz
        )

    def training_clips(
        self,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
        seed: int = 0,
        first_batch: int = 0,
    ) -> keras.utils.PyDataset:
        """Random clips without end; see `Corpus.training_clips`.

        Each pass takes the clips of all recordings in a new order.
        """
        window = Window.of(
            self.contract,
            clip_length,
            context_frames,
            lookahead_frames,
            batch_size,
        )
        recordings = self._recordings["training"]
        return _TrainingClips(recordings, window, batch_size, seed, first_batch)

    def validation_clips(
        self,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
    ) -> keras.utils.PyDataset:
        """All clips once, in order; see `Corpus.validation_clips`."""
        window = Window.of(
            self.contract,
            clip_length,
            context_frames,
            lookahead_frames,
            batch_size,
        )
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


class _Recordings:
    """The recordings of one split, joined end to end in mapped files."""

    def __init__(self, folder: Path, split: Split, card: CorpusCard) -> None:
        expected = arrays_of(card, split)
        packed = ()
        if (folder / FILTERBANK).exists():
            packed = ("levels", "mel")
        self.features = {
            name: _mapped(folder / split / f"{name}.npy", *expected[name])
            for name in expected
            if name not in packed
        }
        self.lengths = self.features.pop("lengths")
        if packed:
            self.features |= unpacked(
                folder / split / LEVELS,
                folder / FILTERBANK,
                self.lengths,
                card.contract,
            )
        self.levels = self.features.pop("levels")
        self.hop = card.contract.hop_length
        self.frames = -(-self.lengths // self.hop)
        self.first_sample = np.cumsum(self.lengths) - self.lengths
        self.first_frame = np.cumsum(self.frames) - self.frames

    def clip(self, number: int, counted: int, window: Window) -> tuple:
        """A clip of one recording that counts from frame `counted` on.

        Returns:
            Features and `audio`, one clip of each; the weight, `(samples,)`.
        """
        first = max(counted - window.context_frames, 0)
        wanted = first + np.arange(window.frames)
        real = np.minimum(wanted, self.frames[number] - 1)
        rows = self.first_frame[number] + real
        inputs = {
            key: values[rows] if values.ndim > 1 else values[number]
            for key, values in self.features.items()
        }
        position = first * self.hop + np.arange(window.samples)
        inside = position < self.lengths[number]
        begin = self.first_sample[number] + position[0]
        audio = np.zeros(window.samples, np.float32)
        audio[inside] = self.levels[begin : begin + inside.sum()]
        start = counted * self.hop
        end = start + window.clip_frames * self.hop
        counts = inside & (position >= start) & (position < end)
        inputs["audio"] = audio / 32768
        return inputs, counts.astype(np.float32)


class _Clips(keras.utils.PyDataset):
    """Batches by number, of clips that `place` finds by number.

    Attributes:
        recordings: The recordings of one split.
        window: What a clip spans.
        batch_size: Clips in a batch.
    """

    def __init__(self, recordings, window: Window, batch_size: int) -> None:
        super().__init__()
        self.recordings = recordings
        self.window = window
        self.batch_size = batch_size
        # Of each recording, and of all before it.
        self._clips = window.clips(recordings.frames)
        self._clips_before = np.cumsum(self._clips) - self._clips

    def __getitem__(self, index: int) -> tuple:
        first = index * self.batch_size
        clips = [
            self.recordings.clip(*self.place(number), self.window)
            for number in range(first, first + self.batch_size)
        ]
        inputs = {
            key: np.stack([one[key] for one, _ in clips]) for key in clips[0][0]
        }
        weight = np.stack([one for _, one in clips])
        return inputs, inputs["audio"], weight

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
        self._drawn = functools.lru_cache(maxsize=2)(self._drawn)

    @property
    def num_batches(self) -> None:
        """Without end."""
        return None

    def place(self, number: int) -> tuple[int, int]:
        """The recording, and the frame from which on the clip counts."""
        total = int(self._clips.sum())
        in_pass, number = divmod(self._first_clip + number, total)
        order, leads = self._drawn(in_pass)
        recording, clip = self.in_order(order[number])
        frame = clip * self.window.clip_frames - leads[recording]
        return recording, int(frame)

    def _drawn(self, in_pass: int) -> tuple[np.ndarray, np.ndarray]:
        """The order of all clips, and how early each recording's first is."""
        random = np.random.default_rng([self._seed, in_pass])
        spare = self._clips * self.window.clip_frames - self.recordings.frames
        return random.permutation(self._clips.sum()), random.integers(spare + 1)


class _ValidationClips(_Clips):
    @property
    def num_batches(self) -> int:
        """The last one is filled up: behind the end nothing counts."""
        return -(-int(self._clips.sum()) // self.batch_size)

    def place(self, number: int) -> tuple[int, int]:
        """The recording, and the frame from which on the clip counts."""
        recording, clip = self.in_order(number)
        return recording, clip * self.window.clip_frames


def _mapped(path: Path, kind: str, shape: tuple) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: is missing; name a folder that `pwavenet "
            "export-corpus` has written"
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: is damaged ({error}); copy or export it anew"
        ) from error
    if (array.dtype.str, array.shape) != (kind, shape):
        raise UserError(
            f"{path}: is of another corpus, {array.dtype} {array.shape} and "
            f"not {np.dtype(kind)} {shape}; copy or export it anew"
        )
    return array
