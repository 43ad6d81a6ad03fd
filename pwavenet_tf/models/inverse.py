"""The student's exact likelihood, by a cached sequential inverse.

A student samples in parallel, but to compute the likelihood of given audio its
flows must be inverted, x^{i-1}_t = (x^i_t - μ^i_t) / s^i_t, and the parameters
at t need x^{i-1}_<t: one sample after the other, each at a cost of O(layers).

Each step depends on the one before, as in any recursive filter, which may be
unstable: a rounding error of x, or the noise of a recording that is unlike the
student's, then grows from sample to sample. The result is always the exact
noise of audio within rounding of the audio given, but for such a student that
noise may be unbounded and the density of the audio zero.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pwavenet_tf.audio.signal import HALF_BIN
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.models.distributions.head import at_edges
from pwavenet_tf.models.flows import affine_step, inverse_affine_step
from pwavenet_tf.models.incremental import (
    CachedFlows,
    CachedState,
    ChunkConditioner,
)
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    is_single,
    require_features,
)


class DiscretisedMass:
    """A continuous distribution, discretised to 16-bit PCM values.

    A value has the mass of its bin, the lowest and the highest one with the
    tails, as in the teacher's heads; so their bits compare. `log_cdf` is ln F
    of the standard distribution, which is symmetric about zero.
    """

    def __init__(
        self,
        audio: np.ndarray,
        location: np.ndarray,
        log_scale: np.ndarray,
        log_cdf: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        audio = np.asarray(audio, np.float64)
        scale = np.exp(np.asarray(log_scale, np.float64))
        centred = audio - location
        self._log_cdf = log_cdf
        is_lowest, is_highest = at_edges(audio)
        with np.errstate(all="ignore"):
            lower = (centred - HALF_BIN) / scale
            upper = (centred + HALF_BIN) / scale
        self._lower = np.where(is_lowest, -np.inf, lower)
        self._upper = np.where(is_highest, np.inf, upper)

    @property
    def log_prob(self) -> np.ndarray:
        """ln P of each sample, nats; -inf where it underflows."""
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
        """P(X < x) and P(X <= x) at each sample; zeros where that is NaN."""
        below, up_to = (
            np.nan_to_num(np.exp(self._log_cdf(edge)))
            for edge in (self._lower, self._upper)
        )
        return below, up_to


class Inversion(NamedTuple):
    """Noise and distribution of given audio, each `(batch, time)`.

    z, which the flows map to this audio; μ_tot and ln s_tot, given x_<t.
    """

    noise: tf.Tensor
    location: tf.Tensor
    log_scale: tf.Tensor


def log_density(student: keras.Model, inversion: Inversion) -> np.ndarray:
    """ln p(x_t | x_<t) as a density, `(batch, time)`, nats."""
    density = student.noise_family.log_prob(inversion.noise)
    density -= inversion.log_scale
    return density.numpy()


def discretised_mass(
    student: keras.Model, audio: np.ndarray, inversion: Inversion
) -> DiscretisedMass:
    """p(x_t | x_<t) over 16-bit PCM values, to compare with a teacher's.

    The audio, `(batch, time)`, is of PCM values, and the inversion its own.
    """
    return DiscretisedMass(
        audio,
        inversion.location.numpy(),
        inversion.log_scale.numpy(),
        student.noise_family.log_cdf,
    )


class CachedInverse:
    """Inverts the flows of a built student along given audio.

    Every call reads the weights again. Memory depends on `chunk_frames`, how
    many one call of the compiled loop inverts; the result does not. To compile
    the loop with XLA takes some seconds for each new batch size.
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
        self.condition = ChunkConditioner(
            student.condition, student.conditioner, student.context_frames
        )
        self._invert = tf.function(
            self._loop, jit_compile=jit_compile, autograph=False
        )

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
        total: np.ndarray = np.zeros(())
        for _, inversion in self.chunks(audio, features, progress=True):
            density = log_density(self.student, inversion)
            total = total + density.sum(axis=-1, dtype=np.float64)
        total = np.where(np.isnan(total), -np.inf, total)
        return total[0] if is_single(features) else total

    def chunks(
        self, audio: np.ndarray, features: Features, progress: bool = False
    ) -> Iterator[tuple[np.ndarray, Inversion]]:
        """Yields audio and its inversion, chunk by chunk; see `log_prob`."""
        features = require_features(
            self.student.conditioner.encoded_features(features, audio),
            self.contract,
            self.student.conditioning,
        )
        batch, frames = batch_and_frames(features)
        audio = _require_audio(audio, batch, frames, self.contract.hop_length)
        samples = self.chunk_frames * self.contract.hop_length
        state = self.initial_state(batch)
        starts: Iterable[int] = range(0, audio.shape[1], samples)
        if progress:
            starts = Bar(starts, desc="likelihood", leave=False, unit="chunk")
        for start in starts:
            chunk = audio[:, start : start + samples]
            steps = chunk.shape[1]
            conditioning = self.condition(
                features, start // self.contract.hop_length, self.chunk_frames
            )
            # All chunks have one length, so that one loop is compiled.
            padded = np.pad(chunk, ((0, 0), (0, samples - steps)))
            inversion, state = self.invert(state, conditioning, padded, steps)
            yield chunk, Inversion(*(one[:, :steps] for one in inversion))

    def invert(
        self,
        state: CachedState,
        conditioning: dict,
        audio: np.ndarray,
        steps: int | None = None,
    ) -> tuple[Inversion, CachedState]:
        """Inverts the flows along some audio, `(batch, time)`.

        From the initial state or that of the call before, and the conditioning
        of as many samples. Those after the first `steps` give zeros. With it
        comes the state after the last inverted sample.
        """
        steps = tf.constant(audio.shape[1] if steps is None else steps)
        audio = tf.convert_to_tensor(audio, tf.float32)
        return self._invert(state, conditioning, audio, steps)

    def _loop(self, state, conditioning, audio, steps):
        weights = self.flows.weights()
        added = self.flows.projected(weights, conditioning, state.position)
        audio, samples = tf.transpose(audio), audio.shape[1]
        outputs = tf.zeros((samples, len(Inversion._fields), audio.shape[1]))

        def advance(step, state, outputs):
            parameters, rings = self.flows.step(state, added(step), weights)
            before = self.contract.pre_emphasis * state.newest[-1]
            inputs, inversion = _invert_sample(audio[step], before, parameters)
            outputs = tf.tensor_scatter_nd_update(
                outputs, [[step]], tf.stack(inversion)[tf.newaxis]
            )
            newest = self.flows.newest(state, inputs)
            state = CachedState(rings, newest, state.position + 1)
            return step + 1, state, outputs

        _, state, outputs = tf.while_loop(
            lambda step, *_: step < steps,
            advance,
            (0, state, outputs),
            maximum_iterations=samples,
        )
        each = tf.unstack(tf.transpose(outputs, (1, 2, 0)))
        return Inversion(*each), state


def _invert_sample(audio, before, parameters):
    """The input of each flow and the audio; and the composition of all."""
    x, inputs = audio - before, [audio]
    for location, log_scale in reversed(parameters):
        x = inverse_affine_step(x, location, tf.exp(-log_scale))
        inputs.insert(0, x)
    total_location = total_log_scale = tf.zeros_like(x)
    for location, log_scale in parameters:
        scale = tf.exp(log_scale)
        total_location = affine_step(total_location, location, scale)
        total_log_scale += log_scale
    total_location += before
    return inputs, Inversion(x, total_location, total_log_scale)


def _require_audio(
    audio: np.ndarray, batch: int, frames: int, hop_length: int
) -> np.ndarray:
    audio = np.atleast_2d(np.asarray(audio, np.float32))
    samples = frames * hop_length
    if audio.ndim != 2 or not (
        len(audio) == batch and 0 <= samples - audio.shape[1] < hop_length
    ):
        raise UserError(
            f"audio is {audio.shape}, but its features are of {batch} "
            f"recordings of {frames} frames, {samples} samples; "
            "compute the features from this audio"
        )
    if not np.isfinite(audio).all():
        raise UserError(
            "the audio holds values that are not finite numbers; read it again"
        )
    return audio
