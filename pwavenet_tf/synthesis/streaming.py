"""Streaming synthesis: audio as features arrive, equal to one pass."""

import abc
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.uniforms import uniforms_at
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
    warn_of_oddities,
)


class StreamingSynthesizer(abc.ABC):
    """Synthesizes audio block by block, with a state between blocks.

    Attributes:
        contract: The acoustic contract of its model.
        conditioning: The conditioning of its model.
        context_frames: Frames before and after a block that it depends on;
            those after it are the algorithmic look-ahead.
        chunk_frames: Frames in a block where all features are known.
        block_frames: Frames in a block where latency matters.
        uniforms_per_sample: Uniform random numbers that it takes for a sample.
        whole_blocks: Whether blocks of another length need a compilation, or
            are impossible.
        speaker: What speaks texts with it, a `Speaker`, if there is an
            acoustic model.
    """

    speaker: Any = None
    contract: AudioContract
    conditioning: Conditioning
    context_frames: int
    chunk_frames: int
    # About a tenth of a second, and not much slower than long chunks.
    block_frames = 8
    uniforms_per_sample = 1
    whole_blocks = True

    @abc.abstractmethod
    def initial_state(self, batch: int) -> Any:
        """The state before the first sample, for a batch of rows."""

    @abc.abstractmethod
    def advance(
        self,
        state: Any,
        features: dict,
        uniforms: np.ndarray,
        temperature: float,
    ) -> tuple[Any, Any]:
        """The audio of a block `(batch, time)`, and the state after it.

        The features are of the block and of `context_frames` on either side,
        the uniforms `(batch, time, uniforms_per_sample)`, in [0, 1).
        """

    def __call__(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> np.ndarray:
        """Audio `(batch, time)` in [-1, 1).

        Args:
            features: What the model reads, `(batch, frames, channels)` each,
                normalised as its contract says; a mel spectrogram may stand
                alone. Without a batch axis they give audio without one.
            seed: The same seed gives the same audio: one integer for all
                rows, whose noise differs, or one for each row, which then
                sounds as it would alone.
            temperature: Scales the noise: 1 samples from the model itself,
                less is smoother.

        Raises:
            UserError: If the features do not suit the model.

        Warns:
            OddInput: If the mel spectrogram looks as if it were normalised in
                another way.
        """
        own = self.contract, self.conditioning
        checked = require_features(features, *own)
        warn_of_oddities(checked, *own)
        chunks = list(self.checked_chunks(checked, seed, temperature))
        audio = np.concatenate(chunks, axis=-1)
        return audio[0] if is_single(features) else audio

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """A recording's encoding `(frames, channels)`, to synthesize from.

        Args:
            audio: `(time,)` in [-1, 1], at the contract's rate.

        Raises:
            UserError: If the model has no encoder, or the file holds none.
        """
        raise UserError(
            "this file holds no encoder; encode recordings by the .keras file "
            "that it was exported from, or by the signature encode of a "
            "SavedModel, and give the encoding in an .npz file"
        )

    def say(self, text: str, **how: Any) -> np.ndarray:
        """Speech of a text, float32 `(time,)` in [-1, 1).

        Args:
            text: In the language of the voice.
            **how: `rate`, `pitch`, `seed` and `temperature`; see
                `Speaker.say`.

        Raises:
            UserError: If the voice has no acoustic model, or as `Speaker.say`.
        """
        if self.speaker is None:
            raise UserError(
                "this voice has no acoustic model, so that it reads features "
                "and no texts; train one (pwavenet train-acoustic) and put it "
                "beside the voice as acoustic.keras"
            )
        return self.speaker.say(text, **how)

    def chunks(
        self, features: Features, seed: Seed = 0, temperature: float = 1.0
    ) -> Iterator[np.ndarray]:
        """As a call, but yields `(batch, samples)` as it is computed."""
        checked = require_features(features, self.contract, self.conditioning)
        return self.checked_chunks(checked, seed, temperature)

    def checked_chunks(
        self,
        features: dict[str, np.ndarray],
        seed: Seed = 0,
        temperature: float = 1.0,
        block_frames: int | None = None,
    ) -> Iterator[np.ndarray]:
        """As `chunks`, of what `require_features` returned."""
        stream = Stream(self, seed, temperature, block_frames)
        stream.take(features)
        return stream.end()

    def stream(
        self,
        parts: Iterable[Features],
        seed: Seed = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """Yields audio `(batch, samples)` of features that come in parts.

        It equals that of the whole, in chunks of `chunk_frames` frames, each
        as soon as `context_frames` frames after it are known. See `Stream`
        for features that arrive one at a time.
        """
        return synthesize_stream(Stream(self, seed, temperature), parts)


class Stream:
    """Synthesizes an utterance, or a batch, while its features arrive.

    However the features are divided, the audio equals that of the whole. A
    block is synthesized once its frames and the look-ahead are known, so the
    first audio comes after `first_audio_frames`. Memory does not depend on
    the length.

    Args:
        synthesizer: The synthesizer.
        seed: The same seed gives the same audio; one integer, or one for
            each row, which then sounds as it would alone.
        temperature: 1 samples from the model itself, less is smoother.
        block_frames: Frames in a block; the synthesizer's `chunk_frames` if
            left out.

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
        synthesizer: StreamingSynthesizer,
        seed: Seed = 0,
        temperature: float = 1.0,
        block_frames: int | None = None,
    ) -> None:
        self._seed = require_seed(seed)
        self._temperature = require_temperature(temperature)
        if block_frames is None:
            block_frames = synthesizer.chunk_frames
        if block_frames < 1:
            raise UserError(
                f"a block has {block_frames} frames; choose 1 or more"
            )
        self._synthesizer = synthesizer
        self.block_frames = block_frames
        # Frames that have been synthesized.
        self._done = 0
        self._state: Any = None
        self._ended = False
        # Frames that are still needed, and the index of the first of them.
        self._held: dict[str, np.ndarray] = {}
        self._first_held = 0

    @property
    def look_ahead_frames(self) -> int:
        """Frames after a sample's own that it depends on."""
        return self._synthesizer.context_frames

    @property
    def first_audio_frames(self) -> int:
        """Frames that are needed for the first audio."""
        return self.block_frames + self.look_ahead_frames

    def feed(self, features: Features) -> Iterator[np.ndarray]:
        """Takes the next frames, and returns the blocks that they complete.

        Args:
            features: Any number of frames, as `StreamingSynthesizer` takes
                them. The speaker is needed in the first of them only.

        Returns:
            Blocks, `(batch, block_frames * hop length)` each, in [-1, 1),
            computed as the iterator advances. Blocks that are not taken come
            with the next call.

        Raises:
            UserError: If they do not suit the model or what came before.
        """
        if "speaker" in self._held:
            if not isinstance(features, Mapping):
                features = {"mel": features}
            features = {"speaker": self._held["speaker"]} | dict(features)
        own = self._synthesizer.contract, self._synthesizer.conditioning
        self.take(require_features(features, *own))
        return self._blocks()

    def take(self, features: dict[str, np.ndarray]) -> None:
        """Takes the next frames, which `require_features` returned."""
        if self._ended:
            raise UserError(
                "this stream has been ended; begin another for what follows"
            )
        batch, _ = batch_and_frames(features)
        if self._seed.ndim and len(self._seed) != batch:
            raise UserError(
                f"there are {len(self._seed)} seeds for {batch} rows; give "
                "one for each, or one for all"
            )
        self._held = joined_frames(self._held, features)

    def end(self) -> Iterator[np.ndarray]:
        """Returns the remaining blocks, as `feed`, when no more frames come."""
        self._ended = True
        return self._blocks()

    def _blocks(self) -> Iterator[np.ndarray]:
        while self._known - self._done >= self.first_audio_frames:
            yield self._synthesize(self.block_frames)
        while self._ended and self._known > self._done:
            left = self._known - self._done
            yield self._synthesize(min(self.block_frames, left))

    @property
    def _known(self) -> int:
        if not self._held:
            return 0
        return self._first_held + batch_and_frames(self._held)[1]

    def _synthesize(self, frames: int) -> np.ndarray:
        synthesizer = self._synthesizer
        hop = synthesizer.contract.hop_length
        batch, _ = batch_and_frames(self._held)
        if self._state is None:
            self._state = synthesizer.initial_state(batch)
        block = self.block_frames if synthesizer.whole_blocks else frames
        context_frames = synthesizer.context_frames
        first = self._done - self._first_held
        frame_indices = np.arange(
            first - context_frames, first + block + context_frames
        )
        per_sample = synthesizer.uniforms_per_sample
        uniforms = uniforms_at(
            self._seed,
            batch,
            self._done * hop * per_sample,
            block * hop * per_sample,
        )
        audio, self._state = synthesizer.advance(
            self._state,
            at_frames(self._held, frame_indices),
            uniforms.reshape(batch, block * hop, per_sample),
            self._temperature,
        )
        self._done += frames
        self._drop_past_frames()
        return np.asarray(audio)[:, : frames * hop]

    def _drop_past_frames(self) -> None:
        """Drops the frames that no later block depends on."""
        past = self._done - self._synthesizer.context_frames - self._first_held
        # The last frame is repeated beyond the end, so at least one is kept.
        past = min(past, batch_and_frames(self._held)[1] - 1)
        if past > 0:
            self._held = {
                name: x[:, past:] if x.ndim == 3 else x
                for name, x in self._held.items()
            }
            self._first_held += past


def synthesize_stream(
    stream: Stream, parts: Iterable[Features]
) -> Iterator[np.ndarray]:
    """Yields all audio of a stream that is fed with features in parts."""
    for part in parts:
        yield from stream.feed(part)
    yield from stream.end()
