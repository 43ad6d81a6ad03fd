"""A prepared corpus as clips for training."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.audio.mel import normalised
from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import CorpusCard, Split
from pwavenet_tf.corpus.clips import Window
from pwavenet_tf.corpus.records import count_records, parse

if TYPE_CHECKING:
    import tensorflow as tf

_SHUFFLE_BYTES = 32 * 2**20
_SHARDS_AT_ONCE = 4


class Corpus:
    """A corpus that `prepare` has written.

    Clips are `(inputs, audio, weight)`, what `keras.Model.fit` takes as
    inputs, targets and sample weights: `audio` and `weight` float32 `(batch,
    length)` with `length = (context_frames + clip_length / hop_length +
    lookahead_frames) * hop_length`. `inputs` holds `audio` once more, `mel`
    float32 `(batch, length / hop_length, mels)`, normalised, and what else
    the data hold, as a `Conditioner` reads it. All shapes are static.

    Audio is the recording's own 16-bit levels, j / 32768, exactly: no noise
    is added to it (no dequantisation), because the heads give the
    probability of a whole level.

    `weight` is the loss mask: 1 on samples of the recording between context
    and look-ahead, else 0. A recording with too little audio before a clip to
    fill the context gives a clip that starts at its own first sample, so that
    the model learns to start from nothing, as in generation. After the end of
    a recording the audio is zero, the last mel frame is repeated, and the
    weight is 0.

    Attributes:
        card: The corpus card.
        contract: The acoustic contract, with statistics.

    Raises:
        UserError: If `folder` is not a prepared corpus, or lacks a part of it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self.card = CorpusCard.load(self._folder)
        self.contract = self.card.contract
        for split in ("training", "validation"):
            shards = self.card.shards(split)
            held = sum(count_records(self._folder / one) for one in shards)
            if held != (listed := len(self.card.recordings(split))):
                raise UserError(
                    f"{self._folder}: {', '.join(shards)} hold {held} of "
                    f"{listed} recordings; prepare the corpus again"
                )

    def training_clips(
        self,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
        seed: int = 0,
        first_batch: int = 0,
    ) -> "tf.data.Dataset":
        """Random clips of the training recordings, without end.

        In each pass over the recordings every sample is in the loss of exactly
        one clip; each pass draws new places where the clips begin. The same
        seed gives the same clips.

        Args:
            clip_length: Samples of each clip in the loss, a multiple of the hop
                length.
            context_frames: Frames before them.
            lookahead_frames: Frames after them.
            batch_size: Clips in a batch.
            seed: Any integer.
            first_batch: How many batches are left out: an interrupted run
                resumes with the clips that come next, at the cost of a part of
                one pass at most.

        Raises:
            UserError: If a length cannot be.
        """
        import tensorflow as tf

        window = Window.of(
            self.contract,
            clip_length,
            context_frames,
            lookahead_frames,
            batch_size,
        )
        recordings = len(self.card.training)
        first_pass, passed_over = divmod(
            first_batch * batch_size, self._clips("training", window)
        )
        held = max(
            8 * batch_size,
            _SHUFFLE_BYTES // window.clip_bytes(self.contract.mels),
        )

        def one_pass(number):
            def cut(place, record):
                return self._random_clips(
                    record, window, [seed, number * recordings + place]
                )

            # Not `Dataset.shuffle`, whose state a run could not find again.
            def mixed(place, clips):
                order = tf.random.experimental.stateless_shuffle(
                    tf.range(tf.shape(clips[0])[0]),
                    seed=tf.random.fold_in([seed, -1 - number], place),
                )
                return tf.nest.map_structure(
                    lambda values: tf.gather(values, order), clips
                )

            order = tf.random.experimental.stateless_shuffle(
                self._shards("training"), seed=[seed, number]
            )
            return (
                tf.data.Dataset.from_tensor_slices(order)
                .interleave(
                    tf.data.TFRecordDataset, cycle_length=_SHARDS_AT_ONCE
                )
                .enumerate()
                .map(cut, num_parallel_calls=tf.data.AUTOTUNE)
                .unbatch()
                .batch(held)
                .enumerate()
                .map(mixed)
                .prefetch(1)
                .unbatch()
            )

        clips = (
            tf.data.Dataset.counter(first_pass)
            .flat_map(one_pass)
            .skip(passed_over)
        )
        return self._batched(clips, window, batch_size)

    def _random_clips(self, record, window: Window, seed) -> tuple:
        """All clips of a recording, beginning at a random place."""
        import tensorflow as tf

        _, levels, features = parse(record, self.card)
        frames = tf.shape(features["mel"])[0]
        clips = window.clips(frames)
        lead = tf.random.stateless_uniform(
            (),
            seed=seed,
            maxval=clips * window.clip_frames - frames + 1,
            dtype=tf.int32,
        )
        return window.cut(levels, features, clips, lead)

    def _clips(self, split: Split, window: Window) -> int:
        """How many clips a pass over all recordings gives."""
        return sum(
            window.clips(self.contract.frames(one.samples))
            for one in self.card.recordings(split)
        )

    def validation_clips(
        self,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
    ) -> "tf.data.Dataset":
        """All clips of the validation recordings, once, in order.

        The clips do not overlap in what counts, and every sample counts. The
        last batch is filled up with clips of weight zero. For the arguments
        see `training_clips`.

        Raises:
            UserError: If a length cannot be.
        """
        import tensorflow as tf

        window = Window.of(
            self.contract,
            clip_length,
            context_frames,
            lookahead_frames,
            batch_size,
        )

        def cut(record):
            _, levels, features = parse(record, self.card)
            clips = window.clips(tf.shape(features["mel"])[0])
            return window.cut(levels, features, clips, 0)

        clips = (
            tf.data.TFRecordDataset(self._shards("validation"))
            .map(cut, num_parallel_calls=tf.data.AUTOTUNE)
            .unbatch()
        )
        empty = tf.nest.map_structure(
            lambda spec: tf.zeros((batch_size - 1, *spec.shape), spec.dtype),
            clips.element_spec,
        )
        clips = clips.concatenate(tf.data.Dataset.from_tensor_slices(empty))
        total = self._clips("validation", window)
        return self._batched(clips, window, batch_size).apply(
            tf.data.experimental.assert_cardinality(-(-total // batch_size))
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
            name, levels, features = parse(record, self.card)
            yield (
                name.numpy().decode("utf-8", "surrogateescape"),
                levels.numpy().astype(np.float32) / 32768,
                {
                    key: value.numpy()
                    for key, value in self._normalised(features).items()
                },
            )

    def conditioning(self, wanted: Conditioning) -> Conditioning:
        """A conditioning with this corpus's phones, speakers and pitch.

        Args:
            wanted: As a preset has it.

        Raises:
            UserError: If the corpus lacks what an input needs.
        """
        return wanted.of_corpus(
            self.card.phones, self.card.speakers, self.card.mean_pitch_hz
        )

    def _normalised(self, features: dict) -> dict:
        changed = {"mel": normalised(features["mel"], self.contract)}
        mean_pitch_hz = self.card.mean_pitch_hz
        if "pitch" in features and mean_pitch_hz:
            changed["sinusoids"] = self._sinusoids(features["pitch"])
            changed["pitch"] = relative_pitch(features["pitch"], mean_pitch_hz)
        return features | changed

    def _sinusoids(self, pitch):
        # tf.data runs it in a graph.
        import tensorflow.experimental.numpy as tnp

        return sinusoid_track(pitch, self.contract, tnp)

    def _shards(self, split: Split) -> list[str]:
        return [str(self._folder / name) for name in self.card.shards(split)]

    def _batched(
        self, clips: "tf.data.Dataset", window: Window, batch_size: int
    ) -> "tf.data.Dataset":
        import tensorflow as tf

        def finish(levels, features, first_sample, start_sample, samples):
            audio = tf.cast(levels, tf.float32) / 32768
            inputs = {"audio": audio} | self._normalised(features)
            weight = window.weight(first_sample, start_sample, samples)
            return inputs, audio, weight

        # Several workers share each batch; they do not read other files.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return (
            clips.batch(batch_size, drop_remainder=True)
            .map(finish, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )
