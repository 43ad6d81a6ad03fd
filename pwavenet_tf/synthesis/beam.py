"""Synthesis of a whole folder as a Beam job: `RunInference` with a model."""

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import apache_beam as beam
from apache_beam.ml.inference.base import (
    ModelHandler,
    PredictionResult,
    RunInference,
)

from pwavenet_tf.audio.files import SUFFIXES
from pwavenet_tf.core.beam import (
    Progress,
    Runner,
    import_tensorflow_in_worker,
    run_job,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import only_run, require_free, written_aside
from pwavenet_tf.corpus import beam as finished
from pwavenet_tf.corpus.layouts import MANIFEST, Layout, find_layout
from pwavenet_tf.corpus.manifest import (
    is_manifest,
    read_manifest,
    read_normalised_texts,
)
from pwavenet_tf.corpus.phones.labels import find_labels


@dataclasses.dataclass(frozen=True)
class Utterance:
    """An input and its sound file.

    Attributes:
        path: A recording, or an `.npy` or `.npz` file.
        name: Its path within the folder or the manifest, with `/`.
        sound: Where the sound goes.
    """

    path: Path
    name: str
    sound: Path

    @property
    def line(self) -> str:
        """As text of one line, in ASCII."""
        return json.dumps([str(self.path), self.name, str(self.sound)])

    @classmethod
    def read(cls, line: str) -> "Utterance":
        """What `line` stands for."""
        path, name, sound = json.loads(line)
        return cls(Path(path), name, Path(sound))


def find_manifest(place: Path) -> Path | None:
    """The CSV manifest that a place is, or that is in it; None without one."""
    manifest = place if is_manifest(place) else place / MANIFEST
    return manifest if manifest.is_file() else None


def find_utterances(place: Path, out: Path) -> tuple[Path, list[Utterance]]:
    """Finds what is to be spoken.

    Args:
        place: A folder, searched recursively without what is hidden, or a CSV
            manifest, which may also be `manifest.csv` in the folder.
        out: Folder for the sound.

    Returns:
        What names are relative to; and the utterances, sorted by name.

    Raises:
        UserError: If there are none, if two would give one sound file, or if
            the sound would lie among them.
    """
    # Late, because it loads TensorFlow.
    from pwavenet_tf.synthesis.files import nothing_to_speak, same_sound

    if manifest := find_manifest(place):
        folder = manifest.parent
        names = [row.path for row in read_manifest(manifest)]
    elif place.is_dir():
        folder, names = place, list(_names(place))
    else:
        raise UserError(
            f"{place}: is neither a folder nor a CSV manifest; a single file "
            "is spoken by pwavenet synthesize"
        )
    if not names:
        raise nothing_to_speak(place)
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"--out={out} lies within {folder}, where its sound would be "
            "taken for recordings; give another folder"
        )
    by_sound: dict[Path, str] = {}
    for name in sorted(names):
        sound = out / _sound(name)
        if (other := by_sound.setdefault(sound, name)) != name:
            raise same_sound(other, name, sound)
    return folder, [
        Utterance(folder / name, name, sound)
        for sound, name in by_sound.items()
    ]


def _names(folder: Path) -> Iterator[str]:
    from pwavenet_tf.synthesis.files import ARRAY_SUFFIXES

    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if (
            path.suffix.lower() in (*SUFFIXES, *ARRAY_SUFFIXES)
            and not hidden
            and path.is_file()
        ):
            yield name.as_posix()


def _sound(name: str) -> PurePosixPath:
    # A manifest may name files anywhere; their sound stays in one folder.
    path = PurePosixPath(name)
    inside = [part for part in path.parts if part not in ("..", path.anchor)]
    return PurePosixPath(*inside).with_suffix(".wav")


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

    def absolute(self) -> "Speech":
        """The same from anywhere; links stay, for names depend on them."""
        changes = {
            name: Path(os.path.abspath(path))
            for name in ("model", "place", "labels")
            if (path := getattr(self, name))
        }
        return dataclasses.replace(self, **changes)


class Voice:
    """A model, ready to speak what it finds in files."""

    def __init__(self, speech: Speech, folder: Path) -> None:
        import_tensorflow_in_worker()
        from pwavenet_tf.models.loading import load_model
        from pwavenet_tf.synthesis.files import voice_of

        self._speech = speech
        self._model = load_model(speech.model)
        self._require_speaker()
        self._voice = voice_of(self._model)
        self._folder = folder
        self._describe = self._describer()
        # The layout does not tell those of recordings elsewhere.
        self._texts = read_normalised_texts(folder)

    def speak(self, utterance: Utterance) -> str | None:
        """Writes a sound file, and returns why it could not, if so."""
        from pwavenet_tf.synthesis.files import read_features, speak_to_file

        try:
            features = read_features(
                utterance.path,
                self._voice,
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

    def digest(self, utterance: Utterance) -> str:
        """Of the files and words that an utterance is made from."""
        name = utterance.name
        told: list[object] = [name, finished.stamp(utterance.path)]
        source = self._sources.get(name)
        inputs = self._model.conditioning.inputs
        if "speaker" in inputs:
            told.append(source and source.speaker)
        if "linguistic" in inputs:
            labels = self._speech.labels or self._folder / "labels"
            found = find_labels(labels, name)
            told += [found and found.name, finished.stamp(found)]
            told += [source and source.text, self._texts.get(Path(name).stem)]
        return finished.digest(*told)

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

    def _describer(self):
        from pwavenet_tf.corpus.describe import FeatureExtractor
        from pwavenet_tf.synthesis.files import inputs_to_describe

        speech = self._speech
        manifest = find_manifest(speech.place)
        inputs = inputs_to_describe(
            self._voice,
            find_speaker=not speech.speaker
            and bool(speech.speaker_pattern or manifest),
        )
        layout = _layout(manifest, self._folder, inputs)
        self._sources = {one.name: one for one in layout.sources}
        return FeatureExtractor(
            self._model.audio,
            inputs,
            self._folder,
            speech.labels,
            speech.speaker_pattern,
            layout,
        )


def _layout(
    manifest: Path | None, folder: Path, inputs: tuple[str, ...]
) -> Layout:
    """What tells texts and speakers; empty where nothing asks or tells."""
    if manifest:
        return find_layout(manifest)
    if {"linguistic", "speaker"}.intersection(inputs):
        with contextlib.suppress(UserError):
            return find_layout(folder)
    return Layout("", folder, ())


SETTINGS_NAME = "synthesis.json"
INPUTS_NAME = "synthesis-inputs.json"


def require_own(out: Path) -> None:
    """Refuses a folder that holds something else than a run's sound.

    Raises:
        UserError: If it does.
    """
    if not (out / SETTINGS_NAME).exists():
        require_free(out)


def claim(out: Path, settings: dict[str, object]) -> None:
    """Says in `out` what it is for, or compares what an earlier run said.

    Args:
        out: Folder for sound.
        settings: All that the sound depends on beside its own input. A
            `model` is told by what it holds, other paths by where they lead.

    Raises:
        UserError: If the earlier run's settings were others.
    """
    told = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }
    model = Path(settings["model"]).read_bytes()
    told["model"] = hashlib.sha256(model).hexdigest()
    content = json.dumps(told, indent=1) + "\n"
    path = out / SETTINGS_NAME
    if not path.exists():
        with written_aside(path) as aside:
            aside.write_text(content, "ascii")
    elif path.read_text("ascii", errors="replace") != content:
        raise UserError(
            f"{out}: holds the sound of another model, input or setting, as "
            f"{SETTINGS_NAME} in it tells; name another folder"
        )


def drop_outdated(
    out: Path,
    utterances: Iterable[Utterance],
    digest: Callable[[Utterance], str],
) -> None:
    """Removes the sound of inputs that are not what they were.

    What the inputs are now is written down before any sound is made: so what
    is there is never newer than it says, whenever the run is killed.

    Args:
        out: Folder for sound.
        utterances: The inputs.
        digest: Of all that belongs to an input.
    """
    path = out / INPUTS_NAME
    try:
        before = dict(json.loads(path.read_text("ascii")))
    except (OSError, ValueError, TypeError):
        before = {}
    now = {}
    for one in utterances:
        now[one.name] = digest(one)
        if before.get(one.name) != now[one.name]:
            one.sound.unlink(missing_ok=True)
    with written_aside(path) as aside:
        aside.write_text(json.dumps(now, indent=0) + "\n", "ascii")


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
