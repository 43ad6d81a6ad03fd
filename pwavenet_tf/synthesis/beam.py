"""Synthesis of a whole folder as a Beam job: `RunInference` with a model."""

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

from pwavenet_tf.audio.files import visible_files
from pwavenet_tf.core.beam import Progress, Runner, run_job
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import (
    UNFINISHED,
    atomic_write,
    remove_unfinished,
    require_free,
)
from pwavenet_tf.core.imports import import_tensorflow
from pwavenet_tf.core.locks import run_lock
from pwavenet_tf.corpus import beam as corpus_beam
from pwavenet_tf.corpus.layouts import (
    Layout,
    find_layout,
    find_layout_or_none,
    find_manifest,
)
from pwavenet_tf.corpus.manifest import read_manifest
from pwavenet_tf.corpus.phones.labels import find_labels
from pwavenet_tf.corpus.transcripts import Transcripts

SETTINGS_NAME = "synthesis.json"
INPUTS_NAME = "synthesis-inputs.json"

FAILURES_NAME = "failed.csv"
# A file's name may be no Unicode.
_CSV: dict = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
_INPUTS = ".inputs.jsonl"


@dataclasses.dataclass(frozen=True)
class Utterance:
    """An input file, its name and the audio file to write.

    The name is its path within the folder or the manifest, with `/`.
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
        """The inverse of `line`."""
        path, name, sound = json.loads(line)
        return cls(Path(path), name, Path(sound))


def find_utterances(place: Path, out: Path) -> tuple[Path, list[Utterance]]:
    """Finds the inputs to synthesize, whose audio goes to the folder `out`.

    The place is a folder, searched recursively without what is hidden, or a
    CSV manifest, which may also be `manifest.csv` in the folder. Returns the
    folder that names are relative to, and the utterances by name.
    """
    # Late, because it loads TensorFlow.
    from pwavenet_tf.synthesis.files import by_output, input_files, no_inputs

    if manifest := find_manifest(place):
        folder = manifest.parent
        names = [row.path for row in read_manifest(manifest)]
    elif place.is_dir():
        folder, paths = place, input_files(visible_files(place))
        names = [path.relative_to(folder).as_posix() for path in paths]
    else:
        raise UserError(
            f"{place}: is neither a folder nor a CSV manifest; for a single "
            "file use pwavenet synthesize"
        )
    if not names:
        raise no_inputs(place)
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"--out={out} lies within {folder}, where its audio would be "
            "taken for recordings; give another folder"
        )
    named = by_output((out / _sound(name), name) for name in sorted(names))
    return folder, [
        Utterance(folder / name, name, sound) for sound, name in named.items()
    ]


def _sound(name: str) -> PurePosixPath:
    # A manifest may name files anywhere; their audio stays in one folder.
    path = PurePosixPath(name)
    inside = [name for name in path.parts if name not in ("..", path.anchor)]
    return PurePosixPath(*inside).with_suffix(".wav")


@dataclasses.dataclass(frozen=True)
class SynthesisJob:
    """What to synthesize, and how.

    The place is a folder of recordings, `.npy` and `.npz` files, or a
    manifest. Without a `speaker` it is the recordings' own, which
    `speaker_pattern` finds in their paths; without `labels`, label files are
    looked for in the place's folder `labels`.
    """

    model: Path
    place: Path
    seed: int = 0
    temperature: float = 1.0
    speaker: str | None = None
    speaker_pattern: str | None = None
    labels: Path | None = None

    def absolute(self) -> "SynthesisJob":
        """With absolute paths; links stay, because names depend on them."""
        changes: dict = {
            name: Path(os.path.abspath(path))
            for name in ("model", "place", "labels")
            if (path := getattr(self, name))
        }
        return dataclasses.replace(self, **changes)


class FileSynthesizer:
    """Synthesizes audio files from input files by a loaded model."""

    def __init__(self, job: SynthesisJob, folder: Path) -> None:
        import_tensorflow()
        from pwavenet_tf.models.loading import load_model
        from pwavenet_tf.synthesis.student import synthesizer_of

        self._job, self._folder = job, folder
        self._model = load_model(job.model)
        self._require_speaker()
        self._synthesizer = synthesizer_of(self._model)
        self._describe = self._describer()
        # The layout does not have those of recordings elsewhere.
        self._texts = Transcripts(folder)

    def synthesize(self, utterance: Utterance) -> str | None:
        """Writes an audio file; returns the reason if that fails."""
        from pwavenet_tf.synthesis import files

        try:
            features = files.read_features(
                utterance.path,
                self._synthesizer,
                # By the whole name, which may contain folders.
                lambda _, audio: self._describe(utterance.name, audio),
                self._job.speaker,
            )
            files.synthesize_to_file(
                self._synthesizer,
                features,
                utterance.sound,
                self._job.seed,
                self._job.temperature,
            )
        except UserError as fault:
            return str(fault).removeprefix(f"{utterance.path}: ")
        return None

    def digest(self, utterance: Utterance) -> str:
        """Of the files and texts that an utterance is synthesized from."""
        name = utterance.name
        parts: list[object] = [name, corpus_beam.stamp(utterance.path)]
        source = self._sources.get(name)
        inputs = self._model.conditioning.inputs
        if "speaker" in inputs:
            parts.append(source and source.speaker)
        if "linguistic" in inputs:
            labels = self._job.labels or self._folder / "labels"
            label_file = find_labels(labels, name)
            parts += [label_file and label_file.name]
            parts += [corpus_beam.stamp(label_file)]
            parts += [source and source.text, self._texts.normalised(name)]
        return corpus_beam.digest(*parts)

    def _require_speaker(self) -> None:
        speaker, known = self._job.speaker, self._model.conditioning.speakers
        if speaker is not None and speaker not in known:
            advice = f"it knows {', '.join(known)}"
            if not known:
                advice = "it has one speaker only, leave out --speaker"
            raise UserError(
                f"--speaker={speaker} is not known to this model; {advice}"
            )

    def _describer(self):
        from pwavenet_tf.corpus.describe import FeatureExtractor
        from pwavenet_tf.synthesis.files import inputs_to_extract

        job = self._job
        manifest = find_manifest(job.place)
        inputs = inputs_to_extract(
            self._synthesizer,
            find_speaker=not job.speaker
            and bool(job.speaker_pattern or manifest),
        )
        # With texts and speakers; empty if unneeded or unknown.
        layout = None
        if manifest:
            layout = find_layout(manifest)
        elif {"linguistic", "speaker"}.intersection(inputs):
            layout = find_layout_or_none(self._folder)
        layout = layout or Layout("", self._folder, ())
        self._sources = {one.name: one for one in layout.sources}
        return FeatureExtractor(
            self._model.audio,
            inputs,
            self._folder,
            job.labels,
            job.speaker_pattern,
            layout,
        )


def check_settings(out: Path, settings: dict) -> None:
    """Writes a run's settings to `out`, or compares an earlier run's.

    They are all that the audio depends on besides its own input. The `model`
    is recorded by its hash, other paths are resolved.
    """
    recorded = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }
    model = Path(settings["model"]).read_bytes()
    recorded["model"] = hashlib.sha256(model).hexdigest()
    content = json.dumps(recorded, indent=1) + "\n"
    path = out / SETTINGS_NAME
    if not path.exists():
        with atomic_write(path) as temporary:
            temporary.write_text(content, "ascii")
    elif path.read_text("ascii", errors="replace") != content:
        raise UserError(
            f"{out}: holds audio of another model, input or setting, see "
            f"{SETTINGS_NAME} in it; name another folder"
        )


def drop_outdated(
    out: Path,
    utterances: Iterable[Utterance],
    digest: Callable[[Utterance], str],
) -> None:
    """Removes the audio of inputs that have changed.

    The digests, of all that an input's audio depends on, are written before
    any audio is synthesized, so that audio always belongs to the digests,
    whenever the run is killed.
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
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(now, indent=0) + "\n", "ascii")


@dataclasses.dataclass(frozen=True)
class SynthesisReport:
    """How many utterances there are, and how many are of an earlier run.

    The failures are the names of those without audio, with the reasons.
    """

    utterances: int
    earlier: int
    failures: tuple[tuple[str, str], ...]


class SynthesisHandler(ModelHandler[str, PredictionResult, FileSynthesizer]):
    """Loads a model once for each worker; an inference is an audio file.

    An example is an `Utterance.line`. Its inference is None if the file was
    written, and otherwise the reason why it was not.
    """

    def __init__(self, job: SynthesisJob, folder: Path) -> None:
        # The row in a batch determines the noise, and a long recording fills a
        # batch anyway.
        super().__init__(max_batch_size=1)
        self._job = job
        self._folder = folder

    def load_model(self) -> FileSynthesizer:
        return FileSynthesizer(self._job, self._folder)

    def run_inference(
        self,
        batch: Sequence[str],
        model: FileSynthesizer,
        inference_args: dict | None = None,
    ) -> Iterable[PredictionResult]:
        for line in batch:
            reason = model.synthesize(Utterance.read(line))
            yield PredictionResult(line, reason)


def synthesize_on_beam(
    job: SynthesisJob, out: Path, runner: Runner | None = None
) -> SynthesisReport:
    """Synthesizes a folder or a manifest as a Beam job.

    Each audio file is what `pwavenet synthesize` makes of the same input. An
    input that cannot be synthesized does not affect the others. Audio files
    that exist stay, unless their input, labels, text or speaker changed. In
    `out`, they have their inputs' names; there is also `failed.csv`, if an
    input failed. Without a runner the job runs on this machine.
    """
    # Absolute, because `.` has neither a name nor a parent, and because the
    # same command may come from another folder.
    out, job = Path(os.path.abspath(out)), job.absolute()
    folder, utterances = find_utterances(job.place, out)
    # Here too, because otherwise every worker would report a bad model.
    synthesizer = FileSynthesizer(job, folder)
    if not (out / SETTINGS_NAME).exists():
        require_free(out)
    with run_lock(out):
        check_settings(out, dataclasses.asdict(job))
        remove_unfinished(list(out.rglob(UNFINISHED)))
        drop_outdated(out, utterances, synthesizer.digest)
        to_do = [one for one in utterances if not one.sound.exists()]
        run_job(
            runner or Runner(),
            out / _INPUTS,
            (one.line for one in to_do),
            _synthesize_files(
                SynthesisHandler(job, folder), out / FAILURES_NAME
            ),
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
            raise corpus_beam.unwritten(one.sound)
    total = len(utterances)
    return SynthesisReport(total, total - len(to_do), failures)


@beam.ptransform_fn
def _synthesize_files(lines, handler: SynthesisHandler, failures: Path):
    """Lines to audio files, and to a list of those that failed."""
    return (
        lines
        | RunInference(handler)
        | beam.FlatMap(_failure)
        | beam.combiners.ToList()
        | beam.Map(_write_failures, failures)
    )


def _failure(result: PredictionResult) -> Iterator[str]:
    # As JSON, because workers exchange UTF-8, which a name need not be.
    if result.inference is not None:
        name = Utterance.read(str(result.example)).name
        yield json.dumps([name, result.inference])


def _write_failures(failures: list[str], path: Path) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as temporary, temporary.open("w", **_CSV) as file:
        table = csv.writer(file)
        table.writerow(["file", "reason"])
        table.writerows(sorted(json.loads(one) for one in failures))


def _read_failures(path: Path) -> tuple[tuple[str, str], ...]:
    if not path.exists():
        return ()
    with path.open(**_CSV) as file:
        return tuple((name, reason) for name, reason in [*csv.reader(file)][1:])
