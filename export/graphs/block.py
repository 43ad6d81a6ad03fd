"""One block of a student's audio as a graph of noise and state."""

import tensorflow as tf

from pwavenet_tf.export.graphs.features import feature_specs
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import FlowState, Synthesizer


class BlockGraph(tf.Module):
    """A block of a student's audio, with the state before and after it.

    The student is in float32; any number of rows, or of frames of the block,
    is None. `synthesize` is a `tf.function` of keyword arguments: the features
    that the student reads, over the block and the look-ahead on either side,
    `noise`, `state_past` and `state_newest`. It returns `audio`, `state_past`
    and `state_newest` by name. `specs` are those of its inputs, by name;
    integers are int32.
    """

    def __init__(
        self,
        student: ParallelWaveNet,
        batch: int | None,
        block_frames: int | None,
    ) -> None:
        super().__init__()
        synthesizer = Synthesizer(student)
        # For tf.saved_model.save, which does not find Keras variables.
        self.weights = [variable.value for variable in student.variables]

        def synthesize(noise, state_past, state_newest, **features):
            state = FlowState(state_past, state_newest)
            audio, state = synthesizer.block_from_noise(state, features, noise)
            return {
                "audio": audio,
                "state_past": state.past,
                "state_newest": state.newest,
            }

        self.synthesize = tf.function(synthesize, autograph=False)
        frames = samples = None
        if block_frames is not None:
            frames = block_frames + 2 * synthesizer.context_frames
            samples = block_frames * student.audio.hop_length
        past, channels, newest = synthesizer.flows.state_sizes
        shapes = {
            name: (batch, frames, *spec.shape[2:])
            if spec.shape.rank == 3
            else (batch,)
            for name, spec in feature_specs(student).items()
        } | {
            "noise": (batch, samples),
            "state_past": (batch, past, channels),
            "state_newest": (batch, newest),
        }
        self.specs = {
            name: tf.TensorSpec(
                shape,
                tf.int32 if name in ("phones", "speaker") else tf.float32,
                name,
            )
            for name, shape in shapes.items()
        }
