"""KL(student ‖ teacher) by probability density distillation.

KL = H(P_S, P_T) - H(P_S) (1711.10433, section 3.1), per sample and in nats.
"""

import keras
from keras import ops

from pwavenet_tf.distributions import Head
from pwavenet_tf.ops import LOG_BIN_WIDTH, standard_logistic


def entropy(log_scale):
    """H of the student's logistic at each sample: ln s + 2, analytic.

    Args:
        log_scale: ln s_tot, `(batch, time)`.

    Returns:
        `(batch, time)`, nats.
    """
    return log_scale + 2.0


def cross_entropy(teacher: Head, location, log_scale, inner_samples: int, seed):
    """Estimates H(p_S(x_t | z_<t), p_T(x_t | x_<t)) at each sample.

    Given the teacher's distributions along one student sample, draws
    `inner_samples` fresh x̃ = μ_tot + s_tot · ε at every timestep and
    averages -ln p_T(x̃ | x_<t). Unbiased, and of lower variance than scoring
    x itself. x̃ is neither rounded nor clipped, so the gradient reaches μ_tot
    and s_tot; through the teacher's parameters it reaches x_<t.

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`, continuous.
        location: μ_tot, `(batch, time)`.
        log_scale: ln s_tot, `(batch, time)`.
        inner_samples: Draws at each timestep.
        seed: An integer or a `keras.random.SeedGenerator`.

    Returns:
        `(batch, time)`, nats against the mass of a 16-bit level.
    """
    uniform = keras.random.uniform(
        (inner_samples, *ops.shape(location)), dtype="float32", seed=seed
    )
    x = location + ops.exp(log_scale) * standard_logistic(uniform)
    return -ops.mean(teacher.log_prob_unbounded(x), axis=0)


def true_kl(cross_entropy, entropy):
    """KL in true nats per sample.

    The teacher gives the mass of a level-wide bin, the student a density:
    their difference is too large by -ln of the bin's width, 10.397 nats.
    """
    return cross_entropy - entropy + LOG_BIN_WIDTH
