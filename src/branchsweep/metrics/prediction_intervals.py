"""Prediction intervals: how far actual values lie from the predictions of a model for rows that it was not trained on.

The absolute residuals of cross-validation are sorted. Half the width of an interval that shall contain the share `level` of
actual values is the k-th smallest of n, k = ceil((n + 1) level): split-conformal prediction (Vovk, Gammerman and Shafer 2005;
Lei et al. 2018) with the residuals of all folds in place of one part's (cross-conformal prediction: Vovk 2015). Where rows are
exchangeable and each comes from the same model, new values are inside with at least that probability; that the residuals are
of networks which lack one fold of the rows makes the intervals a little wider than needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.types import Floats

LEVELS = (*(percent / 100 for percent in range(50, 100)), 0.995, 0.999)
"""The shares of actual values for which half widths are kept."""

CHECKED_LEVEL = 0.9
"""The share whose intervals are checked on the test rows."""

CONFIDENCE = 0.95
"""Of the confidence interval of a coverage."""


@dataclass(frozen=True, slots=True)
class PredictionIntervals:
    """Half the widths of a model's prediction intervals.

    Args:
        levels: The shares of actual values that lie inside, ascending.
        half_widths: By head, for each level, in natural units.
        joint_half_widths: Of the intervals that contain the actual values of all these heads at once: for the same levels, or
            for the first of them where fewer rows have all actual values, or none.
    """

    levels: tuple[float, ...]
    half_widths: Mapping[str, tuple[float, ...]]
    joint_half_widths: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, heads: Sequence[str], predictions: Floats, actual: Actual) -> PredictionIntervals | None:
        """The intervals of these residuals; None where there are too few for any level.

        Args:
            heads: The heads that have intervals, which the columns are of.
            predictions: `(rows, heads)` for rows that the predicting networks were not trained on; NaN where there is none.
            actual: `(rows, heads)`. A value that is not known, or weighs nothing, has no residual; other weights do not count.
        """
        known = (actual.masks > 0) & np.isfinite(predictions)
        residuals = np.where(known, np.abs(actual.values - predictions), np.nan)
        fewest = int(known.sum(0).min()) if heads else 0
        levels = tuple(level for level in LEVELS if _rank(fewest, level) <= fewest)
        if not levels:
            return None
        by_head = {head: np.sort(residuals[known[:, h], h]) for h, head in enumerate(heads)}
        half_widths = {head: tuple(_half_widths(own, levels).tolist()) for head, own in by_head.items()}
        scales = {head: _scale(own) for head, own in by_head.items()}
        complete = residuals[known.all(axis=1)]
        largest = np.sort((complete / list(scales.values())).max(axis=1)) if len(complete) else np.empty(0)
        of_all = _half_widths(largest, [level for level in levels if _rank(len(largest), level) <= len(largest)])
        joint = {head: tuple((scale * of_all).tolist()) for head, scale in scales.items()}
        return cls(levels, half_widths, joint)

    def half_width(self, head: str, level: float, joint: bool = False) -> float:
        """Half the width of a head's interval for one of the kept levels."""
        return (self.joint_half_widths if joint else self.half_widths)[head][self.levels.index(level)]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many actual values lie inside their intervals.

    Args:
        share: The share of rows.
        low: Lower end of its confidence interval (Clopper and Pearson 1934, 95 %).
        high: Upper end.
        rows: Rows with an actual value.
    """

    share: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class CheckedIntervals:
    """Prediction intervals as they were checked on the test rows.

    Args:
        level: The share of actual values that are to lie inside.
        half_widths: By head, half the width of its interval, in natural units.
        heads: By head.
        joint: Of the joint intervals: rows of which the actual values of all heads lie inside. None where there are none.
    """

    level: float
    half_widths: Mapping[str, float]
    heads: Mapping[str, Coverage]
    joint: Coverage | None = None


def checked_intervals(intervals: PredictionIntervals, predictions: Floats, actual: Actual) -> CheckedIntervals | None:
    """The coverage of intervals on rows that took no part in making them; None where no head has an actual value there.

    Args:
        intervals: The intervals, at a level of at least `CHECKED_LEVEL`, else at their highest.
        predictions: `(rows, heads)` of the heads of the intervals, in their order.
        actual: Likewise.
    """
    level = next((kept for kept in intervals.levels if kept >= CHECKED_LEVEL), intervals.levels[-1])
    known = (actual.masks > 0) & np.isfinite(predictions)
    errors = np.abs(actual.values - predictions)
    heads = list(intervals.half_widths)
    widths = {head: intervals.half_width(head, level) for head in heads}
    of_heads = {head: _coverage(errors[known[:, h], h] <= widths[head]) for h, head in enumerate(heads) if known[:, h].any()}
    if not of_heads:
        return None
    complete, joint = known.all(axis=1), None
    has_joint = all(len(own) > intervals.levels.index(level) for own in intervals.joint_half_widths.values())
    if has_joint and len(heads) > 1 and complete.any():
        joint_widths = np.array([intervals.half_width(head, level, joint=True) for head in heads])
        joint = _coverage((errors[complete] <= joint_widths).all(axis=1))
    return CheckedIntervals(level, widths, of_heads, joint)


def _rank(rows: int, level: float) -> int:
    """Which of so many sorted residuals is half the width: k, from 1. Rounded, for 0.9 * 10 is not exactly 9."""
    return math.ceil(round((rows + 1) * level, 9))


def _half_widths(ordered: Floats, levels: Sequence[float]) -> Floats:
    return ordered[[_rank(len(ordered), level) - 1 for level in levels]]


def _scale(ordered: Floats) -> float:
    """By what residuals of a head are divided before they are compared with other heads': their median, if it is not 0."""
    return float(np.median(ordered)) or float(ordered[-1]) or 1.0


def _coverage(inside: Any) -> Coverage:
    from scipy.stats import binomtest  # noqa: PLC0415  # takes half a second, and most imports of this module need none

    count, rows = int(inside.sum()), len(inside)
    ends = binomtest(count, rows).proportion_ci(CONFIDENCE, method="exact")
    return Coverage(count / rows, float(ends.low), float(ends.high), rows)
