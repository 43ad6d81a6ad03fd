"""A training as TensorBoard shows it: curves, sound, pictures, histograms."""

import contextlib
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from pwavenet_tf.callbacks.checkpoint import step_of
from pwavenet_tf.callbacks.spectrogram_image import spectrogram_image
from pwavenet_tf.callbacks.voices import Said, single_clips, voice_of
from pwavenet_tf.errors import UserError
from pwavenet_tf.strategies import is_chief

# As Keras's own callback names them: curves of one name are drawn together.
_TRAIN, _VALIDATION = "train", "validation"

# What stands before these is a group of its own on the screen.
_GROUPS = ("health_", "sound_", "gradient_")


class SpeechBoard(keras.callbacks.Callback):
    """Writes a teacher's or a distillation's reports for TensorBoard.

    At the end of each epoch, at the optimiser's step:

    - every number of the logs, in `train` and `validation`, and the learning
      rate;
    - of each clip, once the recording, and what the model says: a student the
      whole clip, from the same noise every time, a teacher a second that it
      samples; and the mel spectrograms of both, the recording above;
    - histograms, over all clips, of the student's μ_tot and ln s_tot, and of
      the weights, means and log-scales of the teacher's mixtures: along the
      recordings, or in a distillation along the student's sound.

    Other models have the numbers alone. A run that goes on adds to the
    folder. TensorFlow only; over several workers the chief writes.

    Place it before `SwapEMAWeights`, so that it hears the averaged weights,
    which are in the model until the validation has ended, and behind
    `HealthMonitor` and `HeldOutSound`, whose measures it then writes too, and
    `Checkpoint`, so that no report is of a step that an interruption may undo.
    Without validation it listens at the end of the epoch.

    Args:
        folder: Made if need be; `tensorboard --logdir=FOLDER` shows it.
        clips: Batches `(inputs, audio, weight)` as `Corpus.validation_clips`
            gives them; each is heard in whole, so a few seconds suffice.
        seed: Seed of what is said.

    Raises:
        UserError: If nothing counts in the clips; and when training begins,
            if the folder can't be written, or holds reports of later steps
            than the model's; then, if there is no more room.
    """

    def __init__(
        self, folder: Path, clips: Iterable[tuple] = (), seed: int = 0
    ) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._clips = single_clips(clips)
        self._seed = seed
        self._voice = None
        self._said: list[Said] | None = None
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
        if self._clips and self._voice is None:
            self._voice = voice_of(self.model, self._seed)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._said = None

    def on_test_end(self, logs=None) -> None:
        if self._writes:
            self._said = self._listen()

    def on_epoch_end(self, epoch, logs=None) -> None:
        if not self._writes:
            return
        said = self._listen() if self._said is None else self._said
        with _problems_named(self._folder):
            self._write(logs or {}, said, step_of(self.model))

    def on_train_end(self, logs=None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _listen(self) -> list[Said]:
        voice = self._voice
        return [voice(clip) for clip in self._clips] if voice else []

    def _writer(self, part: str):
        import tensorflow as tf

        # Made with the first report: a run that ends before leaves nothing.
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(
                str(self._folder / part)
            )
        return self._writers[part]

    def _write(
        self, logs: Mapping[str, float], said: list[Said], step: int
    ) -> None:
        self._write_numbers(logs, step)
        if said:
            self._write_clips(said, step)
        for writer in self._writers.values():
            writer.flush()

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

    def _write_clips(self, said: list[Said], step: int) -> None:
        import tensorflow as tf

        voice = self._voice
        with self._writer(_VALIDATION).as_default(step):
            for number, (clip, one) in enumerate(
                zip(self._clips, said, strict=True), 1
            ):
                group = f"clip_{number}"
                if self._is_new:
                    self._write_sound(f"{group}/recorded", clip.recorded)
                self._write_sound(f"{group}/{voice.name}", one.audio)
                picture = spectrogram_image(
                    clip.recorded[: len(one.audio)], one.audio, voice.contract
                )
                tf.summary.image(
                    f"{group}/recorded_above_{voice.name}", picture[np.newaxis]
                )
            for name in said[0].parameters:
                values = [one.parameters[name].ravel() for one in said]
                tf.summary.histogram(name, np.concatenate(values))
        self._is_new = False

    def _write_sound(self, name: str, audio: np.ndarray) -> None:
        import tensorflow as tf

        rate = self._voice.contract.sample_rate
        tf.summary.audio(name, audio[np.newaxis, :, np.newaxis], rate)


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
    """Says where there is no room, in one line."""
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
            # It ends where a file that was cut off ends.
            for event in event_file_loader.EventFileLoader(str(path)).Load()
        ),
        default=None,
    )
