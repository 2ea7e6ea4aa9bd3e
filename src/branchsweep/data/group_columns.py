"""Columns that group the rows, found by their values: under any name a column may be a subject, a batch or a place.

Rows of one group may tell each other's targets. Whether they do is tried out: each row's target is predicted by the mean of its
nearest neighbours in the inputs, once among all other rows, and once among the rows of other groups. Where the second R² is far
lower than the first, scores of rows that are divided at random do not hold for new groups. As fewer rows are left the second
time, "all other rows" are without as many rows of random groups of the same sizes.

A column of numbers is no group where neighbouring values have like targets or inputs: that is a scale, such as a rounded
temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.types import Floats

MOST_COLUMNS = 30
"""The most columns that are tried."""

MOST_CELLS = 1_000_000
"""The most cells of all of them."""

_FEWEST_VALUES = 10
_LEAST_ROWS_PER_VALUE = 3.0  # the median
_LEAST_KNOWN = 0.5  # of the rows that have a value
_MOST_ROWS = 1000  # that are tried
_MOST_ROWS_OF_A_SCALE = 20_000
_NEIGHBOURS = 3
_LEAST_R2 = 0.7  # among all other rows: what is hardly predicted is no leak
_LEAST_FALL = 0.2
_LEAST_ERRORS = 3.0  # of the fall, in standard errors
_SCALE = 0.5  # the share of the variance that neighbouring values have in common
_SCALE_ERRORS = 3.5  # and how many standard errors it is above 0, for many inputs are looked at


class GroupColumn(NamedTuple):
    """A column whose values group the rows.

    Args:
        name: The column.
        groups: How many values it has.
        rows: How many rows have one.
        head: The head whose predictions suffer most.
        r2: R² of the nearest neighbours among all other rows.
        r2_of_new_groups: The same among the rows of other groups.
    """

    name: str
    groups: int
    rows: int
    head: str
    r2: float
    r2_of_new_groups: float

    @property
    def warning(self) -> str:
        """What that means, as a text."""
        return (
            f"Column '{self.name}' groups the rows: it has {self.groups:,} values in {self.rows:,} rows, and rows of one value"
            f" tell each other's targets. The nearest rows predict head {self.head} with R² {self.r2:.2f}, and with R²"
            f" {self.r2_of_new_groups:.2f} where rows of the same value do not count. Test rows and folds are cut as if rows"
            f" were independent, so scores hold for further rows of the same groups, and may be far too good for new ones. To"
            f" keep every group on one side of every split, write split: {{group: {self.name}}}."
        )


def group_columns(frame: pd.DataFrame, inputs: Floats, targets: Mapping[str, Floats]) -> list[GroupColumn]:
    """The columns that group the rows, of those with the same groups the first.

    Args:
        frame: The columns that are neither inputs nor targets, of the rows that are used.
        inputs: `(rows, inputs)`, NaN where there is none, categories by their positions.
        targets: By head its values `(rows,)`, NaN where there is none.
    """
    frame = frame.iloc[:, :MOST_COLUMNS]
    if not frame.size or frame.size > MOST_CELLS:
        return []
    found: list[GroupColumn] = []
    partitions: list[NDArray[np.intp]] = []
    for name in frame.columns:
        labels = group_labels(frame[name])
        if any(np.array_equal(labels, other) for other in partitions) or not _may_be_groups(labels):
            continue
        rows = np.flatnonzero(labels >= 0)
        if _is_scale(frame[name], inputs, targets, np.random.default_rng(0).permutation(rows)[:_MOST_ROWS_OF_A_SCALE]):
            continue
        worst = _worst_fall(labels, inputs, targets, _sample(labels, rows))
        if worst is not None:
            found.append(GroupColumn(str(name), int(labels.max()) + 1, len(rows), *worst))
            partitions.append(labels)
    return found


def group_labels(column: pd.Series) -> NDArray[np.intp]:
    """`(rows,)`, equal numbers for equal groups; times of one day are one group; -1 where there is no value."""
    missing = column.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.dt.floor("D")
    texts = column.astype(str)
    is_time = texts.str.contains(r"\d[ T]\d{1,2}:\d\d", regex=True)
    labels = texts.where(~is_time, texts.str.replace(r"[ T]\d{1,2}:.*", "", regex=True))
    return np.asarray(pd.factorize(labels.mask(missing))[0], dtype=np.intp)


def share_of_neighbours(values: Floats) -> float:
    """The share of the variance that a row has in common with the row before: 1 less half of von Neumann's ratio.

    von Neumann, "Distribution of the ratio of the mean square successive difference to the variance", Annals of Mathematical
    Statistics 12 (1941) 367-395.
    """
    values = values[~np.isnan(values)]
    variance = float(values.var()) if len(values) > 1 else 0.0
    return 1.0 - float((np.diff(values) ** 2).mean()) / (2 * variance) if variance > 0.0 else 0.0


def _may_be_groups(labels: NDArray[np.intp]) -> bool:
    """Whether there are several values, and several rows of most."""
    known = labels[labels >= 0]
    counts = np.bincount(known)
    is_frequent = len(counts) >= _FEWEST_VALUES and float(np.median(counts)) >= _LEAST_ROWS_PER_VALUE
    return is_frequent and len(known) >= _LEAST_KNOWN * len(labels)


def _is_scale(column: pd.Series, inputs: Floats, targets: Mapping[str, Floats], rows: NDArray[np.intp]) -> bool:
    """Whether a column has numbers, and rows of neighbouring ones are alike in some input or target.

    Args:
        column: The column.
        inputs: As of `group_columns`.
        targets: As of `group_columns`.
        rows: Positions of the rows that are looked at, all with a value of the column.
    """
    numbers = pd.to_numeric(column.iloc[rows], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(numbers).any():
        return False
    quantities = np.column_stack([inputs[rows], *(values[rows] for values in targets.values())])
    means = pd.DataFrame(quantities).groupby(numbers).mean().to_numpy()
    least = max(_SCALE, _SCALE_ERRORS / np.sqrt(len(means)))
    return any(share_of_neighbours(of_quantity) >= least for of_quantity in means.T)


def _standardized(inputs: Floats) -> Floats:
    """Inputs with mean 0 and variance 1, missing values at the mean; constant ones are left out."""
    known = ~np.isnan(inputs)
    means = np.where(known, inputs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centered = np.where(known, inputs - means, 0.0)
    spread = centered.std(axis=0)
    return np.asarray(centered[:, spread > 0] / spread[spread > 0])


def _worst_fall(
    labels: NDArray[np.intp], inputs: Floats, targets: Mapping[str, Floats], rows: NDArray[np.intp]
) -> tuple[str, float, float] | None:
    """The head whose R² falls most where rows of the same group do not count, with both R²; None where none falls far.

    Args:
        labels: `(rows,)` the group of each row.
        inputs: As of `group_columns`.
        targets: As of `group_columns`.
        rows: Positions of the rows that are tried.
    """
    labels, inputs = labels[rows], _standardized(inputs[rows])
    squares = (inputs**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * inputs @ inputs.T
    shuffled = np.random.default_rng(1).permutation(labels)
    falls = {}
    for head, values in targets.items():
        known = ~np.isnan(values[rows])
        if known.sum() <= _NEIGHBOURS or np.ptp(values[rows][known]) == 0:
            continue
        y, own, mixed = values[rows][known], labels[known], shuffled[known]
        among = distances[np.ix_(known, known)]
        errors = [_squared_errors(among, y, groups) / y.var() for groups in (mixed, own)]
        fall = errors[1] - errors[0]
        deviations = np.bincount(own, weights=fall - fall.mean())
        error = float(np.sqrt((deviations**2).sum())) / len(fall)
        if fall.mean() >= max(_LEAST_FALL, _LEAST_ERRORS * error) and errors[0].mean() <= 1 - _LEAST_R2:
            falls[head] = (float(1 - errors[0].mean()), float(1 - errors[1].mean()))
    if not falls:
        return None
    worst = max(falls, key=lambda head: falls[head][0] - falls[head][1])
    return worst, *falls[worst]


def _squared_errors(distances: Floats, targets: Floats, groups: NDArray[np.intp]) -> Floats:
    """`(rows,)`: of the mean of the nearest rows of other groups.

    Args:
        distances: `(rows, rows)`.
        targets: `(rows,)`.
        groups: `(rows,)`.
    """
    excluded = groups[:, None] == groups[None]
    np.fill_diagonal(excluded, True)
    nearest = np.argpartition(np.where(excluded, np.inf, distances), _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    return np.asarray((targets[nearest].mean(axis=1) - targets) ** 2)


def _sample(labels: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Some of these rows: whole groups drawn at random, of large groups a part, until there are enough."""
    random = np.random.default_rng(0)
    shuffled = random.permutation(rows)
    within = pd.Series(labels[shuffled]).groupby(labels[shuffled]).cumcount().to_numpy()
    some = shuffled[within < _MOST_ROWS // _FEWEST_VALUES]
    order = random.permutation(int(labels.max()) + 1)
    return np.asarray(some[np.argsort(order[labels[some]], kind="stable")][:_MOST_ROWS])
