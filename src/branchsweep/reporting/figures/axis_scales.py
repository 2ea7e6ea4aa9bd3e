"""Where values stand on a picture's scales: a parameter on its dimension, and a scale that one stray trial does not squeeze."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from branchsweep.config.dimensions import Choice, Dimension
from branchsweep.trial import ParamValue
from branchsweep.types import Floats

MOST_BELOW = 0.1
"""The share of the trials that may lie below a scale: the worst of a search are off by orders of magnitude."""


def axis_position(dimension: Dimension, value: ParamValue | None) -> float:
    """How far along its dimension a value stands, from 0 to 1, on the dimension's own scale; NaN where it was not asked.

    A known configuration may stand outside: below 0, above 1, or NaN where the dimension has no place for it.
    """
    if value is None:
        return math.nan
    if isinstance(dimension, Choice):
        place = dimension.choices.index(value) if value in dimension.choices else math.nan
        return place / (len(dimension.choices) - 1) if len(dimension.choices) > 1 else 0.5 + 0 * place
    if isinstance(value, str) or (dimension.log and value <= 0):
        return math.nan
    low, high = dimension.low, dimension.high
    if low == high:
        return 0.5
    return math.log(value / low) / math.log(high / low) if dimension.log else (value - low) / (high - low)


def ticks(dimension: Dimension, most: int = 9) -> list[tuple[float, str]]:
    """Places along a dimension, each with its words: all values where they are few, else the ends and round ones between."""
    values: list[ParamValue]
    if isinstance(dimension, Choice):
        values = list(dimension.choices)
    elif dimension.type == "int" and not dimension.log and dimension.size <= most:
        values = list(range(dimension.low, dimension.high + 1, dimension.step))
    elif dimension.log:
        decades = range(math.ceil(math.log10(dimension.low)), math.floor(math.log10(dimension.high)) + 1)
        values = [dimension.low, *(10.0**decade for decade in decades), dimension.high]
    else:
        values = [dimension.low, (dimension.low + dimension.high) / 2, dimension.high]
    placed = [(axis_position(dimension, value), format_value(value)) for value in values]
    kept: list[tuple[float, str]] = []
    gap = 0.0 if isinstance(dimension, Choice) else 0.16
    for place, words in placed:
        is_end = place == placed[-1][0]
        if is_end and kept and place - kept[-1][0] < gap:
            kept.pop()
        if not kept or place - kept[-1][0] >= gap:
            kept.append((place, words))
    return kept


def format_value(value: ParamValue) -> str:
    """A parameter's value in few letters: numbers with three digits that say something."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    words = f"{value:.3g}"
    return words.replace("e-0", "e-").replace("e+0", "e+")


def axis_floor(values: Sequence[float] | Floats) -> float:
    """The lower end of a scale for these values, NaN left aside; where they lie far apart, the worst of them are below it."""
    finite = np.asarray([value for value in values if math.isfinite(value)])
    if not len(finite):
        return 0.0
    top, low = float(finite.max()), float(np.quantile(finite, MOST_BELOW))
    return max(float(finite.min()), low - 0.35 * (top - low), -1.0 if top > 0 else -math.inf)
