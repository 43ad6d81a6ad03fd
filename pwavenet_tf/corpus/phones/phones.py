"""Phones in time, and what a model reads of them frame by frame."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

import numpy as np

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError

SILENCE = "sil"
# The voice of espeak-ng by which texts become phones, unless another is named.
LANGUAGE = "en-us"
TYPICAL_SECONDS = 0.1

# Label files round to the millisecond; less than that is neither an overlap
# nor a pause.
_ROUNDING = 1.001e-3


@dataclass(frozen=True)
class Phone:
    """One phone of a recording, from its start to its end in seconds."""

    # Its name in any phone set; `SILENCE` for a pause.
    symbol: str
    start: float
    end: float


def learn_phones(
    ids: MutableMapping[str, int], phones: Iterable[Phone]
) -> None:
    """Gives each new symbol the next id, from 1; `SILENCE` is always the first.

    They are added to the ids by symbol; `tuple(ids)` is the inventory to keep.
    """
    ids.setdefault(SILENCE, len(ids) + 1)
    for phone in phones:
        ids.setdefault(phone.symbol, len(ids) + 1)


def phone_ids(inventory: Iterable[str]) -> dict[str, int]:
    """Id by symbol of an inventory: that of `inventory[i - 1]` is `i`."""
    return {symbol: number for number, symbol in enumerate(inventory, start=1)}


def in_order(phones: Iterable[Phone]) -> list[Phone]:
    """Sorts phones by time and checks that they follow one another.

    Overlaps of a millisecond are rounding and are cut off.

    Raises:
        UserError: If a phone ends before it starts, starts before the
            recording, overlaps its neighbour or has no finite time.
    """
    ordered = []
    for phone in sorted(phones, key=lambda phone: (phone.start, phone.end)):
        _require_possible(phone)
        previous = ordered[-1] if ordered else Phone(SILENCE, 0, 0)
        if phone.start < previous.end - _ROUNDING:
            raise UserError(
                f"phone {phone.symbol!r} at {phone.start:.3f} s overlaps "
                f"{previous.symbol!r}, which ends at {previous.end:.3f} s; "
                "correct the labels"
            )
        start = max(phone.start, previous.end)
        ordered.append(Phone(phone.symbol, start, max(start, phone.end)))
    return ordered


def _require_possible(phone: Phone) -> None:
    if not np.isfinite([phone.start, phone.end]).all():
        fault = "has no finite time"
    elif phone.start < -_ROUNDING:
        fault = f"starts before the recording, at {phone.start:.3f} s"
    elif phone.end < phone.start:
        fault = f"at {phone.start:.3f} s ends before it starts"
    else:
        return
    raise UserError(f"phone {phone.symbol!r} {fault}; correct the labels")


def filled(phones: Iterable[Phone], seconds: float) -> list[Phone]:
    """Phones, given in any order, that cover a recording without a gap.

    They are from 0 to `seconds`, each starting where the last one ends. What no
    phone covers becomes `SILENCE`, and silence after silence one pause; what
    lies beyond the end, or lasts no time, is dropped.

    Raises:
        UserError: As `in_order`.
    """
    inside = [
        phone
        for phone in in_order(phones)
        if phone.start < min(phone.end, seconds)
    ]
    if not inside:
        return [Phone(SILENCE, 0.0, seconds)]
    covered = []
    end = 0.0
    for phone in [*inside, Phone(SILENCE, seconds, seconds)]:
        start = phone.start
        if start - end > _ROUNDING:
            _append(covered, Phone(SILENCE, end, start))
        elif covered:
            last = covered.pop()
            covered.append(Phone(last.symbol, last.start, start))
        else:
            start = end
        end = min(phone.end, seconds)
        if end > start:
            _append(covered, Phone(phone.symbol, start, end))
    return covered


def _append(covered: list[Phone], phone: Phone) -> None:
    """Appends a phone; silence after silence is one pause."""
    start = phone.start
    if covered and covered[-1].symbol == phone.symbol == SILENCE:
        start = covered.pop().start
    covered.append(Phone(phone.symbol, start, phone.end))


def cut(phones: Iterable[Phone], start: float, end: float) -> list[Phone]:
    """Phones of a segment of a recording, timed from the segment's start.

    They cover it as `filled` has them: where it starts before 0 or ends beyond
    the recording, in seconds, there is silence.

    Raises:
        UserError: As `in_order`.
    """
    inside = (
        Phone(
            phone.symbol,
            max(phone.start, start) - start,
            min(phone.end, end) - start,
        )
        for phone in in_order(phones)
        if phone.end > start and phone.start < end
    )
    return filled(inside, end - start)


def phone_frames(
    phones: Iterable[Phone],
    ids: Mapping[str, int],
    frames: int,
    contract: AudioContract,
) -> dict[str, np.ndarray]:
    """The phone features of a recording (van den Oord et al. 2016, §2.5).

    A frame belongs to the phone at its centre, the time
    `(frame + 0.5) * hop_length / sample_rate`. Phones are in any order; what
    they leave uncovered is silence, and a symbol without an id has 0.

    Returns:
        `phones` int32 `(frames, 3)`, the ids of the previous, the current
        and the next phone (0 beyond either end), and `timing` float32
        `(frames, 2)`, the position of the frame's centre in its phone from 0
        to 1 and the natural log of the phone's duration over 0.1 s.

    Raises:
        UserError: As `in_order`.
    """
    hop = contract.hop_length / contract.sample_rate
    phones = list(phones)
    last = max((phone.end for phone in phones), default=0)
    # The recording may end within the last frame: no silence follows then.
    seconds = last if 0 < frames * hop - last < hop else frames * hop
    phones = filled(phones, seconds)
    starts = np.array([phone.start for phone in phones])
    duration = np.array([phone.end for phone in phones]) - starts
    centre = (np.arange(frames) + 0.5) * hop
    current = np.searchsorted(starts, centre, side="right") - 1
    known = [ids.get(phone.symbol, 0) for phone in phones]
    with_ends = np.array([0, *known, 0], np.int32)
    position = (centre - starts[current]) / duration[current]
    timing = [
        np.clip(position, 0, 1),
        np.log(duration[current] / TYPICAL_SECONDS),
    ]
    return {
        "phones": with_ends[current[:, None] + np.arange(3)],
        "timing": np.stack(timing, axis=1).astype(np.float32),
    }
