"""How utterances are cut into clips."""

import abc
import dataclasses

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.card import CorpusCard


@dataclasses.dataclass(frozen=True)
class Window:
    """What a clip spans: left context, the frames in the loss, look-ahead.

    Where a clip lies follows from the frame of its utterance from which on it
    is in the loss, `start_frame`, which may lie before the first one. The
    methods take it as an integer array of any shape, and `xp`, the module of
    that array: `numpy`, `tensorflow` or `keras.ops`.
    """

    hop_length: int
    clip_frames: int
    context_frames: int
    lookahead_frames: int

    @classmethod
    def of(
        cls,
        contract: AudioContract,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
    ) -> "Window":
        """The window of clips, from the arguments of `Corpus.training_clips`.

        Raises:
            UserError: If a length cannot be.
        """
        hop = contract.hop_length
        if clip_length < hop or clip_length % hop:
            raise UserError(
                f"clip_length {clip_length} is not a positive multiple of "
                f"the hop length {hop}; take "
                f"{max(1, round(clip_length / hop)) * hop}"
            )
        if min(context_frames, lookahead_frames) < 0 or batch_size < 1:
            raise UserError(
                "context_frames and lookahead_frames must not be negative "
                "and batch_size must be positive, but they are "
                f"{context_frames}, {lookahead_frames}, {batch_size}"
            )
        return cls(hop, clip_length // hop, context_frames, lookahead_frames)

    @property
    def frames(self) -> int:
        return self.context_frames + self.clip_frames + self.lookahead_frames

    @property
    def samples(self) -> int:
        return self.frames * self.hop_length

    def clip_bytes(self, mels: int) -> int:
        """Bytes of a clip of int16 PCM and its largest feature."""
        return self.samples * 2 + self.frames * mels * 4

    def clips(self, frames):
        """How many clips cover so many frames, int or tensor."""
        return -(-frames // self.clip_frames)

    def frame_places(self, start_frame, xp):
        """The clip's frames, `(..., frames)`; some may lie after the end."""
        first = self._first_frame(start_frame, xp)
        return first + np.arange(self.frames, dtype=np.int32)

    def sample_places(self, start_frame, xp):
        """The clip's samples, `(..., samples)`; some may lie after the end."""
        first = self._first_frame(start_frame, xp) * self.hop_length
        return first + np.arange(self.samples, dtype=np.int32)

    def weight(self, start_frame, samples, xp):
        """The loss mask, float32 `(..., samples)`.

        It is 1 on samples of the utterance, which has so many, that are in the
        clip's loss, else 0.
        """
        position = self.sample_places(start_frame, xp)
        start = (start_frame * self.hop_length)[..., None]
        inside = (position >= start) & (position < samples[..., None])
        inside &= position < start + self.clip_frames * self.hop_length
        return xp.where(inside, np.float32(1), np.float32(0))

    def _first_frame(self, start_frame, xp):
        # A clip never begins before its utterance.
        return xp.maximum(start_frame - self.context_frames, 0)[..., None]


def cut_utterance(pcm, features: dict, window: Window, lead) -> tuple:
    """Cuts one utterance into all its clips, in a graph.

    The utterance is PCM int16 `(time,)` and features `(frames, channels)` each,
    with the speaker `()`. The loss of clip i covers `clip_frames` frames from
    frame `i * clip_frames - lead` on.

    Returns:
        PCM, int16 `(clips, samples)`; features, `(clips, frames, channels)`
        each, and the speaker `(clips,)`; and, int32 `(clips,)` each, what
        `Window.weight` takes: the first frame in the loss, and the utterance's
        length in samples.
    """
    import tensorflow as tf

    length, frames = tf.shape(pcm)[0], tf.shape(features["mel"])[0]
    clips = window.clips(frames)
    start_frame = tf.range(clips) * window.clip_frames - lead
    wanted = window.frame_places(start_frame, tf)
    real = tf.minimum(wanted, frames - 1)
    padding = (frames + window.frames) * window.hop_length - length
    hops = tf.reshape(tf.pad(pcm, [[0, padding]]), (-1, window.hop_length))
    return (
        tf.reshape(tf.gather(hops, wanted), (clips, window.samples)),
        _gathered(features, real),
        start_frame,
        tf.fill((clips,), length),
    )


def _gathered(features: dict, places) -> dict:
    """Features at places int32 `(clips, frames)`; the speaker of each clip."""
    import tensorflow as tf

    return {
        key: tf.gather(value, places)
        if value.shape.rank
        else tf.fill(tf.shape(places)[:1], value)
        for key, value in features.items()
    }


def cut_consecutively(pcm, features: dict, window: Window) -> tuple:
    """Cuts one utterance into consecutive segments, in a graph.

    As `cut_utterance`, but left context and look-ahead are frames of
    features alone.

    Returns:
        PCM, int16 `(segments, samples)`, of the segments alone; features,
        `(segments, frames, channels)` each, with the first and the last frame
        repeated beyond the ends, the speaker `(segments,)`, and `begins`,
        bool `(segments,)`; and the loss mask, float32 `(segments, samples)`.
    """
    import tensorflow as tf

    frames, clip = tf.shape(features["mel"])[0], window.clip_frames
    samples = clip * window.hop_length
    count = window.clips(frames)
    first = tf.range(count) * clip
    around = np.arange(-window.context_frames, clip + window.lookahead_frames)
    places = tf.clip_by_value(
        first[:, None] + around.astype("int32"), 0, frames - 1
    )
    cut = _gathered(features, places) | {"begins": tf.equal(first, 0)}
    padding = count * samples - tf.shape(pcm)[0]
    ones = tf.ones(tf.shape(pcm), tf.float32)
    segments, weight = (
        tf.reshape(tf.pad(one, [[0, padding]]), (count, samples))
        for one in (pcm, ones)
    )
    return segments, cut, weight


def cut_joined(recordings: dict, window: Window, place, xp) -> tuple:
    """A batch of clips of recordings from `numpy_corpus.joined_recordings`.

    `place`, int32 `(batch, 2)`, is the recording, and its frame from which on
    the clip is in the loss; `xp` is `numpy` or `keras.ops`, whichever the
    arrays are of.

    Returns:
        Inputs, the audio once more, and the weight, `(batch, samples)`.
    """
    number, start_frame = place[:, 0], place[:, 1]
    length, frames, first_sample, first_frame = (
        xp.take(recordings[name], number)
        for name in ("lengths", "frames", "first_sample", "first_frame")
    )
    wanted = window.frame_places(start_frame, xp)
    rows = first_frame[:, None] + xp.minimum(wanted, frames[:, None] - 1)
    inputs = {
        key: xp.take(values, rows if values.ndim > 1 else number, axis=0)
        for key, values in recordings["features"].items()
    }
    position = window.sample_places(start_frame, xp)
    end = length[:, None]
    sample = first_sample[:, None] + xp.minimum(position, end - 1)
    pcm = xp.take(recordings["levels"], sample)
    pcm = xp.where(position < end, pcm, np.float32(0))
    audio = pcm / np.float32(32_768)
    weight = window.weight(start_frame, length, xp)
    return inputs | {"audio": audio}, audio, weight


class ClipSource(abc.ABC):
    """A prepared corpus, whatever its clips are read with.

    Attributes:
        card: The corpus card.
        contract: The acoustic contract, with statistics.
    """

    card: CorpusCard

    @property
    def contract(self) -> AudioContract:
        return self.card.contract

    def conditioning(self, wanted: Conditioning) -> Conditioning:
        """A preset's conditioning with this corpus's phones, speakers, pitch.

        Raises:
            UserError: If the corpus lacks what an input needs.
        """
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
    ):
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

        Returns:
            A `tf.data.Dataset` (`Corpus`) or a `keras.utils.PyDataset`
            (`NumpyCorpus`).

        Raises:
            UserError: If a length cannot be.
        """
        shape = (clip_length, context_frames, lookahead_frames, batch_size)
        window = Window.of(self.contract, *shape)
        return self._training_clips(window, batch_size, seed, first_batch)

    def validation_clips(
        self,
        clip_length: int,
        context_frames: int,
        lookahead_frames: int,
        batch_size: int,
    ):
        """All clips of the validation recordings, once, in order.

        The clips do not overlap in what counts, and every sample counts. The
        last batch is filled up with clips of weight zero. For the arguments
        see `training_clips`.

        Raises:
            UserError: If a length cannot be.
        """
        shape = (clip_length, context_frames, lookahead_frames, batch_size)
        window = Window.of(self.contract, *shape)
        return self._validation_clips(window, batch_size)

    @abc.abstractmethod
    def _training_clips(
        self, window: Window, batch_size: int, seed: int, first_batch: int
    ): ...

    @abc.abstractmethod
    def _validation_clips(self, window: Window, batch_size: int): ...
