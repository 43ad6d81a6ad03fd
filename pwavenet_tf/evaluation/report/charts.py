"""The report's charts: training curves and calibration."""

import dataclasses
import math
from typing import TYPE_CHECKING

from pwavenet_tf.core.charts import ACCENT, SOFT, WARM, chart
from pwavenet_tf.core.html import format_number

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclasses.dataclass(frozen=True)
class Curve:
    """A value over the steps of a training: (step, value) in any order."""

    title: str
    unit: str
    points: list[tuple[int, float]]

    @property
    def finite(self) -> list[tuple[int, float]]:
        """The points that are drawn."""
        return sorted(one for one in self.points if math.isfinite(one[1]))

    @property
    def logarithmic(self) -> bool:
        """Whether the values are positive and span a factor above 100."""
        values = [value for _, value in self.finite]
        return bool(values) and 0 < 100 * min(values) < max(values)


def draw_curve(curve: Curve) -> "Markup | None":
    """Draws a curve; None where no point has a finite value."""
    from matplotlib.ticker import MaxNLocator

    points = curve.finite
    if not points:
        return None

    def draw(axes) -> None:
        marker = "o" if len(points) == 1 else ""
        axes.plot(*zip(*points, strict=True), color=ACCENT, marker=marker)
        locator = MaxNLocator(5, integer=True, min_n_ticks=1)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        if curve.logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")

    ends = ", ".join(
        f"{format_number(value)} at step {format_number(step)}"
        for step, value in (points[0], points[-1])
    )
    return chart(draw, f"{curve.title}: {ends}")


def draw_calibration(models: dict[str, dict[float, float]]) -> "Markup":
    """Draws each model's fraction of samples inside over the mass claimed."""
    from cycler import cycler
    from matplotlib.ticker import PercentFormatter

    def draw(axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":", linewidth=1)
        axes.set_prop_cycle(
            cycler(linestyle=["-", "--", ":"]) * cycler(color=[ACCENT, WARM])
        )
        lines = [
            axes.plot(*zip(*inside.items(), strict=True), marker=".")[0]
            for inside in models.values()
        ]
        axes.set(xlim=(0, 1), ylim=(0, 1))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1))
        axes.figure.legend(
            lines, list(models), loc="outside lower left", frameon=False
        )

    shares = "; ".join(
        f"{model}, {format_number(inside[0.5])} inside 50 %, "
        f"{format_number(inside[0.9])} inside 90 %"
        for model, inside in models.items()
    )
    return chart(draw, f"Calibration: {shares}", height=300 + 16 * len(models))
