"""The encoders that divide each column into bins: at quantiles, or where a decision tree of the targets splits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from branchsweep.data.encoders import piecewise_linear
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.types import Floats, SourceCall

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

    standardized = np.stack([_standardized(target) for target in targets.T], axis=1)
    least = max(1, min(LEAST_ROWS, len(column) // 2))
    tree = DecisionTreeRegressor(max_leaf_nodes=max(bins, 2), min_samples_leaf=least, random_state=0)
    fitted = tree.fit(column[:, None], standardized).tree_
    thresholds = fitted.threshold[fitted.feature >= 0] if bins > 1 else []
    return np.unique([column.min(), *thresholds, column.max()])


def _standardized(target: Floats) -> Floats:
    """A target `(rows,)` of mean 0 and standard deviation 1, and 0 where it is not known: there it says nothing of a split."""
    known = ~np.isnan(target)
    spread = target[known].std() or 1.0
    return np.where(known, (target - target[known].mean()) / spread, 0.0)


def _fit(edges: _Edges, bins: int, values: Floats, targets: Floats) -> Mapping[str, Any]:
    return {"edges": [edges(column, targets, bins).tolist() for column in values.T], "bins": bins}


_SOURCE = '''
class {name}(TransformerMixin, BaseEstimator):
    """How far a value lies within each of its column's bins{meaning}."""

    def __init__(self, bins):
        self.bins = bins

    def fit(self, x, y=None):
{fit}
        return self

    def transform(self, x):
        encoded = []
        for column, edges in zip(np.asarray(x).T, self.edges_, strict=True):
            ratios = (column[:, None] - edges[:-1]) / np.diff(edges)
            ratios[:, 1:] = np.maximum(ratios[:, 1:], 0)
            ratios[:, :-1] = np.minimum(ratios[:, :-1], 1)
            encoded.append(ratios)
        return np.hstack(encoded)
'''

_QUANTILE_SOURCE = _SOURCE.format(
    name="PiecewiseLinear",
    meaning=", of equally many rows",
    fit="""\
        steps = np.linspace(0, 1, self.bins + 1)
        columns = np.asarray(x).T
        self.edges_ = [np.unique(np.quantile(column, steps)) for column in columns]""",
)

_TREE_SOURCE = _SOURCE.format(
    name="PiecewiseLinearTree",
    meaning=", the leaves of a tree",
    fit=f"""\
        x, y = np.asarray(x), np.asarray(y)
        y = np.nan_to_num(StandardScaler().fit_transform(y))
        least = max(1, min({LEAST_ROWS}, len(x) // 2))
        self.edges_ = []
        for column in x.T:
            tree = DecisionTreeRegressor(
                max_leaf_nodes=max(self.bins, 2),
                min_samples_leaf=least,
                random_state=0,
            )
            fitted = tree.fit(column[:, None], y).tree_
            inner = fitted.threshold[fitted.feature >= 0] if self.bins > 1 else []
            self.edges_.append(np.unique([column.min(), *inner, column.max()]))""",
)

_QUANTILE_CALL = SourceCall(
    "PiecewiseLinear",
    definition=_QUANTILE_SOURCE.strip(),
    uses=(SourceCall("BaseEstimator", module="sklearn.base"), SourceCall("TransformerMixin", module="sklearn.base")),
)

_TREE_CALL = SourceCall(
    "PiecewiseLinearTree",
    definition=_TREE_SOURCE.strip(),
    uses=(
        *_QUANTILE_CALL.uses,
        SourceCall("StandardScaler", module="sklearn.preprocessing"),
        SourceCall("DecisionTreeRegressor", module="sklearn.tree"),
    ),
)


class _Kind(NamedTuple):
    """A kind of bins: how their edges are found, here and in generated code."""

    name: str
    edges: _Edges
    source: SourceCall


def _with_bins(kind: _Kind, bins: int) -> Encoder:
    return Encoder(
        kind.name,
        partial(_fit, kind.edges, bins),
        piecewise_linear,
        kind.source._replace(arguments=(f"bins={bins}",)),
        width=lambda columns: columns * bins,
        beside="quantile",
        with_bins=partial(_with_bins, kind),
    )


PIECEWISE_LINEAR = _with_bins(_Kind("piecewise_linear", _quantile_edges, _QUANTILE_CALL), DEFAULT_BINS)
"""How far a value lies within each bin, bins having equally many training rows."""

PIECEWISE_LINEAR_TREE = _with_bins(_Kind("piecewise_linear_tree", _tree_edges, _TREE_CALL), DEFAULT_BINS)
"""Likewise, bins being the leaves of a decision tree that predicts the standardized targets from the column alone."""
