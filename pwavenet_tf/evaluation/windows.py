"""How a long recording is divided, so that the parts add up exactly."""

import dataclasses

from pwavenet_tf.teacher import WaveNet


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a series of features is divided, in frames.

    Chunk i is computed in a window that starts `left` frames earlier, as far
    as any of its samples can see, and ends `right` frames later, as far as
    the upsampler looks ahead. All windows have one length, so they share one
    compiled computation.
    """

    left: int
    chunk: int
    right: int

    @classmethod
    def of(cls, model: WaveNet, chunk: int) -> "Windows":
        """The windows that make a model's chunks exact."""
        context = model.conditioner.context_frames
        past = model.audio.frames(model.receptive_field)
        return cls(context + past, chunk, context)

    def start(self, index: int) -> int:
        """First frame of the window of chunk `index`."""
        return max(0, index * self.chunk - self.left)

    @property
    def length(self) -> int:
        """Frames of every window."""
        return self.left + self.chunk + self.right

    def count(self, frames: int) -> int:
        """Chunks that cover so many frames."""
        return -(-frames // self.chunk)
