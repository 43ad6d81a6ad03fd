"""KL(student ‖ teacher) at each sample, in closed form where there is one."""

from pwavenet_tf.distributions import ContinuousHead, Gaussian, Head
from pwavenet_tf.losses.gaussian_kl import gaussian_kl
from pwavenet_tf.losses.kl import cross_entropy, entropy, true_kl
from pwavenet_tf.noise_families import GaussianNoise, NoiseFamily


def has_closed_form(head: type[Head], noise: type[NoiseFamily]) -> bool:
    """Whether teacher and student are both Gaussian."""
    return head is Gaussian and noise is GaussianNoise


def divergence(
    teacher: ContinuousHead,
    location,
    log_scale,
    noise: type[NoiseFamily],
    inner_samples: int,
    key,
):
    """KL(p_S(x_t | z_<t) ‖ p_T(x_t | x_<t)).

    Args:
        teacher: p_T(x_t | x_<t), of shape `(batch, time)`.
        location: μ_tot, `(batch, time)`.
        log_scale: ln s_tot, `(batch, time)`.
        noise: The student's noise.
        inner_samples: Draws at each timestep, where draws are needed.
        key: Decides the draws; from `keras.random.SeedGenerator.next`.

    Returns:
        `(batch, time)`, true nats.
    """
    if has_closed_form(type(teacher), noise):
        return gaussian_kl(teacher, location, log_scale)
    crossed = cross_entropy(
        teacher, location, log_scale, noise, inner_samples, key
    )
    return true_kl(crossed, entropy(log_scale, noise))
