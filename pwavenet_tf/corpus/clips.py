"""How utterances are cut into clips."""

import dataclasses

import numpy as np

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Window:
    """What a clip spans: context, the frames in the loss, look-ahead."""

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
        """Bytes of a clip of int16 levels and its largest feature."""
        return self.samples * 2 + self.frames * mels * 4

    def clips(self, frames):
        """How many clips cover so many frames, int or tensor."""
        return -(-frames // self.clip_frames)

    def cut(self, levels, features: dict, clips, lead) -> tuple:
        """Cuts one utterance into clips, in a graph.

        Args:
            levels: int16 `(time,)`.
            features: `(frames, channels)` each, and the speaker `()`.
            clips: How many clips.
            lead: Frames by which the first clip begins before the utterance:
                the loss of clip i covers `clip_frames` frames from frame
                `i * clip_frames - lead` on.

        Returns:
            Levels, int16 `(clips, samples)`; features, `(clips, frames,
            channels)` each, and the speaker `(clips,)`; and, each int32
            `(clips,)` in samples of the utterance, the clip's first sample,
            the first sample in the loss, and the utterance's length.
        """
        import tensorflow as tf

        length, frames = tf.shape(levels)[0], tf.shape(features["mel"])[0]
        start_frames = tf.range(clips) * self.clip_frames - lead
        first = tf.maximum(start_frames - self.context_frames, 0)
        wanted = first[:, None] + tf.range(self.frames)
        real = tf.clip_by_value(wanted, 0, frames - 1)
        hops = tf.reshape(
            tf.pad(levels, [[0, frames * self.hop_length - length]]),
            (frames, self.hop_length),
        )
        audio = tf.where(
            (wanted == real)[..., None], tf.gather(hops, real), np.int16(0)
        )
        return (
            tf.reshape(audio, (clips, self.samples)),
            {
                key: tf.gather(value, real)
                if value.shape.rank
                else tf.fill((clips,), value)
                for key, value in features.items()
            },
            first * self.hop_length,
            start_frames * self.hop_length,
            tf.fill((clips,), length),
        )

    def weight(self, first_sample, start_sample, samples):
        """The loss mask, float32 `(batch, samples)`.

        It is 1 on samples of the utterance that are in the clip's loss, else
        0. The arguments are the last three results of `cut`, `(batch,)` each.
        """
        import tensorflow as tf

        position = first_sample[:, None] + tf.range(self.samples)
        start = start_sample[:, None]
        end = start + self.clip_frames * self.hop_length
        inside = (position >= start) & (position < end)
        return tf.cast(inside & (position < samples[:, None]), tf.float32)
