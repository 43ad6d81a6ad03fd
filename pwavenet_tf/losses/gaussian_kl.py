"""KL between Gaussians in closed form: ClariNet's distillation."""

from keras import ops

from pwavenet_tf.distributions import Gaussian

# Narrower Gaussians than this count as this narrow in the KL, or two that
# are almost points, side by side, would outweigh all the rest.
_LOG_SCALE_FLOOR = -7.0

# λ of the regulariser.
_REGULARISER_WEIGHT = 4.0


def gaussian_kl(teacher: Gaussian, location, log_scale):
    """KL(q ‖ p) of the student's q against the teacher's p (1807.07281, 3.2).

    ln σ_p - ln σ_q + (σ_q² - σ_p² + (μ_p - μ_q)²) / 2σ_p², with both
    log-scales held at -7 or above. No inner draws are needed.

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`.
        location: μ_q, `(batch, time)`.
        log_scale: ln σ_q, `(batch, time)`.

    Returns:
        `(batch, time)`, nats; 0 where both agree.
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

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`.
        log_scale: ln σ_q, `(batch, time)`.

    Returns:
        `(batch, time)`; 0 where both agree.
    """
    return _REGULARISER_WEIGHT * ops.square(teacher.log_scale - log_scale)
