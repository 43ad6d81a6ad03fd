"""A prepared corpus as clips for training."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.audio.mel import normalised
from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import SPLITS, CorpusCard, Split
from pwavenet_tf.corpus.clips import (
    ClipSource,
    Window,
    cut_consecutively,
    cut_utterance,
)
from pwavenet_tf.corpus.records import count_records, parse

if TYPE_CHECKING:
    import tensorflow as tf

_SHUFFLE_BYTES = 32 * 2**20
_SHARDS_AT_ONCE = 4


class Corpus(ClipSource):
    """A corpus that `prepare` has written.

    Clips are `(inputs, audio, weight)`, what `keras.Model.fit` takes as
    inputs, targets and sample weights: `audio` and `weight` float32 `(batch,
    length)` with `length = (context_frames + clip_length / hop_length +
    lookahead_frames) * hop_length`. `inputs` holds `audio` once more, `mel`
    float32 `(batch, length / hop_length, mels)`, normalised, and what else
    the data hold, as a `Conditioner` reads it. All shapes are static.

    Audio is the recording's own 16-bit PCM, j / 32768, exactly: no noise is
    added to it (no dequantisation), because the heads give the probability of
    a whole PCM value.

    `weight` is the loss mask: 1 on samples of the recording between left
    context and look-ahead, else 0. A recording with too little audio before a
    clip to fill the left context gives a clip that starts at its own first
    sample, so that the model learns to start from nothing, as in generation.
    After the end of a recording the audio is zero, the last mel frame is
    repeated, and the weight is 0.

    Raises:
        UserError: If `folder` is not a prepared corpus, or lacks a part of it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self.card = CorpusCard.load(self._folder)
        for split in SPLITS:
            shards = self.card.shards(split)
            held = sum(count_records(self._folder / one) for one in shards)
            if held != (listed := len(self.card.recordings(split))):
                raise UserError(
                    f"{self._folder}: {', '.join(shards)} hold {held} of "
                    f"{listed} recordings; prepare the corpus again"
                )

    def _training_clips(
        self, window: Window, batch_size: int, seed: int, first_batch: int
    ) -> "tf.data.Dataset":
        import tensorflow as tf

        in_memory = _SHUFFLE_BYTES // window.clip_bytes(self.contract.mels)
        held = max(8 * batch_size, in_memory)

        def one_pass(number):
            return (
                self._cut_in_random_order(window, seed, number)
                .batch(held)
                .enumerate()
                .map(_without_autograph(_shuffled(seed, number)))
                .prefetch(1)
                .unbatch()
            )

        first_pass, passed_over = divmod(
            first_batch * batch_size, sum(self._clips("training", window))
        )
        clips = (
            tf.data.Dataset.counter(first_pass)
            .flat_map(_without_autograph(one_pass))
            .skip(passed_over)
        )
        return self._batched(clips, window, batch_size)

    def _cut_in_random_order(
        self, window: Window, seed: int, number
    ) -> "tf.data.Dataset":
        """One pass over the recordings, each cut from a random place on."""
        import tensorflow as tf

        def cut(place, record):
            _, pcm, features = parse(record, self.card)
            frames = tf.shape(features["mel"])[0]
            spare = window.clips(frames) * window.clip_frames - frames
            lead = tf.random.stateless_uniform(
                (),
                seed=[seed, number * len(self.card.training) + place],
                maxval=spare + 1,
                dtype=tf.int32,
            )
            return cut_utterance(pcm, features, window, lead)

        shards = tf.random.experimental.stateless_shuffle(
            self._shards("training"), seed=[seed, number]
        )
        return (
            tf.data.Dataset.from_tensor_slices(shards)
            .interleave(tf.data.TFRecordDataset, cycle_length=_SHARDS_AT_ONCE)
            .enumerate()
            .map(_without_autograph(cut), num_parallel_calls=tf.data.AUTOTUNE)
            .unbatch()
        )

    def _clips(self, split: Split, window: Window) -> list[int]:
        """How many clips each recording gives."""
        return [
            window.clips(self.contract.frames(one.samples))
            for one in self.card.recordings(split)
        ]

    def _validation_clips(
        self, window: Window, batch_size: int
    ) -> "tf.data.Dataset":
        import tensorflow as tf

        def cut(record):
            _, pcm, features = parse(record, self.card)
            return cut_utterance(pcm, features, window, 0)

        clips = (
            tf.data.TFRecordDataset(self._shards("validation"))
            .map(_without_autograph(cut), num_parallel_calls=tf.data.AUTOTUNE)
            .unbatch()
        )
        clips = clips.concatenate(_weightless(clips).take(batch_size - 1))
        total = sum(self._clips("validation", window))
        return self._batched(clips, window, batch_size).apply(
            tf.data.experimental.assert_cardinality(-(-total // batch_size))
        )

    def training_segments(
        self,
        clip_length: int,
        context_frames: int,
        batch_size: int,
        seed: int = 0,
        first_batch: int = 0,
    ) -> "tf.data.Dataset":
        """Consecutive segments of the training recordings, without end.

        For truncated back-propagation through time: row r of a batch continues
        row r of the batch before, except where `begins` says that another
        recording begins. A pass has as many batches as all recordings fill;
        each pass divides the recordings among the rows again, each whole and in
        order. A row whose share is shorter than a pass repeats it, the end of a
        longer one is left to other passes.

        Args:
            clip_length: Samples of each segment, a multiple of the hop length.
            context_frames: Frames of features on either side.
            batch_size: Rows, at most as many as recordings.
            seed: Of the order of the recordings.
            first_batch: As in `training_clips`.

        Returns:
            `(inputs, audio, weight)` as clips, but that audio and weight,
            `(batch, clip_length)`, are without `context_frames`; `inputs` also
            holds `begins`, bool `(batch,)`.

        Raises:
            UserError: If a length cannot be, or there are more rows than
                recordings.
        """
        import tensorflow as tf

        rows, recordings = batch_size, len(self.card.training)
        if rows > recordings:
            raise UserError(
                f"each of the {rows} rows of a step reads recordings of its "
                f"own, but there are only {recordings} for training; give "
                f"--batch_size={recordings}"
            )
        shape = (clip_length, context_frames, context_frames, batch_size)
        window = Window.of(self.contract, *shape)
        batches = max(1, sum(self._clips("training", window)) // rows)
        first_pass, passed_over = divmod(first_batch, batches)

        def one_pass(number):
            return self._rows(window, rows, batches, seed, number)

        return (
            tf.data.Dataset.counter(first_pass)
            .flat_map(_without_autograph(one_pass))
            .skip(passed_over)
            .prefetch(tf.data.AUTOTUNE)
        )

    def validation_segments(
        self, clip_length: int, context_frames: int, batch_size: int
    ) -> "tf.data.Dataset":
        """Consecutive segments of the validation recordings, one pass.

        See `training_segments`. All recordings are read once and to their end;
        where a row has none left, its segments have no weight.
        """
        import tensorflow as tf

        shape = (clip_length, context_frames, context_frames, batch_size)
        window = Window.of(self.contract, *shape)
        clips = self._clips("validation", window)
        batches = max(sum(clips[row::batch_size]) for row in range(batch_size))
        return (
            self._rows(window, batch_size, batches)
            .apply(tf.data.experimental.assert_cardinality(batches))
            .prefetch(tf.data.AUTOTUNE)
        )

    def _rows(
        self,
        window: Window,
        rows: int,
        batches: int,
        seed: int | None = None,
        number=0,
    ) -> "tf.data.Dataset":
        """Pass `number`: every row's share of the recordings, cut in order.

        The seed is that of the division among the rows; without one it is
        validation, where the rows take turns and nothing is repeated.
        """
        import tensorflow as tf

        split: Split = "validation" if seed is None else "training"
        count = len(self.card.recordings(split))
        order, first = tf.range(count, dtype=tf.int64), 0
        if seed is not None:
            order = tf.random.experimental.stateless_shuffle(
                order, seed=[seed, number]
            )
            # Else the last files would always be at the end of a share.
            first = tf.cast(order[0], tf.int64)

        def segments(_, record):
            _, pcm, features = parse(record, self.card)
            # Before they are cut: the phase of the sinusoids runs on.
            return cut_consecutively(pcm, self._normalised(features), window)

        def of_row(row):
            def is_its(place, record):
                return tf.equal(order[place] % rows, row)

            # Each row passes over the others' recordings, which are read but
            # not parsed.
            records = tf.data.TFRecordDataset(self._shards(split)).enumerate()
            records = records.skip(first).concatenate(records.take(first))
            share = (
                records.filter(_without_autograph(is_its))
                .map(_without_autograph(segments))
                .unbatch()
            )
            if seed is not None:
                return share.repeat().take(batches)
            return share.concatenate(_weightless(share)).take(batches)

        # All rows are equally long: none ends while others have more.
        return (
            tf.data.Dataset.range(rows)
            .interleave(
                _without_autograph(of_row), cycle_length=rows, block_length=1
            )
            .batch(rows, drop_remainder=True)
            .map(_without_autograph(_with_audio))
        )

    def utterances(
        self, split: Split
    ) -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
        """Whole recordings, one after the other.

        Yields:
            The file's path within the folder of recordings; its audio,
            float32 `(time,)`; its features, as a model reads them: `mel`,
            `(frames, mels)`, and what else the data hold.
        """
        import tensorflow as tf

        for record in tf.data.TFRecordDataset(self._shards(split)):
            name, pcm, features = parse(record, self.card)
            features = self._normalised(features)
            yield (
                name.numpy().decode("utf-8", "surrogateescape"),
                pcm.numpy().astype(np.float32) / 32768,
                {key: value.numpy() for key, value in features.items()},
            )

    def _normalised(self, features: dict) -> dict:
        # tf.data runs it in a graph.
        import tensorflow.experimental.numpy as tnp

        contract, mean_pitch_hz = self.contract, self.card.mean_pitch_hz
        changed = {"mel": normalised(features["mel"], contract)}
        if "pitch" in features and mean_pitch_hz:
            pitch = features["pitch"]
            changed["sinusoids"] = sinusoid_track(pitch, contract, tnp)
            changed["pitch"] = relative_pitch(pitch, mean_pitch_hz)
        return features | changed

    def _shards(self, split: Split) -> list[str]:
        return [str(self._folder / name) for name in self.card.shards(split)]

    def _batched(
        self, clips: "tf.data.Dataset", window: Window, batch_size: int
    ) -> "tf.data.Dataset":
        import tensorflow as tf

        def finish(pcm, features, start_frame, samples):
            weight = window.weight(start_frame, samples, tf)
            return _with_audio(pcm, self._normalised(features), weight)

        # Several workers share each batch; they do not read other files.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return (
            clips.batch(batch_size, drop_remainder=True)
            .map(
                _without_autograph(finish), num_parallel_calls=tf.data.AUTOTUNE
            )
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )


def _without_autograph(function: Callable) -> Callable:
    """The function for a graph, without AutoGraph.

    It has no control flow to be rewritten, which takes AutoGraph longer than
    all else at a training's start.
    """
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(function)


def _weightless(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Elements like a dataset's, all zeros, without end."""
    import tensorflow as tf

    zeros = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), dataset.element_spec
    )
    return tf.data.Dataset.from_tensors(zeros).repeat()


def _with_audio(pcm, features: dict, weight) -> tuple:
    """A batch as inputs, targets and weights."""
    import tensorflow as tf

    audio = tf.cast(pcm, tf.float32) / 32768
    return {"audio": audio} | features, audio, weight


def _shuffled(seed: int, number):
    """Shuffles a batch of the clips of a pass, given the batch's number.

    Not `Dataset.shuffle`, whose state a run could not find again.
    """
    import tensorflow as tf

    def shuffled(place, clips):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(tf.shape(clips[0])[0]),
            seed=tf.random.fold_in([seed, -1 - number], place),
        )
        return tf.nest.map_structure(
            lambda values: tf.gather(values, order), clips
        )

    return shuffled
