"""A prepared corpus as utterances of phones, for the acoustic model."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import Split
from pwavenet_tf.corpus.dataset import Corpus

if TYPE_CHECKING:
    import tensorflow as tf

# Batches are formed of utterances of like length, out of so many batches.
_SORTED_BATCHES = 8
# Of the position, which is rounded; no phone lasts a million frames.
_LEAST_RISE = 1e-6

Utterance = dict[str, np.ndarray]


def phone_sequence(features: Utterance) -> Utterance:
    """The phones of an utterance, with the means over the frames of each.

    The features are `Corpus.utterances`', with `mel`, `phones`, `timing` and
    `pitch`. A phone that is shorter than a frame, and at no frame's centre, is
    absent.

    Returns:
        `phones` and `durations`, int32 `(phones,)`; `phone_pitch`, ln(F0 /
        mean) over voiced frames, 0 without any, and `energy`, over frames and
        bands of the mel spectrogram, float32 `(phones,)`; `mel` and `pitch`
        as they were.
    """
    ids, position = features["phones"][:, 1], features["timing"][:, 0]
    # Within a phone the position rises from each frame to the next.
    follows = (np.diff(ids) != 0) | (np.diff(position) < _LEAST_RISE)
    first = np.flatnonzero(np.concatenate([[True], follows]))
    durations = np.diff([*first, len(ids)])
    value, voiced = features["pitch"].T
    voiced_frames = np.add.reduceat(voiced, first)
    pitch = np.add.reduceat(value * voiced, first)
    energy = np.add.reduceat(features["mel"].mean(axis=1), first)
    return {
        "phones": ids[first].astype(np.int32),
        "durations": durations.astype(np.int32),
        "phone_pitch": (pitch / np.maximum(voiced_frames, 1)).astype("f"),
        "energy": (energy / durations).astype("f"),
        "mel": features["mel"],
        "pitch": features["pitch"],
    }


class PhoneSequences:
    """The utterances of a corpus, in memory: 93 MB for each hour of speech.

    Batches are dictionaries, as `AcousticModel` reads them, of arrays that
    are padded with zeros to the longest utterance.

    Raises:
        UserError: If the corpus lacks phones or pitch.
    """

    def __init__(self, corpus: Corpus) -> None:
        if not corpus.card.phones or not corpus.card.mean_pitch_hz:
            raise UserError(
                "the data hold no phones or no pitch, which an acoustic model "
                "learns; prepare them with --conditioning=mel,linguistic,pitch"
            )
        self.corpus = corpus
        self._held: dict[Split, list[Utterance]] = {}

    def utterances(self, split: Split) -> list[Utterance]:
        """All utterances of one split; see `phone_sequence`."""
        if split not in self._held:
            self._held[split] = [
                phone_sequence(features)
                for _, _, features in self.corpus.utterances(split)
            ]
        return self._held[split]

    def training_batches(
        self, batch_size: int, seed: int = 0, first_batch: int = 0
    ) -> "tf.data.Dataset":
        """Batches of the training utterances, without end.

        Each pass has every utterance once, but for the rest that does not
        fill a batch, with others of like length. The same seed, from 0 on,
        gives the same batches; the first ones are left out at no cost.
        """
        held = self.utterances("training")
        batch_size = min(batch_size, len(held))
        number, start = divmod(first_batch, len(held) // batch_size)

        def batches() -> Iterator[Utterance]:
            current, skipped = number, start
            while True:
                order = self._order(batch_size, [seed, current])
                for chosen in order[skipped:]:
                    yield padded([held[place] for place in chosen])
                current, skipped = current + 1, 0

        return self._dataset(batches)

    def _order(self, batch_size: int, seed: list[int]) -> np.ndarray:
        """A pass over the training utterances, `(batches, batch_size)`."""
        random = np.random.default_rng(seed)
        held = self.utterances("training")
        order = random.permutation(len(held))
        order = order[: len(held) // batch_size * batch_size]
        lengths = np.array([len(one["mel"]) for one in held])
        size = _SORTED_BATCHES * batch_size
        for start in range(0, len(order), size):
            some = order[start : start + size]
            order[start : start + size] = some[np.argsort(lengths[some])]
        return random.permutation(order.reshape(-1, batch_size))

    def validation_batches(self, batch_size: int) -> "tf.data.Dataset":
        """All validation utterances, once, the shortest first."""
        held = sorted(
            self.utterances("validation"), key=lambda one: len(one["mel"])
        )
        starts = range(0, len(held), batch_size)

        def batches() -> Iterator[Utterance]:
            for start in starts:
                yield padded(held[start : start + batch_size])

        import tensorflow as tf

        return self._dataset(batches).apply(
            tf.data.experimental.assert_cardinality(len(starts))
        )

    def _dataset(self, batches) -> "tf.data.Dataset":
        import tensorflow as tf

        integers, floats = (
            tf.TensorSpec((None, None), kind) for kind in (tf.int32, tf.float32)
        )
        mel, pitch = (
            tf.TensorSpec((None, None, width), tf.float32)
            for width in (self.corpus.contract.mels, 2)
        )
        signature = {
            **{"phones": integers, "durations": integers},
            **{"phone_pitch": floats, "energy": floats},
            **{"mel": mel, "pitch": pitch},
        }
        dataset = tf.data.Dataset.from_generator(
            lambda: ((batch,) for batch in batches()),
            output_signature=(signature,),
        )
        return dataset.prefetch(2)


def padded(utterances: list[Utterance]) -> Utterance:
    """A batch: every array padded with zeros to the longest utterance's."""
    batch = {}
    for name in utterances[0]:
        arrays = [one[name] for one in utterances]
        shape = len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]
        batch[name] = np.zeros(shape, arrays[0].dtype)
        for row, values in zip(batch[name], arrays, strict=True):
            row[: len(values)] = values
    return batch
