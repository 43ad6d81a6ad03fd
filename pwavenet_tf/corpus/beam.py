"""The preparation of a corpus as Beam jobs.

Workers measure and describe the recordings, each by itself, into a folder
next to the corpus: a file for each, named after the recording and all that it
depends on, so that a job that was killed resumes and changed recordings are
done again. What depends on an order (duplicates, the split, ids, statistics,
shards) is done afterwards, by the code that does it without Beam. A fault has
a file of its own: it may pass, so the next run tries again.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam
import numpy as np

from pwavenet_tf.core.beam import Progress, Runner, run_job
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.imports import import_tensorflow
from pwavenet_tf.core.locks import run_lock
from pwavenet_tf.core.sizes import load_arrays
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.core.version import __version__
from pwavenet_tf.corpus.audit import CorpusAudit, judged, shuffle_key, shuffled
from pwavenet_tf.corpus.audit.measures import Measures, measure
from pwavenet_tf.corpus.audit.verdict import Limits
from pwavenet_tf.corpus.card import CorpusCard
from pwavenet_tf.corpus.describe import Description, FeatureExtractor
from pwavenet_tf.corpus.layouts import Layout, Source
from pwavenet_tf.corpus.phones.labels import find_labels
from pwavenet_tf.corpus.phones.phones import LANGUAGE, Phone
from pwavenet_tf.corpus.prepare import (
    Extracted,
    Validation,
    accepted,
    assemble,
    extract_features,
    without_statistics,
)
from pwavenet_tf.corpus.statistics import GivenStatistics
from pwavenet_tf.corpus.transcripts import TABLE

_FAULT = ".fault"

# Few enough that the last worker is soon done, and enough that a group's
# graph of decoders is worth building.
_GROUP = 8
_INPUTS = "inputs.jsonl"
_Measured = Measures | UserError


def file_name(source: Source, suffix: str, *settings: object) -> str:
    """The name of a recording's file, by all that the result depends on.

    That is the recording, its size and time of change, and the settings.
    """
    key = digest(source, stamp(source.path), settings)
    return f"{shuffle_key(source.name).hex()}-{key}{suffix}"


def digest(*dependencies: object) -> str:
    """A short name for what a result depends on, this package included."""
    text = repr((__version__, *dependencies)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def stamp(path: Path | None) -> tuple[int, int] | None:
    """Size and time of change of a file; None if there is none."""
    try:
        status = path and path.stat()
    except OSError:
        return None
    return status and (status.st_size, status.st_mtime_ns)


def save_fault(path: Path, fault: UserError) -> None:
    """Writes why there will be no `path`."""
    # As JSON, for a name in it need not be UTF-8.
    _save_json(_fault_of(path), str(fault))


def _save_json(path: Path, content: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content), "ascii")


def load_measures(path: Path) -> _Measured:
    """Reads the measures, or what `save_fault` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        return Measures(**json.loads(path.read_text("ascii")))
    except FileNotFoundError:
        return _load_fault(path)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error


def save_description(
    path: Path, pcm: np.ndarray, description: Description
) -> None:
    """Writes the PCM int16 `(time,)` and the description."""
    arrays = {"levels": pcm, "mel": description.mel}
    if description.pitch is not None:
        arrays["pitch"] = description.pitch
    phones = description.phones and [
        (one.symbol, float(one.start), float(one.end))
        for one in description.phones
    ]
    content = {"speaker": description.speaker, "phones": phones}
    # JSON keeps every bit of a float and every character of a symbol.
    arrays["told"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays)


def load_description(path: Path) -> Extracted:
    """Reads what `save_description` or `save_fault` wrote.

    Raises:
        UserError: If it is missing or damaged.
    """
    try:
        arrays = load_arrays(path)
        content = json.loads(arrays["told"].tobytes())
        pcm, mel = arrays["levels"], arrays["mel"]
    except FileNotFoundError:
        return _load_fault(path)
    except (OSError, ValueError, LookupError) as error:
        raise _damaged(path) from error
    phones = content["phones"] and [Phone(*one) for one in content["phones"]]
    pitch, speaker = arrays.get("pitch"), content["speaker"]
    return pcm, Description(mel, phones, pitch, speaker)


def unwritten(path: Path) -> UserError:
    """The fault of a result that is missing when all work is done."""
    return UserError(
        f"{path}: no worker wrote it; all machines must see the folder of "
        "--out under the same path"
    )


def _fault_of(path: Path) -> Path:
    return path.with_name(path.name + _FAULT)


def _load_fault(path: Path) -> UserError:
    try:
        return UserError(json.loads(_fault_of(path).read_text("ascii")))
    except FileNotFoundError:
        raise unwritten(path) from None
    except (OSError, ValueError) as error:
        raise _damaged(_fault_of(path)) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: is damaged; remove it and run again")


@dataclasses.dataclass(frozen=True)
class _Job:
    """What a worker needs to extract features."""

    contract: AudioContract
    inputs: tuple[str, ...]
    folder: Path
    labels: Path | None
    speaker_pattern: str | None
    language: str = LANGUAGE

    def extractor(self, sources: Iterable[Source] = ()) -> FeatureExtractor:
        """Extracts features; `sources` give the texts and speakers."""
        layout = Layout("", self.folder, tuple(sources))
        return FeatureExtractor(
            self.contract,
            self.inputs,
            self.folder,
            labels=self.labels,
            speaker_pattern=self.speaker_pattern,
            layout=layout,
            language=self.language,
        )

    @property
    def needs_sources(self) -> bool:
        """Whether the features need texts, speakers or the pitch of notes."""
        needing = {"linguistic", "speaker", "pitch", "sinusoids"}
        return bool(needing.intersection(self.inputs))

    def file_name(self, source: Source) -> str:
        """Of the saved features."""
        files = []
        if "linguistic" in self.inputs:
            labels = self.labels or self.folder / "labels"
            files = [find_labels(labels, source.name), self.folder / TABLE]
        stamps = [(file, stamp(file)) for file in files]
        return file_name(source, ".npz", self, stamps)


def prepare_on_beam(
    layout: Layout,
    out: Path,
    preset: Preset,
    inputs: tuple[str, ...] = ("mel",),
    labels: Path | None = None,
    speaker_pattern: str | None = None,
    limits: Limits | None = None,
    runner: Runner | None = None,
    validation_pattern: str | None = None,
    statistics: GivenStatistics | None = None,
    language: str = LANGUAGE,
) -> tuple[CorpusCard, CorpusAudit]:
    """Audits and prepares a corpus as Beam jobs.

    The files are byte for byte those of `pwavenet_tf.prepare`. Finished results
    are kept in `.preparing-NAME` next to `out` until the corpus is complete, so
    that the next run resumes one that was killed. Every worker must see the
    recordings and `out` under the same paths; those of another machine need
    absolute ones. The jobs run on this machine if there is no `runner`; the
    other arguments are those of `prepare` and `audit`.

    Raises:
        UserError: As `prepare`, or if the runner cannot be used.
    """
    # Absolute, because `.` has neither a name nor a parent.
    out = Path(os.path.abspath(out))
    require_free(out)
    held_out = Validation(validation_pattern)
    contract = without_statistics(preset)
    if statistics is not None:
        statistics.require_contract(contract)
    job = _Job(
        contract, inputs, layout.folder, labels, speaker_pattern, language
    )
    # Before the work, which takes long: the pattern may be invalid.
    job.extractor()
    work = out.with_name(f".preparing-{out.name}")
    with run_lock(work):
        # What a fault was in the way of is tried again.
        for path in work.glob(f"[!.]*{_FAULT}"):
            path.unlink()
        workers = _Workers(runner or Runner(), work)
        audited = judged(
            layout,
            limits or Limits(),
            contract.sample_rate,
            "linguistic" in inputs,
            workers.measured(layout),
        )
        found = workers.extracted(job, accepted(audited, held_out))
        card = assemble(
            out, audited, preset, found, held_out, statistics, language
        )
        shutil.rmtree(work, ignore_errors=True)
    return card, audited


@dataclasses.dataclass(frozen=True)
class _Workers:
    """Fills the result cache, a folder, by Beam jobs."""

    runner: Runner
    work: Path

    def measured(self, layout: Layout) -> Iterator[tuple[Source, _Measured]]:
        """The measures to be judged, in shuffled order."""
        results = [
            (source, self.work / file_name(source, ".json"))
            for source in shuffled(layout.sources)
        ]
        self._run(results, _Measure(), f"audit ({layout.kind})", ".json")
        return ((one, load_measures(path)) for one, path in results)

    def extracted(
        self, job: _Job, sources: list[Source]
    ) -> Iterator[tuple[Source, Extracted]]:
        """As `pwavenet_tf.corpus.prepare.extract_features`."""
        results = [(one, self.work / job.file_name(one)) for one in sources]
        worker = _Extract(job, self.work / _INPUTS)
        self._run(results, worker, "features", ".npz")
        return ((one, load_description(path)) for one, path in results)

    def _run(
        self,
        results: list[tuple[Source, Path]],
        work_on_group: beam.DoFn,
        description: str,
        suffix: str,
    ) -> None:
        def count_done() -> int:
            ends = (suffix, suffix + _FAULT)
            return sum(len(list(self.work.glob(f"[!.]*{end}"))) for end in ends)

        groups = (
            json.dumps(
                [_entry(*one) for one in results[first : first + _GROUP]]
            )
            for first in range(0, len(results), _GROUP)
        )
        progress = Progress(description, len(results), count_done)
        transform = beam.ParDo(work_on_group)
        inputs = self.work / _INPUTS
        run_job(self.runner, inputs, groups, transform, progress)


class _Measure(beam.DoFn):
    """Measures a group of recordings for the audit."""

    def process(self, group: str) -> None:
        for source, path in _unfinished(group):
            try:
                found = measure(source.path)
            except UserError as fault:
                save_fault(path, fault)
            else:
                _save_json(path, dataclasses.asdict(found))


class _Extract(beam.DoFn):
    """Decodes a group of recordings and extracts their features."""

    def __init__(self, job: _Job, inputs: Path) -> None:
        self._job = job
        self._inputs = inputs

    def setup(self) -> None:
        import_tensorflow()
        sources: list[Source] = []
        if self._job.needs_sources:
            with open(self._inputs) as file:
                sources = [one for line in file for one, _ in _entries(line)]
        self._extractor = self._job.extractor(sources)

    def process(self, group: str) -> None:
        unfinished = list(_unfinished(group))
        found = extract_features(
            [source for source, _ in unfinished],
            self._extractor,
            self._job.contract.sample_rate,
        )
        for (_, path), (_, one) in zip(unfinished, found, strict=True):
            if isinstance(one, UserError):
                save_fault(path, one)
            else:
                save_description(path, *one)


def _entry(source: Source, result: Path) -> tuple:
    fields = source.name, source.speaker, source.text, source.pitch
    return (str(source.path), *fields, str(result))


def _entries(group: str) -> Iterator[tuple[Source, Path]]:
    for path, *fields, result in json.loads(group):
        yield Source(Path(path), *fields), Path(result)


def _unfinished(group: str) -> Iterator[tuple[Source, Path]]:
    """Without those with results of an earlier run or another worker."""
    return (one for one in _entries(group) if not one[1].exists())
