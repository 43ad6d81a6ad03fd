"""Charts: small ones in an HTML page, in its palette, or as files."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pwavenet_tf.core.files import atomic_write

if TYPE_CHECKING:
    from markupsafe import Markup

# The light scheme's; in the page each becomes the property of its name.
ACCENT, WARM, SOFT = "#1f6f76", "#b4582c", "#5d656e"
_LINE = "#e2e0da"
_WIDTH = 420
_POINTS = 72  # An inch has as many, and one is a unit of the picture.
_STYLE: Any = {
    "svg.fonttype": "none",
    # Identifiers are random otherwise.
    "svg.hashsalt": "chart",
    # Half a unit is not seen, and thins a curve of 20,000 points to 2,000.
    "path.simplify_threshold": 0.5,
    "font.size": 11,
    "text.parse_math": False,
    "text.color": SOFT,
    "lines.linewidth": 1.75,
    "lines.solid_capstyle": "round",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.edgecolor": _LINE,
    "grid.color": _LINE,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top")},
    **{f"{axis}tick.color": SOFT for axis in "xy"},
    **{f"{axis}tick.major.size": 0 for axis in "xy"},
    **{f"{axis}tick.minor.size": 0 for axis in "xy"},
}
_EDITS = (
    # The page's own font, in the size that the picture has.
    (r'font[a-z-]*: [^;"]*;? ?', ""),
    # Several pictures share a page.
    ('<g id="[^"]*"', "<g"),
    (r"(\.\d)\d+", r"\1"),
    (ACCENT, "var(--accent)"),
    (WARM, "var(--warm)"),
    (SOFT, "var(--soft)"),
    (_LINE, "var(--line)"),
)


def chart(
    draw: Callable[[Any], object], label: str, height: int = 190
) -> "Markup":
    """A chart as an `svg` element, the same for the same content.

    `draw` draws into matplotlib axes, `label` says what is seen to those who
    do not see it, and the height is in units, of which the width is 420.
    """
    from markupsafe import Markup

    file = io.StringIO()
    with _drawn(draw, _WIDTH, height) as figure:
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None}
        )
    # Behind the header, metadata and a style sheet for the whole page.
    content = file.getvalue().split("</defs>", 1)[1]
    content = re.sub("<[^>]*>", _edited, content)
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" font-size="11" '
        'stroke-linejoin="round" aria-label="{}">{}'
    ).format(label, Markup(content))


def write_chart(
    path: Path, draw: Callable[[Any], object], width: int, height: int
) -> None:
    """Writes a chart of its own, as PNG or SVG by the file's suffix.

    `draw` draws into matplotlib axes; width and height are in units.
    """
    with _drawn(draw, width, height) as figure, atomic_write(path) as temporary:
        # So that the same content makes the same file.
        undated = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(temporary, dpi=2 * _POINTS, metadata=undated)


@contextlib.contextmanager
def _drawn(draw: Callable, width: int, height: int) -> Iterator[Any]:
    """The figure, as long as the style that it is saved in."""
    import matplotlib

    # No pyplot: its global state would keep every figure alive.
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        size = (width / _POINTS, height / _POINTS)
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        for artist in figure.findobj():
            artist.set_clip_on(False)
        yield figure


def _edited(tag: re.Match) -> str:
    text = tag[0]
    for pattern, replacement in _EDITS:
        text = re.sub(pattern, replacement, text)
    return text
