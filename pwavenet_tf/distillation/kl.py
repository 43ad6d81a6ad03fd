"""KL(student ‖ teacher) by probability density distillation.

KL(P_S ‖ P_T) = H(P_S, P_T) - H(P_S) (1711.10433, section 3.1), per sample and
in nats: by sampling, in closed form between Gaussians, and the contrastive
term (section 4.3), by which another clip's conditioning must fit worse. All
that is given along a student sample and returned is `(batch, time)`: μ_tot and
ln s_tot, and the teacher's p_T(x_t | x_<t).
"""

from typing import cast

import keras
from keras import ops

from pwavenet_tf.audio.signal import LOG_BIN_WIDTH
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import Key
from pwavenet_tf.models.distributions import ContinuousHead, Gaussian, Head
from pwavenet_tf.models.noise import GaussianNoise, NoiseFamily

# Inner samples that are in memory at one time.
_SAMPLES_AT_ONCE = 4

# Keeps the chunks' keys distinct from those of other generators.
_KEY_STEP = 1_000_003

# Narrower Gaussians are widened to this in the KL, or two that are almost
# points next to each other would outweigh everything else.
_LOG_SCALE_FLOOR = -7.0

# λ of the regulariser between Gaussians.
_REGULARISER_WEIGHT = 4.0


def entropy(log_scale, noise: type[NoiseFamily]):
    """H(p_S(x_t | z_<t)) in nats, analytic: ln s_tot + H of the noise.

    Over a clip, H(P_S) = E_z Σ_t ln s_tot + 2T where the noise is logistic.
    """
    return log_scale + noise.entropy


def cross_entropy(
    teacher: ContinuousHead,
    location,
    log_scale,
    noise: type[NoiseFamily],
    inner_samples: int,
    key,
):
    """Estimates H(p_S(x_t | z_<t), p_T(x_t | x_<t)) at each sample.

    Σ_t E_{P_S(x_<t)} of it is H(P_S, P_T). Given the teacher's distributions
    along one student sample, takes `inner_samples` samples
    x̃ = μ_tot + s_tot · ε at every timestep and averages -ln p_T(x̃ | x_<t),
    in nats against the mass of a 16-bit bin. Unbiased, and of lower variance
    than scoring x itself. x̃ is neither rounded nor clipped, so the gradient,
    of first order only, reaches μ_tot and s_tot; through the teacher's
    parameters it reaches x_<t.

    A few samples are taken at a time, and their gradient is accumulated in
    the forward pass: memory does not grow with `inner_samples`.

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`.
        location: μ_tot, `(batch, time)`.
        log_scale: ln s_tot, `(batch, time)`.
        noise: The student's noise.
        inner_samples: Samples at each timestep.
        key: From `keras.random.SeedGenerator.next`.

    Returns:
        `(batch, time)`.
    """
    chunks, rest = divmod(inner_samples, _SAMPLES_AT_ONCE)
    shape = ops.shape(location)

    @ops.custom_gradient
    def estimate(location, log_scale, parameters):
        head, scale = type(teacher)(parameters), ops.exp(log_scale)

        def add(index, sums, count=_SAMPLES_AT_ONCE):
            uniforms = keras.random.uniform(
                (count, *shape), dtype="float32", seed=_key_of_chunk(key, index)
            )
            inner = noise.from_uniforms(uniforms)
            log_prob, by_x, by_parameters = head.log_prob_and_gradients(
                location + scale * inner
            )
            # Of -ln p, and its gradients by location, log-scale, parameters.
            value, of_location, of_log_scale, of_parameters = sums
            return (
                value - ops.sum(log_prob, axis=0),
                of_location - ops.sum(by_x, axis=0),
                of_log_scale - ops.sum(by_x * inner, axis=0) * scale,
                of_parameters - by_parameters,
            )

        sums = (*[ops.zeros_like(location)] * 3, ops.zeros_like(parameters))
        sums = ops.fori_loop(0, chunks, add, sums)
        if rest:
            sums = add(chunks, sums, rest)
        value, *gradients = (one / inner_samples for one in sums)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            by_location, by_log_scale, by_parameters = gradients
            return (
                by_location * upstream,
                by_log_scale * upstream,
                by_parameters * ops.expand_dims(upstream, -1),
            )

        return value, gradient

    return estimate(location, log_scale, teacher.parameters)


def true_kl(cross_entropy, entropy):
    """KL in true nats per sample.

    The teacher gives the mass of a 16-bit bin, the student a density:
    their difference is too large by -ln of the bin's width, 10.397 nats.
    """
    return cross_entropy - entropy + LOG_BIN_WIDTH


def _key_of_chunk(key, chunk) -> Key:
    offset = ops.stack([ops.cast(chunk, key.dtype) * _KEY_STEP, 0])
    return Key(key + ops.cast(offset, key.dtype))


def gaussian_kl(teacher: Gaussian, location, log_scale):
    """KL(q ‖ p) of the student's q against the teacher's p (1807.07281, 3.2).

    ln σ_p - ln σ_q + (σ_q² - σ_p² + (μ_p - μ_q)²) / 2σ_p², with both
    log-scales held at -7 or above; 0 where both agree. No inner samples are
    needed.
    """
    own = ops.maximum(log_scale, _LOG_SCALE_FLOOR)
    theirs = ops.maximum(teacher.log_scale, _LOG_SCALE_FLOOR)
    distance = (teacher.location - location) * ops.exp(-theirs)
    spread = ops.expm1(2.0 * (own - theirs)) + ops.square(distance)
    return theirs - own + 0.5 * spread


def scale_regulariser(teacher: Gaussian, log_scale):
    """λ (ln σ_p - ln σ_q)², λ = 4, of the log-scales as they are.

    It keeps the KL from being steep wherever the student is far too narrow
    or the teacher very sure (1807.07281, equation 7).
    """
    return _REGULARISER_WEIGHT * ops.square(teacher.log_scale - log_scale)


def has_closed_form(head: type[Head], noise: type[NoiseFamily]) -> bool:
    """Whether teacher and student are both Gaussian."""
    return issubclass(head, Gaussian) and noise is GaussianNoise


def divergence(
    teacher: ContinuousHead,
    location,
    log_scale,
    noise: type[NoiseFamily],
    inner_samples: int,
    key,
):
    """KL(p_S(x_t | z_<t) ‖ p_T(x_t | x_<t)) in true nats.

    In closed form where there is one, else by `cross_entropy`.
    """
    if has_closed_form(type(teacher), noise):
        return gaussian_kl(cast(Gaussian, teacher), location, log_scale)
    crossed = cross_entropy(
        teacher, location, log_scale, noise, inner_samples, key
    )
    return true_kl(crossed, entropy(log_scale, noise))


def mismatched(inputs: dict) -> dict:
    """Each clip's conditioning replaced by the previous clip's, cyclically."""
    if any(values.shape[0] == 1 for values in inputs.values()):
        raise UserError(
            "the contrastive loss needs the conditioning of another clip "
            "of the batch, but there is one clip in it; train with "
            "batch_size 2 or more, or with contrastive=0"
        )
    return {name: ops.roll(values, 1, 0) for name, values in inputs.items()}
