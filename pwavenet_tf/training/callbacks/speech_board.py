"""A training on TensorBoard: curves, audio, spectrograms, histograms."""

import contextlib
import dataclasses
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.audio.formats import HIGHEST_SAMPLE, LOWEST_SAMPLE
from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.core.config import FRAME_ARRAYS, AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.distillation.spectral import SpectralTrainer
from pwavenet_tf.models.backend import is_replicated
from pwavenet_tf.models.distributions import Gaussian, Head, MixtureOfLogistics
from pwavenet_tf.models.inputs import at_frames
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.teacher import CachedSampler
from pwavenet_tf.training.callbacks.checkpoint import step_of
from pwavenet_tf.training.distribution import is_chief
from pwavenet_tf.training.truncated import teacher_in

_SHOWN_DB = 80.0
_DB_PER_NEPER = 20.0 / math.log(10.0)

# For each mel band of each frame; and of white between the two.
_PIXELS = 4

# A large teacher generates some hundred samples a second.
SAMPLED_SECONDS = 1.0

# As Keras's own callback names them: curves of one name are drawn together.
_TRAIN, _VALIDATION = "train", "validation"

# What stands before these is a group of its own on the screen.
_GROUPS = ("health_", "sound_", "gradient_")


def spectrogram_image(
    above: np.ndarray, below: np.ndarray, contract: AudioContract
) -> np.ndarray:
    """The mel spectrograms of two sounds, low frequencies at the bottom.

    Both are `(time,)` in [-1, 1), the one above usually the recording; the
    picture is uint8 `(4 · (2 · mels + 1), 4 · frames, 3)`. The colours span
    80 dB down from the loudest place of the sound above, so that pictures
    under one recording compare.
    """
    from matplotlib import colormaps

    plain = dataclasses.replace(contract, mel_mean=(), mel_deviation=())
    mel = log_mel_spectrogram(np.stack([above, below]), plain).numpy()
    decibels = _DB_PER_NEPER * mel.transpose(0, 2, 1)[:, ::-1]
    shown = 1.0 + (decibels - decibels[0].max()) / _SHOWN_DB
    upper, lower = colormaps["magma"](shown, bytes=True)[..., :3]
    line = np.full((1, *upper.shape[1:]), 255, np.uint8)
    return (
        np.concatenate([upper, line, lower])
        .repeat(_PIXELS, axis=0)
        .repeat(_PIXELS, axis=1)
    )


@dataclasses.dataclass(frozen=True)
class Clip:
    """A segment of a recording with a model's inputs, of a batch of 1.

    The audio is `(time,)` in [-1, 1), with left context and look-ahead; its
    samples from `start` to `end` are valid.
    """

    inputs: dict[str, np.ndarray]
    audio: np.ndarray
    start: int
    end: int

    @property
    def recorded(self) -> np.ndarray:
        """The valid samples."""
        return self.audio[self.start : self.end]

    def features(self, model: Teacher) -> dict[str, np.ndarray]:
        """What a model generates from: the frames and the speaker.

        An encoding is that of the recording, by the weights of the moment.
        """
        inputs = model.conditioner.with_encoding(self.inputs)
        return {
            key: np.asarray(value)
            for key, value in inputs.items()
            if key in (*FRAME_ARRAYS, "speaker")
        }

    def features_from_start(
        self, model: Teacher, frames: int
    ) -> dict[str, np.ndarray]:
        """As `features`, of so many frames from the first valid one on."""
        first = self.start // model.audio.hop_length
        return at_frames(self.features(model), first + np.arange(frames))


def single_clips(batches) -> list[Clip]:
    """Batches `(inputs, audio, weight)` as clips, those with any weight."""
    clips, batches = [], list(batches)
    for inputs, audio, weight in batches:
        for row, mask in enumerate(np.asarray(weight) > 0):
            if len(valid := np.flatnonzero(mask)):
                of_row = {
                    key: np.asarray(value)[row : row + 1]
                    for key, value in inputs.items()
                }
                recording = np.asarray(audio)[row]
                clips.append(Clip(of_row, recording, valid[0], valid[-1] + 1))
    if batches and not clips:
        raise UserError(
            "the board was given no valid sample; give it clips of the "
            "validation recordings"
        )
    return clips


@dataclasses.dataclass(frozen=True)
class GeneratedClip:
    """What a model generates for a clip, from its `start` on.

    The audio is `(time,)` in [-1, 1). The parameters, by name and of any
    shape, are those of the distributions where the clip is valid.
    """

    audio: np.ndarray
    parameters: dict[str, np.ndarray]


class StudentGenerator:
    """Generates with the student of a Distiller or a SpectralTrainer.

    The parameters are the student's μ_tot and ln s_tot and, where there is a
    teacher, its own along the student's output. The noise, of the seed, is the
    same every time.
    """

    name = "student"

    def __init__(self, trainer: Distiller | SpectralTrainer, seed: int) -> None:
        self._trainer = trainer
        self._seed = seed
        self.contract = trainer.student.audio

    def output(self, clip: Clip) -> tuple[np.ndarray, dict]:
        """The audio of a clip's valid part, and all that the student gave."""
        student = self._trainer.student
        uniforms = positional_uniforms(self._seed, 1, 0, len(clip.audio))
        noise = student.noise_family.from_uniforms(uniforms)
        output = student(clip.inputs | {"noise": noise})
        audio = np.asarray(output["audio"])[0, clip.start : clip.end]
        return np.clip(audio, LOWEST_SAMPLE, HIGHEST_SAMPLE), output

    def __call__(self, clip: Clip) -> GeneratedClip:
        audio, output = self.output(clip)
        parameters = {
            "student/location": output["location"],
            "student/log_scale": output["log_scale"],
        }
        if isinstance(self._trainer, Distiller):
            along = clip.features(self._trainer.teacher)
            along["audio"] = output["audio"]
            parameters |= _head_parameters(
                self._trainer.teacher.distribution(along)
            )
        return GeneratedClip(audio, _valid_part(parameters, clip))


class TeacherGenerator:
    """Samples a second from a teacher, and evaluates the recordings by it.

    Sampling starts at the clip's first valid sample, from silence, with the
    same random numbers every time, those of the seed. The parameters are those
    of the recorded samples, the true past given.
    """

    name = "teacher"

    def __init__(self, teacher: Teacher, seed: int) -> None:
        self._teacher = teacher
        self._seed = seed
        self.contract = teacher.audio
        self._second = round(SAMPLED_SECONDS * teacher.audio.sample_rate)
        self._sampler = CachedSampler(
            teacher,
            not is_replicated(teacher),
            teacher.audio.frames(self._second),
        )

    def __call__(self, clip: Clip) -> GeneratedClip:
        # Not the valid part, whose length varies: one compiled loop is to serve
        # all.
        frames = self.contract.frames(min(self._second, len(clip.audio)))
        features = clip.features_from_start(self._teacher, frames)
        audio = self._sampler(features, self._seed)[0, : len(clip.recorded)]
        parameters = _head_parameters(self._teacher.distribution(clip.inputs))
        return GeneratedClip(audio, _valid_part(parameters, clip))


Generator = StudentGenerator | TeacherGenerator


def generator_of(model: keras.Model, seed: int) -> Generator | None:
    """The generator of a teacher or a student; None of any other model."""
    if isinstance(model, (Distiller, SpectralTrainer)):
        return StudentGenerator(model, seed)
    teacher = teacher_in(model)
    return None if teacher is None else TeacherGenerator(teacher, seed)


def _head_parameters(head: Head) -> dict:
    """The parameters of a teacher's distributions, by their usual names."""
    if isinstance(head, MixtureOfLogistics):
        return {
            "teacher/weights": keras.ops.exp(head.log_weights),
            "teacher/means": head.locations,
            "teacher/log_scales": head.log_scales,
        }
    if isinstance(head, Gaussian):
        return {
            "teacher/means": head.location,
            "teacher/log_scales": head.log_scale,
        }
    probabilities = keras.ops.softmax(head.parameters, axis=-1)
    return {"teacher/probabilities": probabilities}


def _valid_part(parameters: dict, clip: Clip) -> dict[str, np.ndarray]:
    return {
        name: keras.ops.convert_to_numpy(values)[0, clip.start : clip.end]
        for name, values in parameters.items()
    }


class SpeechBoard(keras.callbacks.Callback):
    """Writes a teacher's or a distillation's reports for TensorBoard.

    At the end of each epoch, at the optimiser's step:

    - every number of the logs, in `train` and `validation`, and the learning
      rate;
    - of each clip, the recording once, and what the model generates: a student
      the whole clip, from the same noise every time, a teacher a second by
      sampling; and the mel spectrograms of both, the recording above;
    - histograms, over all clips, of the student's μ_tot and ln s_tot, and of
      the weights, means and log-scales of the teacher's mixtures: along the
      recordings, or in a distillation along the student's output.

    Other models have the numbers alone. A run that is continued adds to the
    folder. TensorFlow only; over several workers the chief writes.

    Place it before `SwapEMAWeights`, so that it sees the averaged weights,
    which are in the model until the validation has ended, and behind
    `HealthMonitor` and `HeldOutSound`, whose measures it then writes too, and
    `Checkpoint`, so that no report is of a step that an interruption may undo.
    Without validation it generates at the end of the epoch.

    Args:
        folder: Made if need be; `tensorboard --logdir=FOLDER` shows it.
        clips: Batches `(inputs, audio, weight)` as `Corpus.validation_clips`
            gives them; each is written in whole, so a few seconds suffice.
        seed: Seed of the generated audio.

    Raises:
        UserError: If no sample of the clips is valid; and when training begins,
            if the folder can't be written, or holds reports of later steps than
            the model's; then, if there is no more room.
    """

    def __init__(
        self, folder: Path, clips: Iterable[tuple] = (), seed: int = 0
    ) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._clips = single_clips(clips)
        self._seed = seed
        self._generator: Generator | None = None
        self._generated: list[GeneratedClip] | None = None
        self._writers = {}
        self._writes = False

    def on_train_begin(self, logs=None) -> None:
        self._writes = is_chief()
        if not self._writes:
            return
        _require_writable(self._folder)
        last, step = _last_step(self._folder), step_of(self.model)
        if last is not None and last > step:
            raise UserError(
                f"{self._folder}: holds reports up to step {last}, but this "
                f"run is at step {step}; name another folder, or remove it"
            )
        self._is_new = last is None
        if self._clips and self._generator is None:
            self._generator = generator_of(self.model, self._seed)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._generated = None

    def on_test_end(self, logs=None) -> None:
        if self._writes:
            self._generated = self._generate()

    def on_epoch_end(self, epoch, logs=None) -> None:
        if not self._writes:
            return
        generated, step = self._generated, step_of(self.model)
        if generated is None:
            generated = self._generate()
        with _problems_named(self._folder):
            self._write_numbers(logs or {}, step)
            if generated and self._generator is not None:
                self._write_clips(generated, self._generator, step)
            for writer in self._writers.values():
                writer.flush()

    def on_train_end(self, logs=None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _generate(self) -> list[GeneratedClip]:
        generator = self._generator
        return [generator(clip) for clip in self._clips] if generator else []

    def _writer(self, part: str):
        import tensorflow as tf

        # Made with the first report: a run that ends before leaves nothing.
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(
                str(self._folder / part)
            )
        return self._writers[part]

    def _write_numbers(self, logs: Mapping[str, float], step: int) -> None:
        import tensorflow as tf

        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        for name, value in ({"learning_rate": rate} | dict(logs)).items():
            # A teacher's sound is not measured at every report.
            if name.startswith("sound_") and math.isnan(value):
                continue
            held_out = name.startswith(("val_", "health_", "sound_"))
            name = name.removeprefix("val_")
            for group in _GROUPS:
                if name.startswith(group):
                    name = name.replace("_", "/", 1)
            part = _VALIDATION if held_out else _TRAIN
            with self._writer(part).as_default(step):
                tf.summary.scalar(name, float(value))

    def _write_clips(
        self, generated: list[GeneratedClip], generator: Generator, step: int
    ) -> None:
        import tensorflow as tf

        rate = generator.contract.sample_rate
        with self._writer(_VALIDATION).as_default(step):
            for number, (clip, one) in enumerate(
                zip(self._clips, generated, strict=True), 1
            ):
                group = f"clip_{number}"
                sounds = {"recorded": clip.recorded} if self._is_new else {}
                sounds[generator.name] = one.audio
                for name, audio in sounds.items():
                    tf.summary.audio(
                        f"{group}/{name}",
                        audio[np.newaxis, :, np.newaxis],
                        rate,
                    )
                picture = spectrogram_image(
                    clip.recorded[: len(one.audio)],
                    one.audio,
                    generator.contract,
                )
                tf.summary.image(
                    f"{group}/recorded_above_{generator.name}",
                    picture[np.newaxis],
                )
            for name in generated[0].parameters:
                values = [one.parameters[name].ravel() for one in generated]
                tf.summary.histogram(name, np.concatenate(values))
        self._is_new = False


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise UserError(
            f"{folder}: cannot be written ({problem.strerror}); name a folder "
            "for TensorBoard that is writable and has room"
        ) from problem


@contextlib.contextmanager
def _problems_named(folder: Path) -> Iterator[None]:
    """Reports where there is no room, in one line."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as problem:
        reason = problem.message.splitlines()[0].rpartition("; ")[2]
        raise UserError(
            f"{folder}: cannot be written ({reason}); make room, or name "
            "another folder for TensorBoard"
        ) from problem


def _last_step(folder: Path) -> int | None:
    """The latest step that was reported into a folder; None before any."""
    from tensorboard.backend.event_processing import event_file_loader

    return max(
        (
            event.step
            for path in folder.rglob("events.out.tfevents.*")
            # A truncated file is read as far as it goes.
            for event in event_file_loader.EventFileLoader(str(path)).Load()
        ),
        default=None,
    )
