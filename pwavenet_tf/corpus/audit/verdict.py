"""The audit's limits and its verdict: accepted, or quarantined with reasons."""

import dataclasses
import re
from collections.abc import Iterable, Iterator

from pwavenet_tf.corpus.audit.measures import Measures
from pwavenet_tf.corpus.layouts import Source

_SECONDS = 0.001, 1_000_000.0
_SHARE = 0.0, 1.0
_DECIBELS = -200.0, 200.0
_HERTZ = 0.0, 1_000_000.0
_RATE = 0.0, 10_000.0


def _limit(
    default: object, text: str, bounds: tuple[float, float] | None
) -> dataclasses.Field:
    return dataclasses.field(
        default=default, metadata={"help": text, "bounds": bounds}
    )


@dataclasses.dataclass(frozen=True)
class Limits:
    """What sends a recording to quarantine, and what is a warning.

    The help of each field is that of its flag, and so are the bounds. None
    means that there is no such limit.
    """

    shortest_seconds: float = _limit(
        0.25, "SECONDS: Shorter recordings are quarantined.", _SECONDS
    )
    longest_seconds: float = _limit(
        3600.0, "SECONDS: Longer recordings are quarantined.", _SECONDS
    )
    most_clipped: float | None = _limit(
        0.1, "SHARE: More clipped samples, of 1, are quarantined.", _SHARE
    )
    warn_clipped: float | None = _limit(
        0.001, "SHARE: More clipped samples are a warning.", _SHARE
    )
    most_offset: float | None = _limit(
        0.1,
        "LEVEL: A larger mean of the samples (DC) is quarantined.",
        _SHARE,
    )
    warn_offset: float | None = _limit(
        0.01, "LEVEL: A larger mean of the samples is a warning.", _SHARE
    )
    most_silence: float | None = _limit(
        0.95, "SHARE: A larger share of pauses is quarantined.", _SHARE
    )
    warn_silence: float | None = _limit(
        0.6, "SHARE: A larger share of pauses is a warning.", _SHARE
    )
    least_snr: float | None = _limit(
        None,
        "DB: A lower signal-to-noise ratio is quarantined; none, if left out.",
        _DECIBELS,
    )
    warn_snr: float | None = _limit(
        15.0, "DB: A lower signal-to-noise ratio is a warning.", _DECIBELS
    )
    least_bandwidth: float | None = _limit(
        None,
        "HZ: A narrower bandwidth is quarantined; none, if left out.",
        _HERTZ,
    )
    warn_bandwidth: float | None = _limit(
        0.8,
        "SHARE: A bandwidth of less than this share of what the sample rate "
        "allows is a warning.",
        _SHARE,
    )
    slowest_speech: float | None = _limit(
        2.0,
        "RATE: Fewer characters of transcript in a second mean that it "
        "belongs to another recording, which is quarantined.",
        _RATE,
    )
    fastest_speech: float | None = _limit(
        40.0,
        "RATE: More characters of transcript in a second, likewise.",
        _RATE,
    )
    quarantine_duplicates: bool = _limit(
        False,
        "<true|false>: Whether a recording with the samples of another is "
        "quarantined; it is a warning otherwise.",
        None,
    )


@dataclasses.dataclass(frozen=True)
class Audit:
    """What became of one recording.

    Attributes:
        source: The recording.
        measures: None if it could not be read.
        reasons: Why it is in quarantine, in words; empty if it is accepted.
        warnings: What else is to be known.
    """

    source: Source
    measures: Measures | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.reasons


class Judge:
    """Judges the recordings of one corpus, one after the other.

    Of recordings with the same samples the first one judged is the original.

    Args:
        limits: What is accepted.
        sample_rate: The rate that the corpus is for, Hz.
        check_transcripts: Whether a transcript that cannot belong to its
            recording is a reason; if not, it is a warning only.
        transcribed: Whether a recording without a transcript is worth a
            warning.
    """

    def __init__(
        self,
        limits: Limits,
        sample_rate: int,
        check_transcripts: bool = True,
        transcribed: bool = False,
    ) -> None:
        self._limits = limits
        self._sample_rate = sample_rate
        self._check_transcripts = check_transcripts
        self._transcribed = transcribed
        self._originals: dict[str, str] = {}

    def __call__(self, source: Source, measures: Measures) -> Audit:
        """The verdict on a recording that could be read."""
        reasons, warnings = [], []
        for refuses, text in (
            *_length(measures, self._limits),
            *_sound(measures, self._limits),
            *_frequencies(measures, self._limits, self._sample_rate),
            *self._transcript(source, measures),
            *self._duplicate(source, measures),
        ):
            (reasons if refuses else warnings).append(text)
        return Audit(source, measures, tuple(reasons), tuple(warnings))

    def _transcript(self, source: Source, measures: Measures) -> Iterator:
        if source.text is None:
            if self._transcribed:
                yield False, "has no transcript"
            return
        rate = len(source.text.strip()) / measures.seconds
        if _below(rate, self._limits.slowest_speech) or _above(
            rate, self._limits.fastest_speech
        ):
            yield (
                self._check_transcripts,
                f"has {rate:.1f} characters of transcript in a second: it is "
                "that of another recording, or one of them is cut off",
            )

    def _duplicate(self, source: Source, measures: Measures) -> Iterator:
        first = self._originals.setdefault(measures.content, source.name)
        if first != source.name:
            yield (
                self._limits.quarantine_duplicates,
                f"has the same samples as {first}",
            )


# What differs between files with one reason: figures, quotations, remarks in
# parentheses, the other file.
_PARTICULARS = re.compile(
    r" ?\([^()]*\)|'[^']*'|[\d.,]+|(?<=same samples as ).+"
)


def by_reason(files: Iterable[tuple[str, str]]) -> list[str]:
    """Files in groups of one reason, the largest first, a line for each.

    Args:
        files: Names with their reasons.

    Returns:
        How many there are, with the first of them as an example.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, text in files:
        groups.setdefault(_PARTICULARS.sub("", text), []).append((name, text))
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [
        (f"{len(group)} like " if len(group) > 1 else "")
        + "{}: {}".format(*group[0])
        for group in ordered
    ]


def _length(measures: Measures, limits: Limits) -> Iterator:
    seconds = measures.seconds
    if seconds < limits.shortest_seconds:
        yield (
            True,
            f"is shorter than {limits.shortest_seconds:g} s ({seconds:.3f} s)",
        )
    if seconds > limits.longest_seconds:
        yield (
            True,
            f"is longer than {limits.longest_seconds:g} s "
            f"({seconds / 3600:.2f} h); cut it into pieces",
        )


def _sound(measures: Measures, limits: Limits) -> Iterator:
    if measures.silent:
        yield True, "is digitally silent"
        return
    for value, most, warned, text in (
        (
            measures.clipped_share,
            limits.most_clipped,
            limits.warn_clipped,
            f"is clipped ({measures.clipped_share:.2%} of its samples)",
        ),
        (
            abs(measures.offset),
            limits.most_offset,
            limits.warn_offset,
            f"has an offset of {measures.offset:.3f} of full scale (DC)",
        ),
        (
            measures.silence_share,
            limits.most_silence,
            limits.warn_silence,
            f"is mostly pauses ({measures.silence_share:.0%})",
        ),
    ):
        if _above(value, most) or _above(value, warned):
            yield _above(value, most), text
    snr = measures.snr_db
    if _below(snr, limits.least_snr) or _below(snr, limits.warn_snr):
        yield _below(snr, limits.least_snr), f"is noisy (SNR {snr:.1f} dB)"


def _frequencies(
    measures: Measures, limits: Limits, sample_rate: int
) -> Iterator:
    if measures.silent:
        return
    highest, share = measures.bandwidth_hz, limits.warn_bandwidth or 0.0
    text = f"holds nothing above {highest:.0f} Hz"
    if highest < share * measures.sample_rate / 2:
        text += (
            f" though sampled at {measures.sample_rate} Hz: it was sampled "
            "lower before, or compressed with loss"
        )
    elif highest < share * sample_rate / 2:
        text += f", and is brought to {sample_rate} Hz"
    elif not _below(highest, limits.least_bandwidth):
        return
    yield _below(highest, limits.least_bandwidth), text


def _below(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value < limit


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit
