"""Training curves as the geometry of a small vector picture."""

import dataclasses
import math

from pwavenet_tf.core.html import format_number

WIDTH, HEIGHT = 420, 190
LEFT, RIGHT, _TOP, _BOTTOM = 52, 12, 10, 24
_MOST_BUCKETS = 180


@dataclasses.dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in the picture's units."""

    place: float
    label: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A curve, ready to draw within `WIDTH` by `HEIGHT`.

    Attributes:
        path: The line, as an SVG path; one point gives a dot.
        steps: Ticks of the horizontal axis.
        values: Ticks of the vertical axis.
        logarithmic: Whether the vertical axis is.
        first: The first (step, value).
        last: The last (step, value).
    """

    path: str
    steps: list[Tick]
    values: list[Tick]
    logarithmic: bool
    first: tuple[int, float]
    last: tuple[int, float]


def draw_curve(points: list[tuple[int, float]]) -> Drawing | None:
    """Lays out a curve; None where no point has a finite value.

    The vertical axis is logarithmic where all values are positive and span
    more than a factor of 100. Long curves are thinned so that every peak and
    every dip stays.

    Args:
        points: (step, value), in any order; values that are not finite are
            left out.
    """
    finite = sorted(point for point in points if math.isfinite(point[1]))
    if not finite:
        return None
    lowest = min(value for _, value in finite)
    highest = max(value for _, value in finite)
    logarithmic = lowest > 0 and highest > 100 * lowest
    thin = _thinned(finite)
    scale = math.log10 if logarithmic else float
    first, last = finite[0], finite[-1]
    step_ticks = [
        tick
        for tick in _ticks(first[0], last[0], 5, whole=True)
        if first[0] <= tick <= last[0]
    ]
    if logarithmic:
        value_ticks = _decades(lowest, highest)
    else:
        value_ticks = _ticks(lowest, highest, 4)
    across = _axis(first[0], last[0], LEFT, WIDTH - RIGHT)
    upward = _axis(
        scale(min(lowest, value_ticks[0])),
        scale(max(highest, value_ticks[-1])),
        HEIGHT - _BOTTOM,
        _TOP,
    )
    places = [
        f"{across(step):.1f} {upward(scale(value)):.1f}" for step, value in thin
    ]
    # A line back to its own start is a dot, given round caps.
    places = places if len(places) > 1 else places * 2
    return Drawing(
        path="M" + "L".join(places),
        steps=[Tick(across(step), format_number(step)) for step in step_ticks],
        values=[
            Tick(upward(scale(value)), format_number(value))
            for value in value_ticks
        ],
        logarithmic=logarithmic,
        first=first,
        last=last,
    )


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    if len(points) <= 2 * _MOST_BUCKETS:
        return points
    size = math.ceil(len(points) / _MOST_BUCKETS)
    kept = set()
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        kept.add(min(bucket, key=lambda point: point[1]))
        kept.add(max(bucket, key=lambda point: point[1]))
    return sorted(kept | {points[0], points[-1]})


def _ticks(
    lowest: float, highest: float, number: int, whole: bool = False
) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    if lowest == highest:
        return [lowest]
    locator = MaxNLocator(number, integer=whole, steps=[1, 2, 5, 10])
    return [float(tick) for tick in locator.tick_values(lowest, highest)]


def _decades(lowest: float, highest: float) -> list[float]:
    first = math.floor(math.log10(lowest))
    last = math.ceil(math.log10(highest))
    stride = math.ceil((last - first) / 5)
    return [10.0**exponent for exponent in range(first, last + 1, stride)]


def _axis(lowest: float, highest: float, start: float, end: float):
    if lowest == highest:
        return lambda value: (start + end) / 2
    return lambda value: (
        start + (value - lowest) / (highest - lowest) * (end - start)
    )
