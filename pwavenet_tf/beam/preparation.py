"""The preparation of a corpus as Beam jobs.

Workers measure and describe the recordings, each by itself, into a folder
beside the corpus. What depends on an order (duplicates, who is held out, ids,
statistics, shards) is then done here, by the code that does it without Beam.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam

from pwavenet_tf.beam import import_tensorflow_in_worker
from pwavenet_tf.beam.jobs import Progress, Runner, run_job
from pwavenet_tf.beam.only_run import only_run
from pwavenet_tf.config import AudioContract
from pwavenet_tf.corpus.audit import CorpusAudit, drawn, judged
from pwavenet_tf.corpus.audit.limits import Limits
from pwavenet_tf.corpus.audit.measures import Measures, measure
from pwavenet_tf.corpus.card import CorpusCard
from pwavenet_tf.corpus.described import Describer
from pwavenet_tf.corpus.label_files import find_labels
from pwavenet_tf.corpus.layouts import Layout, Source
from pwavenet_tf.corpus.prepare import (
    Described,
    Validation,
    accepted,
    assemble,
    described,
    without_statistics,
)
from pwavenet_tf.corpus.statistics import GivenStatistics
from pwavenet_tf.errors import UserError
from pwavenet_tf.files import require_free
from pwavenet_tf.training_config import Preset

# Few enough that the last worker is soon done, and enough that a group's
# graph of decoders is worth building.
_GROUP = 8
_INPUTS = "inputs.jsonl"
_Measured = Measures | UserError


@dataclasses.dataclass(frozen=True)
class _Job:
    """What a worker has to know to describe recordings."""

    contract: AudioContract
    inputs: tuple[str, ...]
    folder: Path
    labels: Path | None
    speaker_pattern: str | None

    def describer(self, sources: Iterable[Source] | None) -> Describer:
        """Describes recordings; `sources` tell their texts and speakers."""
        layout = Layout("", self.folder, tuple(sources or ()))
        return Describer(
            self.contract,
            self.inputs,
            self.folder,
            self.labels,
            self.speaker_pattern,
            layout,
        )

    @property
    def tells_sources(self) -> bool:
        """Whether the describer asks for texts or speakers."""
        return bool({"linguistic", "speaker"}.intersection(self.inputs))

    def file_name(self, source: Source) -> str:
        """Of the finished description."""
        files = []
        if "linguistic" in self.inputs:
            labels = self.labels or self.folder / "labels"
            texts = self.folder / "metadata.csv"
            files = [find_labels(labels, source.name), texts]
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
) -> tuple[CorpusCard, CorpusAudit]:
    """Audits and prepares a corpus as Beam jobs.

    The files are byte for byte those of `pwavenet_tf.prepare`. What is
    finished lies in `.preparing-NAME` beside `out` until the corpus is whole:
    a run that was killed is taken up by the next one. Every worker must see
    the recordings and `out` under the same paths; those of another machine
    need absolute ones.

    Args:
        layout: From `find_layout`.
        out: As `prepare` has it, and so are the next four.
        preset: Its acoustic contract is followed.
        inputs: What models are to be told.
        labels: Folder of label files.
        speaker_pattern: For `speaker`.
        limits: What the audit accepts.
        runner: Where the jobs run; on this machine, if None.
        validation_pattern: As `prepare` has it.
        statistics: As `prepare` has it.

    Returns:
        The card, and the audit.

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
    job = _Job(contract, inputs, layout.folder, labels, speaker_pattern)
    # Before the work, which takes long: the pattern may be amiss.
    job.describer(None)
    work = out.with_name(f".preparing-{out.name}")
    with only_run(work):
        forget_faults(work)
        workers = _Workers(runner or Runner(), work)
        measured = workers.measured(layout)
        spoken = "linguistic" in inputs
        audited = judged(
            layout, limits or Limits(), contract.sample_rate, spoken, measured
        )
        found = workers.described(job, accepted(audited))
        card = assemble(
            out, audited, contract, preset.name, found, held_out, statistics
        )
        shutil.rmtree(work, ignore_errors=True)
    return card, audited


@dataclasses.dataclass(frozen=True)
class _Workers:
    """Those who fill the folder of what is finished."""

    runner: Runner
    work: Path

    def measured(self, layout: Layout) -> Iterator[tuple[Source, _Measured]]:
        """What the audit has to judge, in the order drawn."""
        results = [
            (source, self.work / file_name(source, ".json"))
            for source in drawn(layout.sources)
        ]
        self._run(results, _Measure(), f"audit ({layout.kind})", ".json")
        return ((one, load_measures(path)) for one, path in results)

    def described(
        self, job: _Job, sources: list[Source]
    ) -> Iterator[tuple[Source, Described]]:
        """As `pwavenet_tf.corpus.prepare.described` has it."""
        results = [(one, self.work / job.file_name(one)) for one in sources]
        worker = _Describe(job, self.work / _INPUTS)
        self._run(results, worker, "describe", ".npz")
        return ((one, load_description(path)) for one, path in results)

    def _run(
        self,
        results: list[tuple[Source, Path]],
        work_on_group: beam.DoFn,
        description: str,
        suffix: str,
    ) -> None:
        groups = (
            json.dumps(
                [_entry(*one) for one in results[first : first + _GROUP]]
            )
            for first in range(0, len(results), _GROUP)
        )
        progress = Progress(
            description,
            len(results),
            lambda: count_done(self.work, suffix),
        )
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
                save_measures(path, found)


class _Describe(beam.DoFn):
    """Decodes and describes a group of recordings."""

    def __init__(self, job: _Job, inputs: Path) -> None:
        self._job = job
        self._inputs = inputs

    def setup(self) -> None:
        import_tensorflow_in_worker()
        sources = None
        if self._job.tells_sources:
            with open(self._inputs) as file:
                sources = [one for line in file for one, _ in _entries(line)]
        self._describe = self._job.describer(sources)

    def process(self, group: str) -> None:
        unfinished = list(_unfinished(group))
        found = described(
            [source for source, _ in unfinished],
            self._describe,
            self._job.contract.sample_rate,
        )
        for (_, path), (_, one) in zip(unfinished, found, strict=True):
            if isinstance(one, UserError):
                save_fault(path, one)
            else:
                save_description(path, *one)


def _entry(source: Source, result: Path) -> tuple:
    told = source.name, source.speaker, source.text
    return (str(source.path), *told, str(result))


def _entries(group: str) -> Iterator[tuple[Source, Path]]:
    for path, *told, result in json.loads(group):
        yield Source(Path(path), *told), Path(result)


def _unfinished(group: str) -> Iterator[tuple[Source, Path]]:
    """Without those that an earlier run or another worker has finished."""
    return (one for one in _entries(group) if not one[1].exists())
