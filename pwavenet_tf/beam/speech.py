"""Speech of a whole folder as a Beam job: `RunInference` with a saved model."""

import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.ml.inference.base import (
    ModelHandler,
    PredictionResult,
    RunInference,
)

from pwavenet_tf.beam import import_tensorflow_in_worker
from pwavenet_tf.beam.jobs import Progress, Runner, run_job
from pwavenet_tf.beam.utterances import (
    Utterance,
    find_manifest,
    find_utterances,
)
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free, written_aside

FAILURES_NAME = "failed.csv"
_SETTINGS_NAME = "synthesis.json"
_INPUTS = ".unfinished-inputs.jsonl"


@dataclasses.dataclass(frozen=True)
class Speech:
    """What is spoken, and how.

    Attributes:
        model: A `student.keras` or `teacher.keras`.
        place: Folder of recordings, `.npy` and `.npz` files, or a manifest.
        seed: The same seed gives the same sound.
        temperature: 1 samples from the model itself.
        speaker: Who is to speak; None if the model knows one voice only.
        speaker_pattern: Finds who speaks in a recording's path.
        labels: Folder of label files; `labels` in the folder, if None.
    """

    model: Path
    place: Path
    seed: int = 0
    temperature: float = 1.0
    speaker: str | None = None
    speaker_pattern: str | None = None
    labels: Path | None = None


@dataclasses.dataclass(frozen=True)
class Spoken:
    """What became of a job.

    Attributes:
        utterances: How many there are.
        earlier: Of which an earlier run has made the sound.
        failures: Names of those without sound, with the reasons.
    """

    utterances: int
    earlier: int
    failures: tuple[tuple[str, str], ...]


class SpeechHandler(ModelHandler[str, PredictionResult, "_Voice"]):
    """Loads a model once for each worker; an inference is a sound file.

    An example is a line that `Utterance.line` gives. Its inference is None
    if the file was written, and otherwise the reason why it was not.

    Args:
        speech: The settings.
        folder: What names are relative to.
    """

    def __init__(self, speech: Speech, folder: Path) -> None:
        # The place in a batch chooses the noise, and a long recording is a
        # batch of its own anyway.
        super().__init__(max_batch_size=1)
        self._speech = speech
        self._folder = folder

    def load_model(self) -> "_Voice":
        return _Voice(self._speech, self._folder)

    def run_inference(
        self,
        batch: Sequence[str],
        model: "_Voice",
        inference_args: dict | None = None,
    ) -> Iterable[PredictionResult]:
        for line in batch:
            yield PredictionResult(line, model.speak(Utterance.read(line)))


class _Voice:
    """A model, ready to speak what it finds in files."""

    def __init__(self, speech: Speech, folder: Path) -> None:
        import_tensorflow_in_worker()
        from pwavenet_tf.models import load_model
        from pwavenet_tf.speaking import voice_of

        self._speech = speech
        self._model = load_model(speech.model)
        self._require_speaker()
        self._voice = voice_of(self._model)
        self._describe = self._describer(folder)

    def speak(self, utterance: Utterance) -> str | None:
        """Writes a sound file, and returns why it could not, if so."""
        from pwavenet_tf.speaking import read_features, speak_to_file

        try:
            features = read_features(
                utterance.path,
                self._model,
                # By the whole name, for there may be folders in it.
                lambda _, audio: self._describe(utterance.name, audio),
                self._speech.speaker,
            )
            speak_to_file(
                self._voice,
                features,
                utterance.sound,
                self._speech.seed,
                self._speech.temperature,
            )
        except UserError as fault:
            return str(fault).removeprefix(f"{utterance.path}: ")
        return None

    def _require_speaker(self) -> None:
        speaker, known = self._speech.speaker, self._model.conditioning.speakers
        if speaker is not None and speaker not in known:
            raise UserError(
                f"--speaker={speaker} is not known to this model; "
                + (
                    f"it speaks as {', '.join(known)}"
                    if known
                    else "it knows one voice only, leave out --speaker"
                )
            )

    def _describer(self, folder: Path):
        from pwavenet_tf.corpus.described import Describer
        from pwavenet_tf.corpus.layouts import find_layout
        from pwavenet_tf.speaking import inputs_to_describe

        speech = self._speech
        manifest = find_manifest(speech.place)
        inputs = inputs_to_describe(
            self._model,
            find_speaker=not speech.speaker
            and bool(speech.speaker_pattern or manifest),
        )
        layout = manifest and find_layout(manifest)
        return Describer(
            self._model.audio,
            inputs,
            folder,
            speech.labels,
            speech.speaker_pattern,
            layout,
        )


def speak_on_beam(
    speech: Speech, out: Path, runner: Runner | None = None
) -> Spoken:
    """Speaks a folder or a manifest as a Beam job.

    Each sound file is what `pwavenet synthesize` makes of the same input. An
    input that cannot be spoken takes nothing from the others. A sound file
    that is there already and newer than its input is left as it is.

    Args:
        speech: What is spoken, and how.
        out: Folder for the sound files, which have their inputs' names, and
            for `failed.csv`, if there is one.
        runner: Where the job runs; on this machine, if None.

    Returns:
        What became of it.

    Raises:
        UserError: If the model or an input folder cannot be used at all, if
            `out` holds something else, or if the runner cannot be used.
    """
    # Absolute, because `.` has neither a name nor a parent.
    out = Path(os.path.abspath(out))
    folder, utterances = find_utterances(speech.place, out)
    # Here too, because workers would each tell the same at length.
    _Voice(speech, folder)
    _claim(out, speech)
    # Left behind by workers that were killed.
    for path in out.rglob(".unfinished-*"):
        path.unlink()
    to_do = [one for one in utterances if not one.is_spoken]
    run_job(
        runner or Runner(),
        out / _INPUTS,
        (one.line for one in to_do),
        _Speak(speech, folder, out / FAILURES_NAME),
        Progress(
            "synthesize",
            len(to_do),
            lambda: sum(one.is_spoken for one in to_do),
        ),
    )
    failures = _read_failures(out / FAILURES_NAME)
    failed = {name for name, _ in failures}
    for one in to_do:
        if not (one.sound.exists() or one.name in failed):
            raise UserError(
                f"{one.sound}: no worker wrote it; all machines must see the "
                "folder of --out under the same path"
            )
    return Spoken(len(utterances), len(utterances) - len(to_do), failures)


class _Speak(beam.PTransform):
    """Lines to sound files, and to a list of those that failed."""

    def __init__(self, speech: Speech, folder: Path, failures: Path) -> None:
        super().__init__()
        self._handler = SpeechHandler(speech, folder)
        self._failures = failures

    def expand(self, lines: beam.PCollection) -> beam.PCollection:
        return (
            lines
            | RunInference(self._handler)
            | beam.FlatMap(_failure)
            | beam.combiners.ToList()
            | beam.Map(_write_failures, self._failures)
        )


def _failure(result: PredictionResult) -> Iterator[str]:
    # As JSON, for a name need not be UTF-8, and what workers exchange must.
    if result.inference is not None:
        name = Utterance.read(result.example).name
        yield json.dumps([name, result.inference])


def _write_failures(failures: list[str], path: Path) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    with (
        written_aside(path) as aside,
        open(
            aside, "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file,
    ):
        table = csv.writer(file)
        table.writerow(["file", "reason"])
        table.writerows(sorted(json.loads(one) for one in failures))


def _read_failures(path: Path) -> tuple[tuple[str, str], ...]:
    if not path.exists():
        return ()
    with open(
        path, encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        return tuple((name, reason) for name, reason in [*csv.reader(file)][1:])


def _claim(out: Path, speech: Speech) -> None:
    """Says in `out` what it is for, or compares what an earlier run said."""
    settings = dataclasses.asdict(speech) | {
        "model": hashlib.sha256(speech.model.read_bytes()).hexdigest()
    }
    content = json.dumps(settings, indent=1, default=str) + "\n"
    claim = out / _SETTINGS_NAME
    if not claim.exists():
        require_free(out)
        with written_aside(claim) as aside:
            aside.write_text(content, "ascii")
    elif claim.read_text("ascii", errors="replace") != content:
        raise UserError(
            f"{out}: holds the sound of another model, input or setting, as "
            f"{_SETTINGS_NAME} in it tells; name another folder"
        )
