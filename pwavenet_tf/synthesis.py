"""The student's parallel synthesis, in blocks that add up to one pass."""

import tensorflow as tf

from pwavenet_tf.ops import HIGHEST_LEVEL, LOWEST_LEVEL
from pwavenet_tf.streamed_flows import FlowState, StreamedFlows
from pwavenet_tf.streaming import StreamedVoice
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.told_frames import ToldFrames


class Synthesizer(StreamedVoice):
    """Turns features, usually mel spectrograms, into audio with a student.

    Args:
        student: The student.
        chunk_frames: Frames computed at a time. Memory depends on it and not
            on the length of the input; the result does not depend on it.
        jit_compile: Compile the computation of a chunk with XLA: some
            seconds for each new batch size, then faster.

    Example:
        synthesizer = Synthesizer(keras.saving.load_model("student.keras"))
        audio = synthesizer(mel, seed=1)
    """

    def __init__(
        self,
        student: ParallelWaveNet,
        chunk_frames: int = 160,
        jit_compile: bool = False,
    ) -> None:
        self.student = student
        self.contract = student.audio
        self.conditioning = student.conditioning
        self.chunk_frames = chunk_frames
        self.whole_blocks = jit_compile
        self.flows = StreamedFlows(student)
        self._told = ToldFrames(student.conditioner, student.conditioner)
        self.context_frames = self._told.context_frames
        self._advance = tf.function(
            self.block, jit_compile=jit_compile, reduce_retracing=True
        )

    def initial_state(self, batch: int) -> FlowState:
        """The state before the first sample of so many rows."""
        return self.flows.initial_state(batch)

    def advance(self, state, window, uniforms, temperature):
        """The audio of a block and the state behind it; see `StreamedVoice`."""
        temperature = tf.constant(temperature, tf.float32)
        return self._advance(state, window, uniforms[..., 0], temperature)

    def block(
        self,
        state: FlowState,
        window: dict,
        uniforms: tf.Tensor,
        temperature: tf.Tensor,
        counted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `advance`, for graphs.

        Args:
            state: Behind the block before.
            window: Features of the block and `context_frames` around it.
            uniforms: `(batch, time)`.
            temperature: float32, of all rows, or `(batch, 1)`.
            counted: As `StreamedFlows` takes it.
        """
        noise = temperature * self.student.noise_family.from_uniforms(uniforms)
        return self.of_noise(state, window, noise, counted)

    def of_noise(
        self,
        state: FlowState,
        window: dict,
        noise: tf.Tensor,
        counted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, FlowState]:
        """As `block`, from noise `(batch, time)` times the temperature."""
        told = self._told.of_window(window)
        audio, state = self.flows(state, told, noise, counted)
        return tf.clip_by_value(audio, LOWEST_LEVEL, HIGHEST_LEVEL), state
