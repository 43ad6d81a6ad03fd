"""The student's flows as TensorFlow Probability bijectors."""

from collections.abc import Callable

from keras import ops

from pwavenet_tf.ops import de_emphasis, pre_emphasis
from pwavenet_tf.substrate import tfb


class InverseAutoregressiveFlow(tfb.Bijector):
    """x_t = z_t · s_t + μ_t, with (μ_t, s_t) from z_<t (IAF, 1606.04934).

    Forward turns a whole series at once; ln|det ∂x/∂z| = Σ_t ln s_t. The
    inverse solves z = (x - μ(z)) / s(z) by substitution: because (μ_t, s_t)
    look only at the past, pass n settles z_n at the latest, so that it is
    exact after as many passes as there are samples, and it stops as soon as
    a pass changes nothing.

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
            forward_min_event_ndims=1,
            parameters=parameters,
            name=name,
        )
        self.location_and_log_scale = location_and_log_scale

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _forward(self, z):
        location, log_scale = self.location_and_log_scale(z)
        return z * ops.exp(log_scale) + location

    def _forward_log_det_jacobian(self, z):
        _, log_scale = self.location_and_log_scale(z)
        return ops.sum(log_scale, axis=-1)

    def _inverse(self, x):
        def unsettled(passes, change, z):
            # NaN counts as a change: what is not settled yet may overflow.
            return ops.logical_and(passes < ops.shape(x)[-1], change != 0.0)

        def substitute(passes, change, z):
            location, log_scale = self.location_and_log_scale(z)
            better = (x - location) * ops.exp(-log_scale)
            return passes + 1, ops.max(ops.abs(better - z)), better

        start = (0, ops.convert_to_tensor(float("inf")), ops.zeros_like(x))
        return ops.while_loop(unsettled, substitute, start)[-1]


class DeEmphasis(tfb.Bijector):
    """x_t = y_t + a x_{t-1}: what the flows generate, made audio.

    Forward is the recursion, inverse is pre-emphasis; each sample moves only
    by what is known of the past, so ln|det ∂x/∂y| = 0.

    Args:
        coefficient: a, 0 to below 1.
        name: Name of the bijector.
    """

    def __init__(self, coefficient: float, name: str = "de_emphasis") -> None:
        parameters = dict(locals())
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            parameters=parameters,
            name=name,
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
