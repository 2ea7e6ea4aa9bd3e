"""A linear map of the inputs under which rows with like targets are near each other: the metric of `metric: learned`.

It minimises the leave-one-out squared error of a kernel regression (Weinberger and Tesauro 2007, "Metric Learning for Kernel
Regression"): the prediction for a row is the mean of the targets of its nearest rows, weighted by exp(-d²), where d is the
Euclidean distance of the mapped inputs. The gradient is exact; L-BFGS follows it, and the neighbors are looked up again
between rounds. Of many columns the map is a factor for each of them alone.

n    rows
D    input columns
H    targets
Q    rows whose error is minimised
K    neighbors of each
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler
from threadpoolctl import threadpool_limits

from branchsweep.types import Floats

NEIGHBORS = 30
"""Rows that a prediction is made of; the others of a table have next to no weight."""

ROUNDS = 2
"""How often neighbors are looked up."""

ITERATIONS = 20
"""Of L-BFGS in a round, at most. Few, which keeps the map of a small table near its start."""

ROWS = 4000
"""Whose error is minimised, at most: a sample, whose neighbors are found among all rows."""

VALUES = 4_000_000
"""Numbers in the differences between those rows and their neighbors, at most: 32 MB. Tables of many columns or targets use
fewer rows."""

COLUMNS = 50
"""Input columns whose map is learned, at most: its elements grow with the square, and of many some fit by chance. Of more
columns each has a factor."""

SMALLEST_FACTOR = 1e-9
"""Of a column, as a share of the largest one."""


class LearnedMetric(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Maps inputs so that Euclidean distances between them become those of the learned metric.

    Args:
        of_classes: Whether targets are the numbers of classes; each class is a target then, 1 for its rows and 0 for others.
    """

    def __init__(self, of_classes: bool = False) -> None:
        self.of_classes = of_classes

    def fit(self, X: Floats, y: Floats) -> Self:
        """Learn the map from inputs `(n, D)` of like scale and targets `(n,)` or `(n, H)`."""
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        if self.of_classes:
            targets = np.concatenate([column[:, None] == np.unique(column) for column in targets.T], axis=1)
        with threadpool_limits(1, "blas"):  # several threads round differently, and wait for each other on a busy machine
            self.map_ = learned_map(np.asarray(X, dtype=np.float64), targets)
        return self

    def transform(self, X: Floats) -> Floats:
        """Mapped inputs `(n, D)`."""
        mapped: Floats = self.of_scikit_learn().transform(X)
        return mapped

    def of_scikit_learn(self) -> FunctionTransformer | MaxAbsScaler:
        """A transformer that does the same and is scikit-learn's, for files that are read where this package is not."""
        if self.map_.ndim == 2:
            return FunctionTransformer(np.dot, kw_args={"b": self.map_})
        factors = np.abs(self.map_)
        return MaxAbsScaler().fit(1.0 / np.maximum(factors, SMALLEST_FACTOR * factors.max())[None])  # which it divides by


def with_learned_metric(estimator: Any) -> Any:
    """A pipeline, or one for standardized targets, whose last step reads mapped inputs.

    Args:
        estimator: Not fitted; it gets a further step.
    """
    steps = getattr(estimator, "regressor", estimator).steps
    steps.insert(-1, ("learned_metric", LearnedMetric(of_classes=is_classifier(steps[-1][1]))))
    return estimator


def of_scikit_learn_alone(estimator: Any) -> Any:
    """A fitted estimator without parts of this package, for files that are read where it is not installed."""
    if hasattr(estimator, "regressor_"):
        inner = of_scikit_learn_alone(estimator.regressor_)
        if inner is estimator.regressor_:
            return estimator
        plain = copy(estimator)
        plain.regressor = plain.regressor_ = inner
        return plain
    if not any(isinstance(step, LearnedMetric) for _, step in getattr(estimator, "steps", [])):
        return estimator
    plain = copy(estimator)
    plain.steps = [
        (name, step.of_scikit_learn() if isinstance(step, LearnedMetric) else step) for name, step in estimator.steps
    ]
    return plain


def learned_map(x: Floats, targets: Floats) -> Floats:
    """The map `(D, D)`: rows `x @ map` are as near as their targets are alike. The same for the same rows.

    Of more than `COLUMNS` columns it is their factors `(D,)`, for rows `x * factors`.

    Args:
        x: Inputs `(n, D)` of like scale.
        targets: `(n, H)`; those that do not vary count nothing.
    """
    rows, columns = x.shape
    neighbors = min(NEIGHBORS, rows - 1)
    spread = targets.std(axis=0)
    scaled = (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    found = np.eye(columns) if columns <= COLUMNS else np.ones(columns)
    if neighbors < 2 or not spread.any():
        return found
    sample = _sample(rows, min(ROWS, VALUES // (neighbors * max(scaled.shape[1], columns))))
    for first in (True, *[False] * (ROUNDS - 1)):
        near = _nearest(_mapped(x, found), sample, neighbors)
        problem = _LeaveOneOut(x[sample][:, None] - x[near], scaled[near], scaled[sample])
        found = problem.minimised(found * problem.scale if first else found)
    return found


def _sample(rows: int, most: int) -> Any:
    """The numbers of some rows, in ascending order: `most` of them, but one at least."""
    return np.sort(np.random.default_rng(0).permutation(rows)[: max(1, most)])


def _mapped(x: Floats, found: Floats) -> Floats:
    """Rows `(n, D)` by a map, or by factors of their columns."""
    return x @ found if found.ndim == 2 else x * found


def _nearest(x: Floats, sample: Any, neighbors: int) -> Any:
    """The numbers `(Q, K)` of the rows that are nearest to each of the sample, itself left out."""
    index = NearestNeighbors(n_neighbors=neighbors + 1).fit(x)
    near = index.kneighbors(x[sample], return_distance=False)
    # a row need not be its own nearest where others are equal to it: then the farthest is left out
    is_other = near != sample[:, None]
    is_other[is_other.all(axis=1), -1] = False
    return near[is_other].reshape(len(sample), neighbors)


@dataclass(frozen=True, slots=True)
class _LeaveOneOut:
    """The mean squared error of predicting each row of the sample by its neighbors, as a function of the map or the factors.

    Args:
        differences: Between inputs of a row and of its neighbors `(Q, K, D)`.
        of_neighbors: Targets `(Q, K, H)`.
        actual: Targets of the sample `(Q, H)`.
    """

    differences: Floats
    of_neighbors: Floats
    actual: Floats

    @property
    def scale(self) -> float:
        """Of the unit map, so that the mean squared distance of neighbors is 1."""
        mean = float((self.differences**2).sum(axis=-1).mean())
        return 1.0 / math.sqrt(mean or 1.0)

    def minimised(self, start: Floats) -> Floats:
        """The map at the end of L-BFGS."""
        from scipy.optimize import minimize  # noqa: PLC0415  # takes half a second

        found = minimize(self.value_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
        return np.asarray(found.x, dtype=np.float64).reshape(start.shape)

    def value_and_gradient(self, flat: Floats) -> tuple[float, Floats]:
        """The error, and its slopes by the elements of the map, or by the factors."""
        queries, neighbors, columns = self.differences.shape
        differences, is_map = self.differences.reshape(-1, columns), len(flat) > columns or columns == 1
        mapped = _mapped(differences, flat.reshape(columns, columns) if is_map else flat)
        nearness = -np.einsum("rd,rd->r", mapped, mapped).reshape(queries, neighbors)
        weights = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        predicted = np.einsum("qk,qkh->qh", weights, self.of_neighbors)
        error = predicted - self.actual
        by_nearness = np.einsum("qkh,qh->qk", self.of_neighbors, error) - (predicted * error).sum(axis=1, keepdims=True)
        by_nearness *= weights * (2.0 / queries)
        mapped *= -2.0 * by_nearness.reshape(-1, 1)
        gradient = differences.T @ mapped if is_map else np.einsum("rd,rd->d", differences, mapped)
        return float((error**2).sum() / queries), gradient.ravel()
