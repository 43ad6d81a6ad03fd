"""The limits that the audit of a corpus judges by."""

import dataclasses


def _limit(default: object, text: str) -> dataclasses.Field:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class Limits:
    """What sends a recording to quarantine, and what is a warning.

    The help of each field is that of its flag. None means that there is no
    such limit.
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
