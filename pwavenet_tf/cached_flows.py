"""The student's flows, one sample after the other."""

import tensorflow as tf

from pwavenet_tf.cached_blocks import CachedBlocks, CachedState, dense
from pwavenet_tf.student import ParallelWaveNet


class CachedFlows:
    """The networks of all flows as a step from one sample to the next.

    (μ^i_t, ln s^i_t) depend on x^{i-1}_<t alone, on no flow's present: so the
    parameters of all flows come from one step, before x_t is looked at.

    Its methods are for graphs. The weights are float32, whatever precision
    the student was trained in.

    Args:
        student: The student.
    """

    def __init__(self, student: ParallelWaveNet) -> None:
        self.networks = student.networks
        self.blocks = CachedBlocks([n.stack for n in self.networks])
        self.weights = self.blocks.weights
        self.projected = self.blocks.projected

    def initial_state(self, batch: int) -> CachedState:
        """The state before the first sample: silence.

        `newest` is what each flow reads, x^0 to x^{n-1}, and the sample of
        audio: `(flows + 1, batch)`.
        """
        newest = tf.zeros((len(self.networks) + 1, batch))
        rings = self.blocks.initial_rings(batch)
        return CachedState(rings, newest, tf.constant(0))

    def step(self, state: CachedState, added, weights: dict):
        """The parameters of all flows at the next sample, and the rings.

        Args:
            state: Everything up to the sample before.
            added: What `projected` gave for this step.
            weights: From `weights`.

        Returns:
            For each flow `(location, log_scale)`, each `(batch,)`, and the
            new rings.
        """
        newest = [x[:, tf.newaxis] for x in tf.unstack(state.newest)[:-1]]
        walked = self.blocks.walk(newest, state, added, weights)
        parameters = []
        for network, x in zip(self.networks, walked.residuals, strict=True):
            x = tf.nn.relu(dense(network.before_output, tf.nn.relu(x)))
            pair = dense(network.output_pair, x)
            parameters.append(network.location_and_log_scale(pair))
        return parameters, walked.rings
