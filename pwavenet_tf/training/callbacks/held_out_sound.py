"""Measures of held-out clips as a model in training generates them."""

import math
import time
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from pwavenet_tf.audio.metrics import log_spectral_distance
from pwavenet_tf.audio.sound_measures import sound_measures
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.backend import is_replicated
from pwavenet_tf.models.inputs import joined_rows
from pwavenet_tf.synthesis.teacher import CachedSampler
from pwavenet_tf.training.callbacks.speech_board import (
    SAMPLED_SECONDS,
    Clip,
    StudentGenerator,
    single_clips,
)
from pwavenet_tf.training.distribution import is_chief
from pwavenet_tf.training.truncated import teacher_in

PREFIX = "sound_"

# A teacher may take this share of the time between two reports.
SHARE = 0.05
# Below this, compiling alone would take longer.
_LEAST_SECONDS = 0.5
# Short, because the first chunks show how long the others will take.
_CHUNKS = 40


def measure_sound(
    recorded: Sequence[np.ndarray],
    generated: Sequence[np.ndarray],
    contract: AudioContract,
) -> dict[str, float]:
    """The measures of each report; further ones belong here.

    Of held-out recordings and of what the model generates from their features,
    `(time,)` in [-1, 1) each: `log_spectral_distance`, its mean over the
    clips, dB; `level_db` and `band_…_db` for each of `sound_measures.BANDS`,
    how far the generated audio lies above the recordings, dB.

    Raises:
        UserError: If a sample is not finite.
    """
    distances = [
        log_spectral_distance(one, other, contract)
        for one, other in zip(recorded, generated, strict=True)
    ]
    measured = sound_measures(
        [np.asarray(one, np.float64) for one in generated],
        [np.asarray(one, np.float64) for one in recorded],
        contract.sample_rate,
    )
    return {"log_spectral_distance": float(np.mean(distances))} | {
        name: measured[name] - measured[f"recorded_{name}"]
        for name in measured
        if name == "level_db" or name.startswith("band_")
    }


class HeldOutSound(keras.callbacks.Callback):
    """Measures at every report held-out clips that the model generates.

    After each validation a student in training generates the clips, in
    parallel and from the same noise every time; a teacher samples the first
    second of all of them in one batch, from silence and with the same random
    numbers every time. What `measure_sound` gives is put into the logs of the
    epoch as `sound_…`: the same names in each epoch, NaN where nothing was
    measured. Training draws the same random numbers as without it.

    Sampling from a teacher is slow. It is done only where it takes at most 5 %
    of the training time since the last report, and never where reports come
    more often than every ten seconds; compilation, which happens once, is not
    included. Where it would take longer, a message says so once.

    Place it before `SwapEMAWeights`, so that it measures the averaged
    weights, which are in the model until the validation has ended; and before
    `SpeechBoard` and `ReportLog`, which write the logs. Without validation it
    measures at the end of the epoch. TensorFlow only; over several workers the
    chief measures.

    Args:
        clips: Batches `(inputs, audio, weight)` as `Corpus.validation_clips`
            gives them, all of one shape; some seconds suffice.
        seed: Seed of the noise.

    Raises:
        UserError: If no sample of the clips is valid.
    """

    def __init__(self, clips: Iterable[tuple], seed: int = 0) -> None:
        super().__init__()
        self._clips = single_clips(clips)
        if not self._clips:
            raise UserError(
                "no held-out clips were given to be measured; give clips of "
                "the validation recordings"
            )
        self._seed = seed
        self._generator: _Student | _Teacher | None = None
        self._measured: dict[str, float] | None = None
        self._first = self._last = 0.0
        self._reported = False

    def set_model(self, model) -> None:
        super().set_model(model)
        if self._generator is None:
            teacher = teacher_in(model)
            generator = (
                _Teacher(teacher, self._clips, self._seed)
                if teacher is not None
                else _Student(model, self._clips, self._seed)
            )
            # Which measures there are does not depend on the audio.
            recorded = generator.recorded
            names = measure_sound(recorded, recorded, generator.contract)
            self._generator = generator
            self._nothing = dict.fromkeys(names, math.nan)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._measured, self._first = None, 0.0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._last = time.monotonic()
        # Not from the epoch's begin: its first step may have been compiled.
        self._first = self._first or self._last

    def on_test_end(self, logs=None) -> None:
        self._measured = self._measures()

    def on_epoch_end(self, epoch, logs=None) -> None:
        found = self._measures() if self._measured is None else self._measured
        logs.update({PREFIX + name: value for name, value in found.items()})

    def _measures(self) -> dict[str, float]:
        generator = self._generator
        if generator is None or not is_chief():
            return self._nothing
        elapsed = self._last - self._first if self._first else 0.0
        generated = generator.generated(SHARE * elapsed)
        if generated is None:
            self._report(generator.seconds, elapsed)
            return self._nothing
        try:
            return measure_sound(
                generator.recorded, generated, generator.contract
            )
        except UserError:
            # Not finite: the health monitor and the loss report it.
            return self._nothing

    def _report(self, needed: float | None, elapsed: float) -> None:
        if self._reported or needed is None:
            return
        self._reported = True
        print(
            f"held-out sound is not measured: sampling it takes {needed:.0f} "
            f"s, more than {SHARE:.0%} of the {elapsed:.0f} s between two "
            "reports; with rarer reports (--report_every) it is",
            flush=True,
        )


class _Student:
    """All clips, generated in parallel, which never takes too long."""

    seconds = None

    def __init__(
        self, trainer: keras.Model, clips: list[Clip], seed: int
    ) -> None:
        self._generate = StudentGenerator(trainer, seed)
        self._clips = clips
        self.contract = trainer.student.audio
        self.recorded = [clip.recorded for clip in clips]

    def generated(self, budget: float) -> list[np.ndarray]:
        """The audio of each clip; it always fits into the budget."""
        del budget
        return [self._generate.output(clip)[0] for clip in self._clips]


class _Teacher:
    """The first second of all clips, sampled in one batch."""

    def __init__(self, teacher, clips: list[Clip], seed: int) -> None:
        self.contract = contract = teacher.audio
        # How long sampling takes; None as long as that is not known.
        self.seconds: float | None = None
        self._seed = seed
        second = round(SAMPLED_SECONDS * contract.sample_rate)
        longest = max(len(clip.recorded) for clip in clips)
        frames = contract.frames(min(second, longest))
        self._teacher, self._clips, self._frames = teacher, clips, frames
        self._samples = frames * contract.hop_length
        self.recorded = [clip.recorded[: self._samples] for clip in clips]
        self._sampler = CachedSampler(
            teacher,
            not is_replicated(teacher),
            max(1, math.ceil(frames / _CHUNKS)),
        )

    def generated(self, budget: float) -> list[np.ndarray] | None:
        """The audio of each clip; None if it would take longer."""
        if budget < max(_LEAST_SECONDS, self.seconds or 0.0):
            return None
        chunks, done = [], 0
        begun = time.monotonic()
        features = joined_rows(
            [
                clip.features_from_start(self._teacher, self._frames)
                for clip in self._clips
            ]
        )
        for chunk in self._sampler.chunks(features, self._seed):
            chunks.append(chunk)
            now = time.monotonic()
            # The first chunk may include the compilation.
            if len(chunks) > 1:
                done += chunk.shape[1]
                self.seconds = (now - begun) / done * self._samples
                if self.seconds > budget:
                    return None
            else:
                begun = now
        audio = np.concatenate(chunks, axis=1)
        return [
            row[: len(one)]
            for row, one in zip(audio, self.recorded, strict=True)
        ]
