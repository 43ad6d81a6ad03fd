"""One block of a student's audio as a graph, the noise and the state given."""

import tensorflow as tf

from pwavenet_tf.export.graphs.features import feature_specs
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import FlowState, Synthesizer


class BlockGraph(tf.Module):
    """A block of a student's audio, with the state before and behind it.

    Args:
        student: The student, in float32.
        batch: Rows; any number of them, if None.
        block_frames: Frames of the block; any number of them, if None.

    Attributes:
        speak: Of `mel`, `phones`, `timing`, `pitch` and `speaker`, whichever
            the student reads, over the block and the context on either side,
            `noise`, `state_past` and `state_newest` it makes `audio`,
            `state_past` and `state_newest`, all by name.
        specs: Of all that it reads, by name; integers int32.
    """

    def __init__(
        self,
        student: ParallelWaveNet,
        batch: int | None,
        block_frames: int | None,
    ) -> None:
        super().__init__()
        voice = Synthesizer(student)
        # What tf.saved_model.save is to find; it knows no Keras variables.
        self.weights = [variable.value for variable in student.variables]

        def speak(noise, state_past, state_newest, **features):
            state = FlowState(state_past, state_newest)
            audio, state = voice.of_noise(state, features, noise)
            return {
                "audio": audio,
                "state_past": state.past,
                "state_newest": state.newest,
            }

        self.speak = tf.function(speak, autograph=False)
        window = samples = None
        if block_frames is not None:
            window = block_frames + 2 * voice.context_frames
            samples = block_frames * student.audio.hop_length
        reach, channels, count = voice.flows.state_sizes
        shapes = _window_shapes(student, batch, window) | {
            "noise": (batch, samples),
            "state_past": (batch, reach, channels),
            "state_newest": (batch, count),
        }
        self.specs = {
            name: tf.TensorSpec(
                shape,
                tf.int32 if name in ("phones", "speaker") else tf.float32,
                name,
            )
            for name, shape in shapes.items()
        }


def _window_shapes(student, batch, frames) -> dict[str, tuple]:
    return {
        name: (batch, frames, *spec.shape[2:])
        if spec.shape.rank == 3
        else (batch,)
        for name, spec in feature_specs(student).items()
    }
