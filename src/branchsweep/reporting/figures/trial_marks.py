"""Where the trials are in a figure, so that a page can name the trial at a point and mark it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.reporting.figures.plot_style import UNITS_PER_INCH, Axes, Figure
from branchsweep.types import Floats

Point = tuple[int, float, float]
"""A trial's number, and its position from the upper left corner of the figure, in pixels of the figure."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialMarks:
    """The points of trials in one panel.

    Args:
        panel: The panel.
        numbers: `(n,)` the trials' numbers.
        x: `(n,)` in data coordinates; NaN for a trial that is not drawn.
        y: `(n,)` likewise.
    """

    panel: Axes
    numbers: Floats
    x: Floats
    y: Floats


def figure_points(figure: Figure, marks: Sequence[TrialMarks]) -> Iterator[Point]:
    """The points of a figure whose layout is final (it was drawn), without those outside of their panels."""
    height = float(figure.get_size_inches()[1]) * UNITS_PER_INCH
    scale = UNITS_PER_INCH / figure.dpi
    for of_panel in marks:
        left, low, right, top = (edge * scale for edge in of_panel.panel.get_window_extent().extents)
        positions = of_panel.panel.transData.transform(np.column_stack([of_panel.x, of_panel.y])) * scale
        for number, (x, y) in zip(of_panel.numbers, positions, strict=True):
            if math.isfinite(x) and math.isfinite(y) and left - 1 <= x <= right + 1 and low - 1 <= y <= top + 1:
                yield int(number), round(float(x), 1), round(height - float(y), 1)
