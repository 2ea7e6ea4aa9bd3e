"""Partial dependence (Friedman 2001): the mean prediction of a model if an input had one value in all rows, by that value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.metrics.permutation_importance import Predict
from branchsweep.types import Floats

POINTS = 20
"""Values of an input at which the mean prediction is taken, at most."""

MOST_ROWS = 300
"""Rows over which the mean is taken, at most."""


@dataclass(frozen=True, slots=True)
class PartialDependence:
    """Mean predictions by the value of one input.

    Args:
        values: Of the input, ascending: a number, seconds of a date or the position of a category.
        predictions: `(values, heads)` in natural units.
    """

    values: tuple[float, ...]
    predictions: tuple[tuple[float, ...], ...]


def partial_dependence(predict: Predict, x: Floats, columns: Sequence[int], seed: int) -> list[PartialDependence]:
    """The partial dependence on some inputs.

    Args:
        predict: The model.
        x: `(rows, inputs)`.
        columns: The positions of the inputs.
        seed: Of the choice of rows, where there are more than are used.

    Returns:
        Of each input. Its values are quantiles of those in `x`, or all of them where they are few.
    """
    rows = x[np.sort(np.random.default_rng(seed).permutation(len(x))[:MOST_ROWS])]
    grids = [_grid(x[:, column]) for column in columns]
    tables = []
    for column, grid in zip(columns, grids, strict=True):
        for value in grid:
            table = rows.copy()
            table[:, column] = value
            tables.append(table)
    if not tables:
        return [PartialDependence((), ()) for _ in columns]
    predicted = predict(np.concatenate(tables)).reshape(len(tables), len(rows), -1)
    means = iter(np.nanmean(predicted, axis=1).tolist())
    return [PartialDependence(tuple(grid.tolist()), tuple(tuple(next(means)) for _ in grid)) for grid in grids]


def _grid(values: Floats) -> Floats:
    """The values of an input at which the mean prediction is taken."""
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if len(different) <= POINTS:
        return different
    return np.unique(np.quantile(known, np.linspace(0.01, 0.99, POINTS)))
