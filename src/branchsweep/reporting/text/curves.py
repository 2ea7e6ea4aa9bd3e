"""Curves as text: sparklines, and small plots of Braille dots.

The first trials of a search and the first epochs of a training may score far below all later ones; an axis down to them would
squeeze the rest into one line. So the lowest tenth of the values is drawn at the lower edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a Braille character, `(4 rows from the top, 2 columns)`; added to `BLANK`."""

BLANK = 0x2800

Points = Sequence[tuple[int, float]]
"""Pairs of epoch and value, in order of the epochs."""


def sparkline(values: Sequence[float], columns: int) -> str:
    """A sparkline: a bar for each value, a space for NaN.

    Args:
        values: In order. If there are more than `columns`, the last value of each of as many equal parts is drawn.
        columns: Maximum width in characters.
    """
    if len(values) > columns:
        values = [values[-(-(column + 1) * len(values) // columns) - 1] for column in range(columns)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, high = _floor(finite), max(finite)
    return "".join(BARS[_level(value, low, high, len(BARS))] if math.isfinite(value) else " " for value in values)


def braille_plot(points: Points, columns: int = 44, rows: int = 7) -> list[str]:
    """One curve over its epochs, as lines of equal length; no lines if there are no finite points.

    Args:
        points: Epochs and values; between them the curve is interpolated linearly.
        columns: Characters to the right of the axis.
        rows: Lines above the axis.
    """
    points = [(epoch, value) for epoch, value in points if math.isfinite(value)]
    if not points:
        return []
    values = [value for _, value in points]
    low, high = _floor(values), max(values)
    cells = [[0] * columns for _ in range(rows)]
    for x, y in _dots(_heights(points, low, high, 2 * columns, 4 * rows)):
        cells[y // 4][x // 2] |= DOTS[y % 4][x % 2]
    labels = {0: f"{high:.3f}", rows - 1: f"{'≤' if min(values) < low else ''}{low:.3f}"}
    margin = max(map(len, labels.values()))
    lines = [
        f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}" + "".join(_braille(bits) for bits in cells[row])
        for row in range(rows)
    ]
    begin = f"epoch {points[0][0]}"
    lines.append(f"{'':>{margin}} └{'':─<{columns}}")
    lines.append(f"{'':>{margin}}  {begin}{points[-1][0]:>{columns - len(begin)}}")
    return lines


def _braille(bits: int) -> str:
    return chr(BLANK + bits) if bits else " "


def _floor(values: Sequence[float]) -> float:
    """The lower edge of the axis: the first decile of the values."""
    return sorted(values)[len(values) // 10]


def _level(value: float, low: float, high: float, levels: int) -> int:
    """The level of a value on an axis from `low` to `high`, from 0 to `levels - 1`."""
    share = (value - low) / (high - low) if high > low else 0.0
    return min(levels - 1, max(0, int(share * levels)))


def _heights(points: Points, low: float, high: float, width: int, height: int) -> dict[int, int]:
    """By column of dots, the row of dots counted from the top; linear between two points."""
    first, last = points[0][0], points[-1][0]

    def column(epoch: int) -> int:
        return round((epoch - first) / (last - first) * (width - 1)) if last > first else 0

    def row(value: float) -> int:
        return height - 1 - _level(value, low, high, height)

    heights = {0: row(points[0][1])}
    for (before, start), (after, end) in pairwise(points):
        begin, stop = column(before), column(after)
        for x in range(begin + 1, stop + 1):
            heights[x] = row(start + (end - start) * (x - begin) / (stop - begin))
    return heights


def _dots(heights: Mapping[int, int]) -> list[tuple[int, int]]:
    """The dots of a curve; where it is steep, the dots between two columns as well."""
    dots: list[tuple[int, int]] = []
    before: int | None = None
    for x, y in heights.items():
        end = y if before is None or before == y else before + (1 if y > before else -1)
        dots += [(x, between) for between in range(min(y, end), max(y, end) + 1)]
        before = y
    return dots
