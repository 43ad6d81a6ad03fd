"""KL(student ‖ teacher) by probability density distillation.

KL = H(P_S, P_T) - H(P_S) (1711.10433, section 3.1), per sample and in nats.
"""

import keras
from keras import ops

from pwavenet_tf.distributions import ContinuousHead
from pwavenet_tf.noise_families import NoiseFamily
from pwavenet_tf.ops import LOG_BIN_WIDTH
from pwavenet_tf.replicas import Key

# Inner draws that are in memory at one time.
_DRAWS_AT_ONCE = 4

# Keeps the chunks' keys apart from those of other generators.
_KEY_STEP = 1_000_003


def entropy(log_scale, noise: type[NoiseFamily]):
    """H of the student at each sample, analytic: ln s and the noise's own.

    Args:
        log_scale: ln s_tot, `(batch, time)`.
        noise: The student's noise.

    Returns:
        `(batch, time)`, nats.
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

    Given the teacher's distributions along one student sample, draws
    `inner_samples` fresh x̃ = μ_tot + s_tot · ε at every timestep and
    averages -ln p_T(x̃ | x_<t). Unbiased, and of lower variance than scoring
    x itself. x̃ is neither rounded nor clipped, so the gradient reaches μ_tot
    and s_tot; through the teacher's parameters it reaches x_<t.

    A few draws are made at a time, and their gradient is added up on the
    way: memory does not grow with `inner_samples`.

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`.
        location: μ_tot, `(batch, time)`.
        log_scale: ln s_tot, `(batch, time)`.
        noise: The student's noise.
        inner_samples: Draws at each timestep.
        key: Decides the draws; from `keras.random.SeedGenerator.next`.

    Returns:
        `(batch, time)`, nats against the mass of a 16-bit level;
        differentiable once.
    """
    chunks, rest = divmod(inner_samples, _DRAWS_AT_ONCE)
    shape = ops.shape(location)

    @ops.custom_gradient
    def estimate(location, log_scale, parameters):
        head, scale = type(teacher)(parameters), ops.exp(log_scale)

        def add(index, sums, draws=_DRAWS_AT_ONCE):
            uniforms = keras.random.uniform(
                (draws, *shape), dtype="float32", seed=_key_of_chunk(key, index)
            )
            inner = noise.from_uniforms(uniforms)
            value, by_x, by_parameters = head.log_prob_and_slopes(
                location + scale * inner
            )
            added = (
                ops.sum(value, axis=0),
                ops.sum(by_x, axis=0),
                ops.sum(by_x * inner, axis=0) * scale,
                by_parameters,
            )
            return tuple(a - b for a, b in zip(sums, added, strict=True))

        sums = (*[ops.zeros_like(location)] * 3, ops.zeros_like(parameters))
        sums = ops.fori_loop(0, chunks, add, sums)
        if rest:
            sums = add(chunks, sums, rest)
        value, *slopes = (one / inner_samples for one in sums)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            by_location, by_log_scale, by_parameters = slopes
            return (
                by_location * upstream,
                by_log_scale * upstream,
                by_parameters * ops.expand_dims(upstream, -1),
            )

        return value, gradient

    return estimate(location, log_scale, teacher.parameters)


def true_kl(cross_entropy, entropy):
    """KL in true nats per sample.

    The teacher gives the mass of a level-wide bin, the student a density:
    their difference is too large by -ln of the bin's width, 10.397 nats.
    """
    return cross_entropy - entropy + LOG_BIN_WIDTH


def _key_of_chunk(key, chunk) -> Key:
    offset = ops.stack([ops.cast(chunk, key.dtype) * _KEY_STEP, 0])
    return Key(key + ops.cast(offset, key.dtype))
