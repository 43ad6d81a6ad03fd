"""The recordings of an evaluation, and the audio generated for them."""

import dataclasses
import re
import time
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import read_audio, to_pcm16, write_audio
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.corpus.describe import (
    Description,
    FeatureExtractor,
    model_features,
)
from pwavenet_tf.models.inputs import (
    at_frames,
    batch_and_frames,
    joined_rows,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.synthesis.student import synthesizer_of

Model = Teacher | ParallelWaveNet

_BATCH = 8


@dataclasses.dataclass(frozen=True)
class ReferenceRecording:
    """A recording, 16-bit PCM values `(time,)` in [-1, 1), with its features.

    Its name is the file's path within the folder of recordings, with `/`;
    `encodings` are those by the models that have encoded it.
    """

    path: Path
    name: str
    audio: np.ndarray
    description: Description
    encodings: dict[Model, np.ndarray] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def features(self, model: Model) -> dict[str, np.ndarray]:
        """A model's inputs, `(frames, channels)` each.

        Raises:
            UserError: If the model does not know the speaker.
        """
        try:
            features = model_features(
                self.description, model.audio, model.conditioning
            )
        except UserError as fault:
            raise UserError(f"{self.path}: {fault}") from fault
        if "encoding" in model.conditioning.inputs:
            features["encoding"] = self.encoding(model)
        return features

    def encoding(self, model: Model) -> np.ndarray:
        """A model's encoding of it, `(frames, channels)`, computed once."""
        if model not in self.encodings:
            self.encodings[model] = model.encode(self.audio)
        return self.encodings[model]


def common_contract(models: dict[Path, Model]) -> AudioContract:
    """The acoustic contract that models share.

    Raises:
        UserError: If they do not.
    """
    (first_path, first), *others = models.items()
    for path, model in others:
        first.audio.require_equal(model.audio, str(first_path), str(path))
    return first.audio


def read_references(
    recordings: list[Path],
    models: list[Model],
    folder: Path,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> list[ReferenceRecording]:
    """Reads recordings and extracts all features that any of the models needs.

    The models are of one acoustic contract, the files in `folder`; the rest
    is as `FeatureExtractor` has it.

    Raises:
        UserError: If a recording can't be read, or what a model needs is not
            found.
    """
    contract = models[0].audio
    asked = {name for model in models for name in model.conditioning.inputs}
    extractor = FeatureExtractor(
        contract, tuple(sorted(asked)), folder, labels, speaker_pattern
    )
    references = []
    for path in Bar(recordings, desc="recordings", unit="file"):
        name = path.relative_to(folder).as_posix()
        pcm = to_pcm16(read_audio(path, contract.sample_rate))
        audio = pcm.astype(np.float32) / 32_768
        one = ReferenceRecording(path, name, audio, extractor(name, audio))
        references.append(one)
        for model in models:
            # An unknown speaker is reported before hours of work.
            one.features(model)
    return references


def require_distinct(recordings: list[Path]) -> None:
    """Refuses recordings whose audio would have one file name.

    Raises:
        UserError: If there are two.
    """
    by_stem: dict[str, Path] = {}
    for path in recordings:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise UserError(
                f"{other} and {path} have one name, and so would the audio "
                "generated from them; rename one of them"
            )


def synthesize_all(
    model: Model, references: list[ReferenceRecording], name: str
) -> tuple[list[np.ndarray], float | None]:
    """Each recording resynthesized, and samples per second.

    Batches are padded to their longest recording: later frames never change
    earlier samples but for the upsampler's short look-ahead. The first
    chunk, which holds the compiling, is not timed.

    Returns:
        Audio by recording, `(frames * hop length,)` each, and the speed; None
        where everything fitted into first chunks.
    """
    hop = model.audio.hop_length
    synthesizer = synthesizer_of(model)
    frames = [model.audio.frames(len(one.audio)) for one in references]
    outputs, timed_samples, seconds, seconds_before = [], 0, 0.0, 0.0
    with Bar(
        total=sum(frames) * hop, desc=name, unit="sample", unit_scale=True
    ) as bar:
        for first in range(0, len(references), _BATCH):
            last = min(first + _BATCH, len(references))
            bar.set_postfix_str(
                f"recordings {first + 1} to {last} of {len(references)}"
            )
            chunks, started = [], None
            for chunk in synthesizer.chunks(
                _padded(model, references[first:last])
            ):
                chunks.append(chunk)
                if started is None:
                    started = time.perf_counter()
                elif chunk.shape == chunks[0].shape:
                    timed_samples += chunk.size
                    seconds = seconds_before + time.perf_counter() - started
                bar.update(min(chunk.size, bar.total - bar.n))
            seconds_before = seconds
            rows = zip(
                np.concatenate(chunks, axis=1), frames[first:last], strict=True
            )
            outputs += [row[: count * hop] for row, count in rows]
    return outputs, timed_samples / seconds if timed_samples else None


def _padded(
    model: Model, batch: list[ReferenceRecording]
) -> dict[str, np.ndarray]:
    each = [
        require_features(one.features(model), model.audio, model.conditioning)
        for one in batch
    ]
    longest = max(batch_and_frames(features)[1] for features in each)
    return joined_rows([at_frames(one, np.arange(longest)) for one in each])


def write_sound(
    references: list[ReferenceRecording],
    systems: dict[str, list[np.ndarray]],
    folder: Path,
    contract: AudioContract,
) -> None:
    """Writes every system's audio of every recording as a WAV file.

    Raises:
        UserError: If `folder` can't be written.
    """
    for system, outputs in systems.items():
        # Of two models of one name the second is named by its whole path.
        label = re.sub(r"[^\w.]+", "-", system.removesuffix(".keras"))
        for one, audio in zip(references, outputs, strict=True):
            name = f"{one.path.stem}-{label.strip('-')}.wav"
            write_audio(folder / name, audio, contract.sample_rate)
