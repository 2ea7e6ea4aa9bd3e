"""The encoders that divide each column into bins: at quantiles, or where a decision tree of the targets splits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from branchsweep.data.encoders import piecewise_linear
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.types import Floats

DEFAULT_BINS = 48
"""Bins of a column, where the hyperparameter `bins` is not given: the number that gained on the power-plant table."""

LEAST_ROWS = 64
"""Training rows of a bin that a tree makes, at least."""

_Edges = Callable[[Floats, Floats, int], Floats]
"""From a column `(rows,)`, the targets `(rows, heads)` and the most bins to the edges, ascending."""


def _quantile_edges(column: Floats, _: Floats, bins: int) -> Floats:
    return np.unique(np.quantile(column, np.linspace(0.0, 1.0, bins + 1)))


def _tree_edges(column: Floats, targets: Floats, bins: int) -> Floats:
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415  # a kind imports no heavy library

    known = ~np.isnan(targets).any(axis=1)
    column, targets = column[known], targets[known]
    spread = targets.std(axis=0)
    standardized = (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    least = max(1, min(LEAST_ROWS, len(column) // 2))
    tree = DecisionTreeRegressor(max_leaf_nodes=max(bins, 2), min_samples_leaf=least, random_state=0)
    fitted = tree.fit(column[:, None], standardized).tree_
    thresholds = fitted.threshold[fitted.feature >= 0] if bins > 1 else []
    return np.unique([column.min(), *thresholds, column.max()])


def _fit(edges: _Edges, bins: int, values: Floats, targets: Floats) -> Mapping[str, Any]:
    return {"edges": [edges(column, targets, bins).tolist() for column in values.T], "bins": bins}


def _with_bins(name: str, edges: _Edges, bins: int) -> Encoder:
    return Encoder(
        name,
        partial(_fit, edges, bins),
        piecewise_linear,
        None,
        width=lambda columns: columns * bins,
        beside="quantile",
        with_bins=partial(_with_bins, name, edges),
    )


PIECEWISE_LINEAR = _with_bins("piecewise_linear", _quantile_edges, DEFAULT_BINS)
"""How far a value lies within each bin, bins having equally many training rows."""

PIECEWISE_LINEAR_TREE = _with_bins("piecewise_linear_tree", _tree_edges, DEFAULT_BINS)
"""Likewise, bins being the leaves of a decision tree that predicts the standardized targets from the column alone."""
