"""The audit of a corpus: every recording measured and judged."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.corpus.audit.measures import Measures, measure
from pwavenet_tf.corpus.audit.verdict import Audit, Judge, Limits
from pwavenet_tf.corpus.layouts import Layout, Source

# Enough that no thread waits for the one before it, and few enough that a
# corpus of a million files does not stand in a queue.
_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class CorpusAudit:
    """The results of an audit: one for each recording, sorted by name."""

    layout: Layout
    limits: Limits
    sample_rate: int
    audits: tuple[Audit, ...]

    @property
    def accepted(self) -> tuple[Audit, ...]:
        """Those that can be trained on."""
        return tuple(one for one in self.audits if one.accepted)

    @property
    def quarantined(self) -> tuple[Audit, ...]:
        """Those that cannot."""
        return tuple(one for one in self.audits if not one.accepted)

    @property
    def warned(self) -> tuple[Audit, ...]:
        """Accepted ones with a warning."""
        return tuple(one for one in self.accepted if one.warnings)


def audit(
    layout: Layout,
    limits: Limits,
    sample_rate: int,
    check_transcripts: bool = True,
    threads: int | None = None,
) -> CorpusAudit:
    """Measures and judges every recording, for a corpus of `sample_rate` Hz.

    Each of the threads, as many as cores if None, holds some seconds of one
    recording at a time, whatever its length.
    """
    print(
        f"Auditing {len(layout.sources):,} recordings ({layout.kind}), about "
        "10 s for an hour of speech on two cores",
        flush=True,
    )
    measured = Bar(
        _measured(shuffled(layout.sources), threads or os.cpu_count() or 1),
        desc=f"audit ({layout.kind})",
        total=len(layout.sources),
        unit="file",
    )
    return judged(layout, limits, sample_rate, check_transcripts, measured)


def judged(
    layout: Layout,
    limits: Limits,
    sample_rate: int,
    check_transcripts: bool,
    measured: Iterable[tuple[Source, Measures | UserError]],
) -> CorpusAudit:
    """Judges the sources, in the order of `shuffled`, by what was measured."""
    judge = Judge(
        limits, sample_rate, check_transcripts, layout.transcripts > 0
    )
    audits = [
        Audit(source, None, (reason(source, found),))
        if isinstance(found, UserError)
        else judge(source, found)
        for source, found in measured
    ]
    audits.sort(key=lambda one: one.source.name)
    return CorpusAudit(layout, limits, sample_rate, tuple(audits))


def reason(source: Source, fault: UserError) -> str:
    """The message of a fault, without its file, with the manifest's line."""
    text = str(fault).removeprefix(f"{source.path}: ")
    text = text.removeprefix(f"{source.name}: ")
    return f"{text} ({source.origin})" if source.origin else text


def shuffled(sources: Iterable[Source]) -> list[Source]:
    """Sorted by `shuffle_key`.

    The audit and `prepare` both use this order, so that they keep the same one
    of several duplicates.
    """
    return sorted(sources, key=lambda one: shuffle_key(one.name))


def shuffle_key(name: str) -> bytes:
    """A key that orders files at random, in the same way on every machine."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _measured(
    sources: Iterable[Source], threads: int
) -> Iterator[tuple[Source, Measures | UserError]]:
    """In the order of `sources`. Decoders and transforms free the GIL."""
    waiting: collections.deque[tuple[Source, Future]] = collections.deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for source in sources:
            waiting.append((source, pool.submit(_measure, source)))
            if len(waiting) > threads * _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _measure(source: Source) -> Measures | UserError:
    try:
        return measure(source.path)
    except UserError as fault:
        return fault
