"""The student's exact likelihood, by a cached sequential inverse.

A student draws in parallel, but to say how probable given audio is, its flows
must be inverted, x^{i-1}_t = (x^i_t - μ^i_t) / s^i_t, and the parameters at t
need x^{i-1}_<t: one sample after the other, at a cost of O(layers) each.

The step before decides on the next, as in any recursive filter, and flows may
be such that it is unstable: a rounding error of x, or the noise of a recording
that is unlike the student's, then grows from sample to sample. What is found
is always the exact noise of audio within rounding of what was given, but for
such a student that noise may be without bounds and the audio's density zero.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pwavenet_tf.audio.signal import HALF_BIN, HIGHEST_LEVEL, LOWEST_LEVEL
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.incremental import CachedFlows, CachedState, ToldFrames
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    is_single,
    require_features,
)


class LevelMass:
    """A continuous distribution's masses at the levels of given audio.

    A level has the mass of its bin, the lowest and the highest one with the
    tails, as the teacher's heads have it; so their bits compare.

    Args:
        levels: 16-bit levels in [-1, 1), `(...)`.
        location: μ, of the same shape.
        log_scale: ln s, of the same shape.
        log_cdf: ln F of the standard distribution, which is symmetric about
            zero.
    """

    def __init__(
        self,
        levels: np.ndarray,
        location: np.ndarray,
        log_scale: np.ndarray,
        log_cdf: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        levels = np.asarray(levels, np.float64)
        scale = np.exp(np.asarray(log_scale, np.float64))
        centred = levels - location
        self._log_cdf = log_cdf
        is_lowest = levels < LOWEST_LEVEL + HALF_BIN
        is_highest = levels > HIGHEST_LEVEL - HALF_BIN
        with np.errstate(all="ignore"):
            lower = (centred - HALF_BIN) / scale
            upper = (centred + HALF_BIN) / scale
        self._lower = np.where(is_lowest, -np.inf, lower)
        self._upper = np.where(is_highest, np.inf, upper)

    @property
    def log_prob(self) -> np.ndarray:
        """ln P of each level, nats; what is beyond all bounds is -inf."""
        # In the lower tail, or mirrored into it, ln F keeps its precision.
        mirror = self._lower + self._upper > 0
        near = np.where(mirror, -self._lower, self._upper)
        far = np.where(mirror, -self._upper, self._lower)
        with np.errstate(all="ignore"):
            log_near = self._log_cdf(near)
            share = -np.expm1(self._log_cdf(far) - log_near)
            log_prob = log_near + np.log(share)
        return np.where(np.isnan(log_prob), -np.inf, log_prob)

    @property
    def cumulative(self) -> tuple[np.ndarray, np.ndarray]:
        """P(X < level) and P(X <= level) at each level.

        Where that is no number, zeros: such a level is outside of anything.
        """
        below, up_to = (
            np.nan_to_num(np.exp(self._log_cdf(edge)))
            for edge in (self._lower, self._upper)
        )
        return below, up_to


class Inverted(NamedTuple):
    """What the student makes of given audio, each `(batch, time)`.

    Attributes:
        noise: z, which the flows would have made this audio of.
        location: μ_tot, given x_<t.
        log_scale: ln s_tot, given x_<t.
    """

    noise: tf.Tensor
    location: tf.Tensor
    log_scale: tf.Tensor


def log_density(student: keras.Model, found: Inverted) -> np.ndarray:
    """ln p(x_t | x_<t) as a density, `(batch, time)`, nats."""
    density = student.noise_family.log_prob(found.noise) - found.log_scale
    return density.numpy()


def level_mass(
    student: keras.Model, audio: np.ndarray, found: Inverted
) -> LevelMass:
    """p(x_t | x_<t) over 16-bit levels, which compares with a teacher's.

    Args:
        student: The student.
        audio: 16-bit levels, `(batch, time)`.
        found: What was found of this audio.
    """
    location, log_scale = found.location.numpy(), found.log_scale.numpy()
    return LevelMass(audio, location, log_scale, student.noise_family.log_cdf)


class CachedInverse:
    """Inverts a student's flows along given audio.

    Args:
        student: A built `ParallelWaveNet`. Every call reads its weights
            again.
        chunk_frames: Frames inverted by one run of the compiled loop. Memory
            depends on it, the result does not.
        jit_compile: Compile the loop with XLA: some seconds for each new
            batch size.
    """

    def __init__(
        self,
        student: keras.Model,
        chunk_frames: int = 40,
        jit_compile: bool = True,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.chunk_frames = chunk_frames
        self.flows = CachedFlows(student)
        self.initial_state = self.flows.initial_state
        self.told = ToldFrames(student.conditioner, student.conditioner)
        self._invert = tf.function(self._loop, jit_compile=jit_compile)

    def log_prob(self, audio: np.ndarray, features: Features) -> np.ndarray:
        """ln of the density of whole recordings.

        Args:
            audio: `(batch, time)`, any real numbers.
            features: What the student reads, normalised as its contract says,
                for as many frames; a mel spectrogram may stand alone.

        Returns:
            `(batch,)`, nats; without a batch axis if the features have none.
            -inf where the noise grows beyond float32; see the module.

        Raises:
            UserError: If audio or features do not suit the student.
        """
        total = 0.0
        for _, found in self.chunks(audio, features, progress=True):
            density = log_density(self.student, found)
            total += density.sum(axis=-1, dtype=np.float64)
        total = np.where(np.isnan(total), -np.inf, total)
        return total[0] if is_single(features) else total

    def chunks(
        self, audio: np.ndarray, features: Features, progress: bool = False
    ) -> Iterator[tuple[np.ndarray, Inverted]]:
        """Yields audio and what was found of it, piece by piece.

        Args:
            audio: As in `log_prob`.
            features: As in `log_prob`.
            progress: Whether to show a bar.
        """
        features = require_features(
            features, self.contract, self.student.conditioning
        )
        batch, frames = batch_and_frames(features)
        audio = _require_audio(audio, batch, frames, self.contract.hop_length)
        samples = self.chunk_frames * self.contract.hop_length
        state = self.initial_state(batch)
        for start in tqdm(
            range(0, audio.shape[1], samples),
            desc="likelihood",
            leave=False,
            disable=None if progress else True,
        ):
            piece = audio[:, start : start + samples]
            steps = piece.shape[1]
            told = self.told(
                features, start // self.contract.hop_length, self.chunk_frames
            )
            # Always of one length, so that there is one compiled loop.
            padded = np.pad(piece, ((0, 0), (0, samples - steps)))
            found, state = self.invert(state, told, padded, steps)
            yield piece, Inverted(*(one[:, :steps] for one in found))

    def invert(
        self,
        state: CachedState,
        conditioning: dict,
        audio: np.ndarray,
        steps: int | None = None,
    ) -> tuple[Inverted, CachedState]:
        """Inverts the flows along some audio.

        Args:
            state: From `initial_state` or from the call before.
            conditioning: From `told`, for as many samples.
            audio: `(batch, time)`.
            steps: How many samples are wanted; zeros come for the others.

        Returns:
            What was found, and the state behind the last wanted sample.
        """
        steps = tf.constant(audio.shape[1] if steps is None else steps)
        audio = tf.convert_to_tensor(audio, tf.float32)
        return self._invert(state, conditioning, audio, steps)

    def _loop(self, state, told, audio, steps):
        weights = self.flows.weights()
        added = self.flows.projected(weights, told, state.position)
        audio, samples = tf.transpose(audio), audio.shape[1]
        outputs = tf.zeros((samples, len(Inverted._fields), audio.shape[1]))

        def advance(step, state, outputs):
            parameters, rings = self.flows.step(state, added(step), weights)
            before = self.contract.pre_emphasis * state.newest[-1]
            newest, found = _invert_sample(audio[step], before, parameters)
            outputs = tf.tensor_scatter_nd_update(
                outputs, [[step]], tf.stack(found)[tf.newaxis]
            )
            state = CachedState(rings, newest, state.position + 1)
            return step + 1, state, outputs

        _, state, outputs = tf.while_loop(
            lambda step, *_: step < steps,
            advance,
            (0, state, outputs),
            maximum_iterations=samples,
        )
        each = tf.unstack(tf.transpose(outputs, (1, 2, 0)))
        return Inverted(*each), state


def _invert_sample(audio, before, parameters):
    """What each flow reads and the audio; and the sum of all flows."""
    x, inputs = audio - before, [audio]
    for location, log_scale in reversed(parameters):
        x = (x - location) * tf.exp(-log_scale)
        inputs.insert(0, x)
    total_location = total_log_scale = tf.zeros_like(x)
    for location, log_scale in parameters:
        total_location = total_location * tf.exp(log_scale) + location
        total_log_scale += log_scale
    total_location += before
    return tf.stack(inputs), Inverted(x, total_location, total_log_scale)


def _require_audio(
    audio: np.ndarray, batch: int, frames: int, hop_length: int
) -> np.ndarray:
    audio = np.atleast_2d(np.asarray(audio, np.float32))
    if (
        audio.ndim != 2
        or len(audio) != batch
        or (-(-audio.shape[1] // hop_length) != frames)
    ):
        raise UserError(
            f"audio is {audio.shape}, but its features are of {batch} "
            f"recordings of {frames} frames, {frames * hop_length} samples; "
            "compute the features from this audio"
        )
    if not np.isfinite(audio).all():
        raise UserError(
            "the audio holds values that are not finite numbers; read it anew"
        )
    return audio
