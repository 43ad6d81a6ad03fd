"""Likelihood of recordings under a model, and its calibration."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.distributions import Head
from pwavenet_tf.models.incremental import ChunkConditioner
from pwavenet_tf.models.inputs import Features, at_frames, require_features
from pwavenet_tf.models.inverse import CachedInverse, discretised_mass
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.models.wavenet import WaveNet

# The masses of the central intervals that calibration is measured at.
INTERVALS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CHUNK_FRAMES = 80


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a series of features is divided, in frames.

    Chunk i is computed in a window that starts `left` frames earlier, as far
    as any of its samples can see, and ends `right` frames later, as far as
    the upsampler looks ahead. All windows have one length, so they share one
    compiled computation.
    """

    left: int
    chunk: int
    right: int

    @classmethod
    def of(cls, model: WaveNet, chunk: int) -> "Windows":
        """The windows that make a model's chunks exact."""
        context_frames = model.conditioner.context_frames
        past = model.audio.frames(model.receptive_field)
        return cls(context_frames + past, chunk, context_frames)

    @property
    def length(self) -> int:
        """Frames of every window."""
        return self.left + self.chunk + self.right

    def over(
        self, samples: int, hop: int
    ) -> Iterator[tuple[np.ndarray, slice]]:
        """The windows of an utterance of so many samples, in order.

        Yields:
            The frames of each window, `(length,)`; and where its chunk lies in
            the window's samples, without what is beyond the utterance.
        """
        for wanted in range(0, -(-samples // hop), self.chunk):
            start = max(0, wanted - self.left)
            first = (wanted - start) * hop
            valid = min(self.chunk * hop, samples - wanted * hop)
            yield (
                np.arange(start, start + self.length),
                slice(first, first + valid),
            )


@dataclasses.dataclass(frozen=True)
class Score:
    """A model's score of some samples; scores add up.

    `nats` is the sum of -ln P(x_t | x_<t, c), infinite where the flows of a
    student can't be inverted: z then grows beyond all numbers. `inside` is for
    each of `INTERVALS` how many samples lie within the central interval of
    that mass; see `share_inside`.
    """

    nats: float
    samples: int
    inside: tuple[float, ...]

    def __add__(self, other: "Score") -> "Score":
        inside = map(sum, zip(self.inside, other.inside, strict=True))
        return Score(
            self.nats + other.nats, self.samples + other.samples, tuple(inside)
        )

    @property
    def nats_per_sample(self) -> float:
        """Mean of -ln P(x_t | x_<t, c)."""
        return self.nats / self.samples

    @property
    def bits_per_sample(self) -> float:
        """Mean of -log2 P(x_t | x_<t, c)."""
        return self.nats_per_sample / math.log(2)

    @property
    def calibration(self) -> dict[float, float]:
        """The fraction of the samples inside, by the mass of the interval."""
        return {
            mass: inside / self.samples
            for mass, inside in zip(INTERVALS, self.inside, strict=True)
        }

    @property
    def inside_50(self) -> float:
        """The fraction of the samples in the central 50 % interval."""
        return self.calibration[0.5]

    @property
    def inside_90(self) -> float:
        """The fraction of the samples in the central 90 % interval."""
        return self.calibration[0.9]


_NOTHING = Score(0.0, 0, (0.0,) * len(INTERVALS))


class _ChunkedLikelihood:
    """Scores recordings with a model, exactly and in constant memory.

    A subclass has `_chunks(audio, features)`, which yields `(time,)` each of
    ln P(x_t | x_<t, c), P(X < x_t) and P(X <= x_t), chunk by chunk.
    """

    def __init__(self, model: Teacher | ParallelWaveNet) -> None:
        self._model = model

    def __call__(self, audio: np.ndarray, features: Features) -> Score:
        """Scores a recording, every sample of it once.

        Args:
            audio: 16-bit PCM values `(time,)` in [-1, 1).
            features: Its own, as `require_features` takes them, without a
                batch axis. An encoding may be left out.

        Raises:
            UserError: If the features do not suit the model, or a teacher's
                probabilities are not finite.
        """
        total = _NOTHING
        for chunk in self._chunks(audio, features):
            total += _score(*chunk)
        if isinstance(self._model, Teacher) and not math.isfinite(total.nats):
            raise UserError(
                "the model gives probabilities that are not finite; its "
                "training has diverged, take an earlier checkpoint"
            )
        return total


class Likelihood(_ChunkedLikelihood):
    """The likelihood of a WaveNet.

    Args:
        teacher: The teacher.
        chunk_frames: Frames that are scored at a time. The result does not
            depend on it; for short recordings less is faster.
    """

    def __init__(
        self, teacher: WaveNet, chunk_frames: int = _CHUNK_FRAMES
    ) -> None:
        super().__init__(teacher)
        self._windows = Windows.of(teacher, min(chunk_frames, _CHUNK_FRAMES))
        self._probabilities = tf.function(
            lambda inputs: _probabilities(
                teacher.distribution(inputs), inputs["audio"]
            ),
            autograph=False,
        )

    def _chunks(self, audio, features):
        teacher = self._model
        features = require_features(
            teacher.conditioner.encoded_features(features, audio),
            teacher.audio,
            teacher.conditioning,
        )
        hop, frames = teacher.audio.hop_length, teacher.audio.frames(len(audio))
        hops = np.pad(audio, (0, frames * hop - len(audio))).reshape(-1, hop)
        for places, chunk in self._windows.over(len(audio), hop):
            pcm = hops[np.minimum(places, frames - 1)].reshape(1, -1)
            found = self._probabilities(
                at_frames(features, places) | {"audio": tf.constant(pcm)}
            )
            yield tuple(one.numpy()[0, chunk] for one in found)


class RecurrentLikelihood(_ChunkedLikelihood):
    """The likelihood of a SampleRNN, whose state goes from chunk to chunk."""

    def __init__(self, teacher: SampleRNN) -> None:
        super().__init__(teacher)
        # Whole frames of the top tier, as the state must have.
        whole = teacher.frame_sizes[0]
        whole //= math.gcd(whole, teacher.audio.hop_length)
        self._chunk = math.ceil(_CHUNK_FRAMES / whole) * whole
        self._condition = ChunkConditioner(
            teacher.layer_conditioning,
            teacher.conditioner,
            teacher.conditioner.context_frames,
        )

        def probabilities(audio, conditioning, state):
            parameters, state = teacher.continued(audio, conditioning, state)
            return _probabilities(teacher.head_class(parameters), audio), state

        self._probabilities = tf.function(probabilities, autograph=False)

    def _chunks(self, audio, features):
        teacher, hop = self._model, self._model.audio.hop_length
        features = require_features(
            features, teacher.audio, teacher.conditioning
        )
        samples = self._chunk * hop
        padded = np.pad(audio, (0, -len(audio) % samples))
        state = teacher.initial_state(1)
        for start in range(0, len(audio), samples):
            pcm = tf.constant(padded[None, start : start + samples])
            conditioning = self._condition(features, start // hop, self._chunk)
            found, state = self._probabilities(pcm, conditioning, state)
            valid = min(samples, len(audio) - start)
            yield tuple(one.numpy()[0, :valid] for one in found)


class StudentLikelihood(_ChunkedLikelihood):
    """The likelihood of a student, in bits of 16-bit PCM as a teacher's.

    One sample after the other; for one recording at a time two cores are not
    slower than for several.
    """

    def __init__(self, student: ParallelWaveNet) -> None:
        super().__init__(student)
        self._inverse = CachedInverse(student)

    def _chunks(self, audio, features):
        for pcm, found in self._inverse.chunks(audio, features):
            mass = discretised_mass(self._model, pcm, found)
            below, up_to = mass.cumulative
            yield mass.log_prob[0], below[0], up_to[0]


def likelihood_of(
    model: Teacher | ParallelWaveNet, longest: int
) -> Likelihood | RecurrentLikelihood | StudentLikelihood:
    """What scores recordings of at most `longest` samples with a model."""
    if isinstance(model, ParallelWaveNet):
        return StudentLikelihood(model)
    if isinstance(model, SampleRNN):
        return RecurrentLikelihood(model)
    return Likelihood(model, model.audio.frames(longest))


def share_inside(
    below: np.ndarray, up_to: np.ndarray, mass: float
) -> np.ndarray:
    """How much of each value lies in a distribution's central interval.

    The probability integral transform spreads a discrete value x evenly over
    [P(X < x), P(X <= x)] = [below, up_to] (Brockwell 2007); this is the share
    of that range within [(1 - mass) / 2, (1 + mass) / 2], in [0, 1] and of the
    shape of both. It needs no random numbers, and its expectation under the
    distribution itself is exactly `mass`.
    """
    lowest, highest = 0.5 - mass / 2, 0.5 + mass / 2
    width = up_to - below
    overlap = np.minimum(up_to, highest) - np.maximum(below, lowest)
    # A value too improbable for the type of the numbers is a point.
    is_point = width <= 0
    point = (below >= lowest) & (below <= highest)
    share = np.maximum(overlap, 0) / np.where(is_point, 1, width)
    return np.where(is_point, point, share)


def _probabilities(distribution: Head, audio) -> tuple:
    return (distribution.log_prob(audio), *distribution.cumulative(audio))


def _score(log_prob: np.ndarray, below: np.ndarray, up_to: np.ndarray) -> Score:
    below, up_to = below.astype(np.float64), up_to.astype(np.float64)
    return Score(
        nats=-float(log_prob.sum(dtype=np.float64)),
        samples=len(log_prob),
        inside=tuple(
            float(share_inside(below, up_to, mass).sum()) for mass in INTERVALS
        ),
    )
