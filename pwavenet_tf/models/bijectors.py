"""The student's flows as bijectors of TensorFlow Probability.

Separate from `flows`, because training does without TensorFlow Probability.
"""

from collections.abc import Callable

from keras import ops

from pwavenet_tf.audio.signal import de_emphasis, pre_emphasis
from pwavenet_tf.models.flows import affine_step, inverse_affine_step
from pwavenet_tf.models.tfp import tfb


class InverseAutoregressiveFlow(tfb.Bijector):
    """x_t = z_t · s_t + μ_t, with (μ_t, s_t) from z_<t (IAF, 1606.04934).

    Forward maps a whole series at once; ln|det ∂x/∂z| = Σ_t ln s_t. The
    inverse solves z = (x - μ(z)) / s(z) by substitution: because (μ_t, s_t)
    depend on the past only, z_n is final after pass n at the latest: the
    result is exact after as many passes as there are samples, and iteration
    stops as soon as a pass changes nothing.

    Args:
        location_and_log_scale: Maps a series `(batch, time)` to `(location,
            log_scale)`, each `(batch, time)`, such that position t depends on
            positions before t only.
        name: Name of the bijector.
    """

    def __init__(
        self,
        location_and_log_scale: Callable,
        name: str = "inverse_autoregressive_flow",
    ) -> None:
        parameters = dict(locals())
        super().__init__(
            forward_min_event_ndims=1, parameters=parameters, name=name
        )
        self.location_and_log_scale = location_and_log_scale

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _forward(self, z):
        location, log_scale = self.location_and_log_scale(z)
        return affine_step(z, location, ops.exp(log_scale))

    def _forward_log_det_jacobian(self, z):
        _, log_scale = self.location_and_log_scale(z)
        return ops.sum(log_scale, axis=-1)

    def _inverse(self, x):
        def is_changing(passes, change, z):
            # NaN is a change too: what is not final yet may overflow.
            return ops.logical_and(passes < ops.shape(x)[-1], change != 0.0)

        def substitute(passes, change, z):
            location, log_scale = self.location_and_log_scale(z)
            following = inverse_affine_step(x, location, ops.exp(-log_scale))
            change = ops.max(ops.abs(following - z))
            return passes + 1, change, following

        start = (0, ops.convert_to_tensor(float("inf")), ops.zeros_like(x))
        return ops.while_loop(is_changing, substitute, start)[-1]


class DeEmphasis(tfb.Bijector):
    """x_t = y_t + a x_{t-1}, 0 <= a < 1: from the flows' output to audio.

    Forward is the recursion, inverse is pre-emphasis. Each sample is shifted
    by a function of the past, so ln|det ∂x/∂y| = 0.
    """

    def __init__(self, coefficient: float) -> None:
        parameters = dict(locals())
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            parameters=parameters,
            name="de_emphasis",
        )
        self.coefficient = coefficient

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _forward(self, y):
        return de_emphasis(y, self.coefficient)

    def _inverse(self, x):
        return pre_emphasis(x, self.coefficient)

    def _forward_log_det_jacobian(self, y):
        return ops.zeros_like(y[..., 0])
