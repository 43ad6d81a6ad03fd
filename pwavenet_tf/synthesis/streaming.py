"""Sound from features as they come, the same as from all of them at once."""

import abc
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.inputs import (
    Features,
    Seed,
    at_frames,
    batch_and_frames,
    is_single,
    joined_frames,
    require_features,
    require_seed,
    require_temperature,
)
from pwavenet_tf.synthesis.noise import positional_uniforms


class StreamedVoice(abc.ABC):
    """A voice that goes on where it was, block after block.

    Attributes:
        contract: The acoustic contract of its model.
        conditioning: What its model is told.
        context_frames: Frames before and behind a block that it must see:
            the algorithmic look-ahead.
        chunk_frames: Frames that it speaks at a time, if nothing else is
            wanted.
        block_frames: The same where the sound is to be heard soon.
        draws: Random numbers that it takes for a sample.
        whole_blocks: Whether blocks of another length cost a compilation, or
            cannot be.
    """

    contract: AudioContract
    conditioning: Conditioning
    context_frames: int
    chunk_frames: int
    # A tenth of a second or so, and not much dearer than long chunks.
    block_frames = 8
    draws = 1
    whole_blocks = True

    @abc.abstractmethod
    def initial_state(self, batch: int) -> Any:
        """The state before the first sample of so many rows."""

    @abc.abstractmethod
    def advance(
        self, state: Any, window: dict, uniforms: tf.Tensor, temperature: float
    ) -> tuple[np.ndarray | tf.Tensor, Any]:
        """The audio of a block, and the state behind it.

        Args:
            state: Behind the block before.
            window: Features of the block and `context_frames` around it.
            uniforms: `(batch, time, draws)`.
            temperature: Of the noise.
        """

    def __call__(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> np.ndarray:
        """Audio `(batch, time)` in [-1, 1).

        Args:
            features: What the model reads, `(batch, frames, channels)` each,
                normalised as its contract says; a mel spectrogram may stand
                alone. Without a batch axis they give audio without one.
            seed: The same seed gives the same audio: one integer, from which
                every row draws its own noise by its place, or one for each
                row, which then sounds as it would alone.
            temperature: Scales the noise: 1 samples from the model itself,
                less is smoother.

        Raises:
            UserError: If the features do not suit the model.
        """
        chunks = list(self.chunks(features, seed, temperature))
        audio = np.concatenate(chunks, axis=-1)
        return audio[0] if is_single(features) else audio

    def chunks(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> Iterator[np.ndarray]:
        """As a call, but yields `(batch, samples)` as it is computed."""
        return self.stream([features], seed, temperature)

    def stream(
        self,
        parts: Iterable[Features],
        seed: Seed = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """Yields audio `(batch, samples)` of features that come in parts.

        It is equal to that of the whole, in chunks of `chunk_frames` frames,
        each as soon as `context_frames` frames behind it are known. See
        `Stream` for features that cannot be waited for.

        Args:
            parts: Features as in a call, any number of frames each.
            seed: As in a call.
            temperature: As in a call.
        """
        return spoken(Stream(self, seed, temperature), parts)


class Stream:
    """One utterance, or a batch of them in step, spoken as its features come.

    Whatever the division of the features, the audio is that of the whole. A
    block is spoken as soon as its frames and the look-ahead are there, so the
    first audio comes after `first_audio_frames`. Memory does not depend on
    the length.

    Args:
        voice: What speaks.
        seed: The same seed gives the same audio; one integer, or one for
            each row, which then sounds as it would alone.
        temperature: 1 samples from the model itself, less is smoother.
        block_frames: Frames that are spoken at a time; the voice's own
            `chunk_frames`, if left out.

    Example:
        stream = Stream(Synthesizer(student), seed=1, block_frames=8)
        for mel in front_end:  # (frames, mels) each
            for audio in stream.feed(mel):
                play(audio[0])
        for audio in stream.end():
            play(audio[0])
    """

    def __init__(
        self,
        voice: StreamedVoice,
        seed: Seed = 0,
        temperature: float = 1.0,
        block_frames: int | None = None,
    ) -> None:
        self._seed = require_seed(seed)
        self._temperature = require_temperature(temperature)
        if block_frames is None:
            block_frames = voice.chunk_frames
        if block_frames < 1:
            raise UserError(
                f"a block of {block_frames} frames says nothing; choose 1 or "
                "more"
            )
        self._voice = voice
        self.block_frames = block_frames
        self._spoken = 0
        self._state: Any = None
        self._ended = False
        # Frames that are still needed, and the number of the first of them.
        self._held: dict[str, np.ndarray] = {}
        self._first_held = 0

    @property
    def look_ahead_frames(self) -> int:
        """Frames behind a sample's own that it depends on."""
        return self._voice.context_frames

    @property
    def first_audio_frames(self) -> int:
        """Frames after which the first audio comes."""
        return self.block_frames + self.look_ahead_frames

    def feed(self, features: Features) -> Iterator[np.ndarray]:
        """Takes the next frames, and gives the blocks that they complete.

        Args:
            features: Any number of frames, as `StreamedVoice` takes them. A
                speaker is heard in the first of them.

        Returns:
            Blocks, `(batch, block_frames * hop length)` each, in [-1, 1),
            computed as they are taken. What is not taken comes with the next
            ones.

        Raises:
            UserError: If they do not suit the model or what came before.
        """
        self._hold(features)
        return self._blocks()

    def end(self) -> Iterator[np.ndarray]:
        """Gives what is left when no more frames come, as `feed` does."""
        self._ended = True
        return self._blocks()

    def _blocks(self) -> Iterator[np.ndarray]:
        while self._known - self._spoken >= self.first_audio_frames:
            yield self._speak(self.block_frames)
        while self._ended and self._known > self._spoken:
            left = self._known - self._spoken
            yield self._speak(min(self.block_frames, left))

    @property
    def _known(self) -> int:
        if not self._held:
            return 0
        return self._first_held + batch_and_frames(self._held)[1]

    def _hold(self, features: Features) -> None:
        if self._ended:
            raise UserError(
                "this stream has been ended; begin another for what follows"
            )
        voice = self._voice
        if "speaker" in self._held:
            if not isinstance(features, Mapping):
                features = {"mel": features}
            features = {"speaker": self._held["speaker"]} | dict(features)
        found = require_features(features, voice.contract, voice.conditioning)
        if self._seed.ndim and len(self._seed) != batch_and_frames(found)[0]:
            raise UserError(
                f"there are {len(self._seed)} seeds for "
                f"{batch_and_frames(found)[0]} rows; give one for each, or one "
                "for all"
            )
        self._held = joined_frames(self._held, found)

    def _speak(self, frames: int) -> np.ndarray:
        voice, hop = self._voice, self._voice.contract.hop_length
        batch, _ = batch_and_frames(self._held)
        if self._state is None:
            self._state = voice.initial_state(batch)
        block = self.block_frames if voice.whole_blocks else frames
        context = voice.context_frames
        first = self._spoken - self._first_held
        places = np.arange(first - context, first + block + context)
        uniforms = positional_uniforms(
            self._seed,
            batch,
            self._spoken * hop * voice.draws,
            block * hop * voice.draws,
        )
        audio, self._state = voice.advance(
            self._state,
            at_frames(self._held, places),
            tf.reshape(uniforms, (batch, block * hop, voice.draws)),
            self._temperature,
        )
        self._spoken += frames
        self._let_go()
        return np.asarray(audio)[:, : frames * hop]

    def _let_go(self) -> None:
        """Forgets the frames that no block will ask for."""
        past = self._spoken - self._voice.context_frames - self._first_held
        # The last frame goes on behind the end, so one at least is kept.
        past = min(past, batch_and_frames(self._held)[1] - 1)
        if past > 0:
            self._held = {
                name: x[:, past:] if x.ndim == 3 else x
                for name, x in self._held.items()
            }
            self._first_held += past


def spoken(stream: Stream, parts: Iterable[Features]) -> Iterator[np.ndarray]:
    """Yields the audio of a stream that is fed with parts, to its end."""
    for part in parts:
        yield from stream.feed(part)
    yield from stream.end()
