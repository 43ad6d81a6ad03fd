"""Speech of a whole folder as a Beam job: `RunInference` with a saved model."""

import csv
import dataclasses
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

from pwavenet_tf.beam import finished
from pwavenet_tf.beam.claim import claim, drop_outdated, require_own
from pwavenet_tf.beam.jobs import Progress, Runner, run_job
from pwavenet_tf.beam.only_run import only_run
from pwavenet_tf.beam.utterances import Utterance, find_utterances
from pwavenet_tf.beam.voice import Speech, Voice
from pwavenet_tf.files import written_aside

FAILURES_NAME = "failed.csv"
_INPUTS = ".unfinished-inputs.jsonl"


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


class SpeechHandler(ModelHandler[str, PredictionResult, "Voice"]):
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

    def load_model(self) -> "Voice":
        return Voice(self._speech, self._folder)

    def run_inference(
        self,
        batch: Sequence[str],
        model: "Voice",
        inference_args: dict | None = None,
    ) -> Iterable[PredictionResult]:
        for line in batch:
            yield PredictionResult(line, model.speak(Utterance.read(line)))


def speak_on_beam(
    speech: Speech, out: Path, runner: Runner | None = None
) -> Spoken:
    """Speaks a folder or a manifest as a Beam job.

    Each sound file is what `pwavenet synthesize` makes of the same input. An
    input that cannot be spoken takes nothing from the others. Sound that is
    there already stays, unless its input, labels, text or speaker changed.

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
    # Absolute, because `.` has neither a name nor a parent, and because the
    # same command may come from another folder.
    out, speech = Path(os.path.abspath(out)), speech.absolute()
    folder, utterances = find_utterances(speech.place, out)
    # Here too, because workers would each tell the same at length.
    voice = Voice(speech, folder)
    require_own(out)
    with only_run(out):
        claim(out, dataclasses.asdict(speech))
        # Left behind by workers that were killed.
        for path in out.rglob(".unfinished-*"):
            path.unlink()
        drop_outdated(out, utterances, voice.digest)
        to_do = [one for one in utterances if not one.sound.exists()]
        run_job(
            runner or Runner(),
            out / _INPUTS,
            (one.line for one in to_do),
            _Speak(speech, folder, out / FAILURES_NAME),
            Progress(
                "synthesize",
                len(to_do),
                lambda: sum(one.sound.exists() for one in to_do),
            ),
        )
        failures = _read_failures(out / FAILURES_NAME)
    failed = {name for name, _ in failures}
    for one in to_do:
        if not (one.sound.exists() or one.name in failed):
            raise finished.unwritten(one.sound)
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
