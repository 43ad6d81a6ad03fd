"""What a chart in SVG shows."""

import html
import re

import numpy as np


def paths(chart: str, colour: str) -> list[np.ndarray]:
    """The corners of each path of a colour, `(corners, 2)`: right and down."""
    return [
        np.array(re.findall(r"[ML] (\S+) (\S+)", corners), float)
        for corners, style in re.findall(
            r'<path d="([^"]*)"[^>]*? style="([^"]*)"', chart
        )
        if f"var(--{colour})" in style
    ]


def texts(chart: str) -> list[str]:
    """All that is written in it."""
    return [
        html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)", chart)
    ]
