"""Scales of axes: positions and ticks of hyperparameters, and a lower limit that ignores outliers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.trial import ParamValue
from branchsweep.types import Floats

MOST_BELOW = 0.1
"""Share of the trials that may lie below the axis: the worst ones of a search are off by orders of magnitude."""


def axis_position(dimension: Dimension, value: ParamValue | None) -> float:
    """Position of a value on the axis of its dimension, from 0 (low) to 1 (high), on the dimension's own scale.

    Returns:
        NaN if the dimension was not active (None) or does not contain the value. The value of a known configuration may lie
        outside the range: below 0 or above 1.
    """
    if value is None:
        return math.nan
    if isinstance(dimension, Choice):
        index = dimension.choices.index(value) if value in dimension.choices else math.nan
        return index / (len(dimension.choices) - 1) if len(dimension.choices) > 1 else 0.5 + 0 * index
    if isinstance(value, str) or (dimension.log and value <= 0):
        return math.nan
    low, high = dimension.low, dimension.high
    if low == high:
        return 0.5
    return math.log(value / low) / math.log(high / low) if dimension.log else (value - low) / (high - low)


def ticks(dimension: Dimension, most: int = 9) -> list[tuple[float, str]]:
    """Ticks of a dimension's axis, as positions and labels: all values if they are few, else the ends and round values between.

    Args:
        dimension: Its values.
        most: Up to how many integers are all labelled.
    """
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
    candidates = [(axis_position(dimension, value), format_value(value)) for value in values]
    kept: list[tuple[float, str]] = []
    gap = 0.0 if isinstance(dimension, Choice) else 0.16
    for position, label in candidates:
        is_end = position == candidates[-1][0]
        if is_end and kept and position - kept[-1][0] < gap:
            kept.pop()
        if not kept or position - kept[-1][0] >= gap:
            kept.append((position, label))
    return kept


def format_value(value: ParamValue) -> str:
    """The value of a hyperparameter as a short label: floats in three significant digits."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    label = f"{value:.3g}"
    return label.replace("e-0", "e-").replace("e+0", "e+")


def axis_floor(values: Sequence[float] | Floats) -> float:
    """Lower limit of an axis for these values, NaN ignored; up to `MOST_BELOW` of them lie below it if they are far off."""
    finite = np.asarray([value for value in values if math.isfinite(value)])
    if not len(finite):
        return 0.0
    top, low = float(finite.max()), float(np.quantile(finite, MOST_BELOW))
    return max(float(finite.min()), low - 0.35 * (top - low), -1.0 if top > 0 else -math.inf)
