"""Calibration as the geometry of a small vector picture."""

import dataclasses

from pwavenet_tf.evaluation.report.charts import Tick

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 26
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclasses.dataclass(frozen=True)
class CalibrationLine:
    """One model's line within `WIDTH` by `HEIGHT`.

    Attributes:
        name: The model.
        path: The line, as an SVG path.
        points: Where its dots are.
    """

    name: str
    path: str
    points: list[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class CalibrationDrawing:
    """The fraction of samples inside over the mass that was claimed.

    Attributes:
        diagonal: Where a calibrated model lies, as an SVG path.
        lines: One for each model.
        claimed: Ticks of the horizontal axis.
        inside: Ticks of the vertical axis.
    """

    diagonal: str
    lines: list[CalibrationLine]
    claimed: list[Tick]
    inside: list[Tick]


def draw_calibration(
    models: dict[str, dict[float, float]],
) -> CalibrationDrawing:
    """Lays out the calibration of models; both axes run from 0 to 1.

    Args:
        models: The fraction inside by the mass of the interval, by model.
    """
    return CalibrationDrawing(
        diagonal=_path([(_across(0), _upward(0)), (_across(1), _upward(1))]),
        lines=[
            CalibrationLine(name, _path(points), points)
            for name, points in (
                (
                    name,
                    [(_across(mass), _upward(inside[mass])) for mass in inside],
                )
                for name, inside in models.items()
            )
        ],
        claimed=[Tick(_across(tick), f"{tick:.0%}") for tick in _TICKS],
        inside=[Tick(_upward(tick), f"{tick:.0%}") for tick in _TICKS],
    )


def _across(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _upward(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)
