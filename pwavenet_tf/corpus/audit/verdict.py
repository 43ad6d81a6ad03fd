"""The audit's limits and its verdict: accepted, or quarantined with reasons."""

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator

from pwavenet_tf.corpus.audit.measures import Measures
from pwavenet_tf.corpus.layouts import Source

# Of a limit, by the unit that its help begins with.
_BOUNDS = {
    **{"SECONDS": (0.001, 1_000_000.0), "SHARE": (0.0, 1.0)},
    **{"LEVEL": (0.0, 1.0), "DB": (-200.0, 200.0)},
    **{"HZ": (0.0, 1_000_000.0), "RATE": (0.0, 10_000.0)},
}

_MISMATCH = (
    "has {characters_per_second:.1f} characters of transcript in a second: it "
    "is that of another recording, or one of them is cut off"
)

# What differs between files with one reason: figures, quotations, remarks in
# parentheses, the other file.
_PARTICULARS = re.compile(
    r" ?\([^()]*\)|'[^']*'|[\d.,]+|(?<=same samples as ).+"
)


def _limit(default: object, text: str) -> dataclasses.Field:
    bounds = _BOUNDS.get(text.partition(":")[0])
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
        0.25, "SECONDS: Shorter recordings are quarantined."
    )
    longest_seconds: float = _limit(
        3600.0, "SECONDS: Longer recordings are quarantined."
    )
    most_clipped: float | None = _limit(
        0.1, "SHARE: More clipped samples, of 1, are quarantined."
    )
    warn_clipped: float | None = _limit(
        0.001, "SHARE: More clipped samples are a warning."
    )
    most_offset: float | None = _limit(
        0.1, "LEVEL: A larger mean of the samples (DC) is quarantined."
    )
    warn_offset: float | None = _limit(
        0.01, "LEVEL: A larger mean of the samples is a warning."
    )
    most_silence: float | None = _limit(
        0.95, "SHARE: A larger share of pauses is quarantined."
    )
    warn_silence: float | None = _limit(
        0.6, "SHARE: A larger share of pauses is a warning."
    )
    least_snr: float | None = _limit(
        None,
        "DB: A lower signal-to-noise ratio is quarantined; none, if left out.",
    )
    warn_snr: float | None = _limit(
        15.0, "DB: A lower signal-to-noise ratio is a warning."
    )
    least_bandwidth: float | None = _limit(
        None, "HZ: A narrower bandwidth is quarantined; none, if left out."
    )
    warn_bandwidth: float | None = _limit(
        0.8,
        "SHARE: A bandwidth of less than this share of what the sample rate "
        "allows is a warning.",
    )
    slowest_speech: float | None = _limit(
        2.0,
        "RATE: Fewer characters of transcript in a second mean that it "
        "belongs to another recording, which is quarantined.",
    )
    fastest_speech: float | None = _limit(
        40.0, "RATE: More characters of transcript in a second, likewise."
    )
    quarantine_duplicates: bool = _limit(
        False,
        "<true|false>: Whether a recording with the samples of another is "
        "quarantined; it is a warning otherwise.",
    )


@dataclasses.dataclass(frozen=True)
class Check:
    """Something that is measured of every recording, held against limits."""

    label: str
    # Limits and messages have shares of 1 in place of %.
    unit: str
    # Its name among `measured`.
    measure: str
    # Names of the limits beyond which a recording is quarantined, and of the
    # one, on the same side, beyond which it is warned of.
    least: str = ""
    most: str = ""
    warn: str = ""
    # What is wrong with a recording beyond them, to be formatted with all that
    # is `measured` and all limits.
    below: str = ""
    above: str = ""


CHECKS = (
    Check(
        *("Duration", "s", "seconds"),
        least="shortest_seconds",
        most="longest_seconds",
        below="is shorter than {shortest_seconds:g} s ({seconds:.3f} s)",
        above="is longer than {longest_seconds:g} s ({seconds:.0f} s); cut it "
        "into pieces",
    ),
    Check("Peak", "dB of full scale", "peak_db"),
    Check(
        *("Clipped samples", "%", "clipped_share"),
        most="most_clipped",
        warn="warn_clipped",
        above="is clipped ({clipped_share:.2%} of its samples)",
    ),
    Check(
        *("Offset (DC)", "% of full scale", "offset"),
        most="most_offset",
        warn="warn_offset",
        above="has an offset of {offset:.3f} of full scale (DC)",
    ),
    Check(
        *("Pauses", "% of the time", "silence_share"),
        most="most_silence",
        warn="warn_silence",
        above="is mostly pauses ({silence_share:.0%})",
    ),
    Check(
        *("Signal-to-noise ratio", "dB", "snr_db"),
        least="least_snr",
        warn="warn_snr",
        below="is noisy (SNR {snr_db:.1f} dB)",
    ),
    Check(
        *("Bandwidth", "Hz", "bandwidth_hz"),
        least="least_bandwidth",
        warn="warn_bandwidth",
        below="holds nothing above {bandwidth_hz:.0f} Hz{origin}",
    ),
    Check(
        *("Speaking rate", "characters per second", "characters_per_second"),
        least="slowest_speech",
        most="fastest_speech",
        below=_MISMATCH,
        above=_MISMATCH,
    ),
)


def measured(source: Source, measures: Measures) -> dict[str, float | None]:
    """What `CHECKS` need, by name; None where there is none."""
    found = vars(measures) | {"peak_db": None, "characters_per_second": None}
    if measures.peak:
        found["peak_db"] = 20 * math.log10(measures.peak)
    if source.text is not None:
        characters = len(source.text.strip())
        found["characters_per_second"] = characters / measures.seconds
    return found


def limits_by_name(limits: Limits, rate: int) -> dict[str, float | None]:
    """The limits, that of the bandwidth in Hz for a sample rate in Hz."""
    share = limits.warn_bandwidth
    return vars(limits) | {
        "warn_bandwidth": None if share is None else share * rate / 2
    }


@dataclasses.dataclass(frozen=True)
class Audit:
    """What became of one recording."""

    source: Source
    # None if it could not be read.
    measures: Measures | None
    # Why it is in quarantine; empty if it is accepted.
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.reasons


class Judge:
    """Judges the recordings of one corpus, one after the other.

    Of recordings with the same samples the first one judged is the original.
    With `check_transcripts` a transcript that cannot belong to its recording is
    a reason, and else a warning only; in a `transcribed` corpus a recording
    without a transcript is worth a warning.
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
        if measures.silent:
            cancelled = [text for lost, text in _channels(measures) if lost]
            reasons = tuple(cancelled) or ("is digitally silent",)
            return Audit(source, measures, reasons)
        reasons, warnings = [], []
        for refuses, text in (
            *_channels(measures),
            *self._compared(source, measures),
            *self._otherwise(source, measures),
        ):
            (reasons if refuses else warnings).append(text)
        return Audit(source, measures, tuple(reasons), tuple(warnings))

    def _compared(self, source: Source, measures: Measures) -> Iterator:
        rate = max(measures.sample_rate, self._sample_rate)
        found = measured(source, measures)
        limits = limits_by_name(self._limits, rate)
        words = found | limits | {"origin": self._origin(measures)}
        for check in CHECKS:
            value, warn = found[check.measure], limits.get(check.warn)
            for message, beyond, limit in (
                (check.below, _below, limits.get(check.least)),
                (check.above, _above, limits.get(check.most)),
            ):
                refuses = beyond(value, limit)
                if message and (refuses or beyond(value, warn)):
                    may = self._check_transcripts or message != _MISMATCH
                    yield refuses and may, message.format(**words)

    def _origin(self, measures: Measures) -> str:
        """Why the bandwidth is less than the sample rate allows."""
        for rate, origin in (
            (
                measures.sample_rate,
                " though sampled at {} Hz: it was sampled lower before, or "
                "compressed with loss",
            ),
            (self._sample_rate, ", and is brought to {} Hz"),
        ):
            least = limits_by_name(self._limits, rate)["warn_bandwidth"]
            if _below(measures.bandwidth_hz, least):
                return origin.format(rate)
        return ""

    def _otherwise(self, source: Source, measures: Measures) -> Iterator:
        if source.text is None and self._transcribed:
            yield False, "has no transcript"
        first = self._originals.setdefault(measures.content, source.name)
        if first != source.name:
            yield (
                self._limits.quarantine_duplicates,
                f"has the same samples as {first}",
            )


def by_reason(files: Iterable[tuple[str, str]]) -> list[str]:
    """Files, with their reasons, in groups of one reason, the largest first.

    A line for each says how many there are, with the first as an example.
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


def _channels(measures: Measures) -> Iterator[tuple[bool, str]]:
    """What the mean of the channels loses, and whether that is all."""
    silent, inverted = measures.silent_channels, measures.inverted_channels
    if silent:
        loss = 20 * math.log10(1 - len(silent) / measures.channels)
        yield (
            False,
            f"{_listed(silent, measures)} silent, which lowers the mean of the "
            f"channels by {-loss:.1f} dB; keep the others alone",
        )
    if inverted:
        yield (
            measures.silent,
            f"{_listed(inverted, measures)} inverted against the loudest, so "
            "that their mean cancels; keep one channel alone",
        )


def _listed(numbers: tuple[int, ...], measures: Measures) -> str:
    several = len(numbers) > 1
    return (
        f"channel{'s' * several} {', '.join(map(str, numbers))} of "
        f"{measures.channels} {'are' if several else 'is'}"
    )


def _below(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value < limit


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and abs(value) > limit
