"""A linear map of the inputs under which rows with like targets are near each other: the metric of `metric: learned`.

It minimises the leave-one-out squared error of a kernel regression (Weinberger and Tesauro 2007, "Metric Learning for Kernel
Regression"): the prediction for a row is the mean of the targets of its nearest rows, weighted by exp(-d²), where d is the
Euclidean distance of the mapped inputs. The gradient is exact; L-BFGS follows it, and the neighbors are looked up again
between rounds.

n    rows
D    input columns
R    the columns of the map: D, or `COLUMNS` if there are more
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
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import FunctionTransformer
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

COLUMNS = 128
"""Input columns whose map is learned, at most: its elements, and the time that they take, grow with the square. Of more columns
so many principal components are mapped."""


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
        """Mapped inputs `(n, R)`."""
        mapped: Floats = np.dot(X, self.map_)
        return mapped

    def of_scikit_learn(self) -> FunctionTransformer:
        """A transformer that does the same and is scikit-learn's, for files that are read where this package is not."""
        return FunctionTransformer(np.dot, kw_args={"b": self.map_})


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
    """The map `(D, R)`: rows `x @ map` are as near as their targets are alike. The same for the same rows.

    Args:
        x: Inputs `(n, D)` of like scale.
        targets: `(n, H)`; those that do not vary count nothing.
    """
    rows, columns = x.shape
    if columns > COLUMNS and rows > 2:
        directions = _principal_directions(x)
        return directions @ learned_map(x @ directions, targets)
    neighbors = min(NEIGHBORS, rows - 1)
    spread = targets.std(axis=0)
    scaled = (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if neighbors < 2 or not spread.any():
        return np.eye(columns)
    sample = _sample(rows, min(ROWS, VALUES // (neighbors * max(scaled.shape[1], columns))))
    found = np.eye(columns)
    for first in (True, *[False] * (ROUNDS - 1)):
        near = _nearest(x @ found, sample, neighbors)
        problem = _LeaveOneOut(x[sample][:, None] - x[near], scaled[near], scaled[sample])
        found = problem.minimised(problem.start() if first else found)
    return found


def _sample(rows: int, most: int) -> Any:
    """The numbers of some rows, in ascending order: `most` of them, but one at least."""
    return np.sort(np.random.default_rng(0).permutation(rows)[: max(1, most)])


def _principal_directions(x: Floats) -> Floats:
    """`(D, R)` the directions, orthogonal and of length 1, in which a sample of the rows varies most."""
    sample = x[_sample(len(x), VALUES // x.shape[1])]
    with np.errstate(divide="ignore", invalid="ignore"):  # of the variance that each explains, where no row differs
        found: Floats = PCA(min(COLUMNS, len(sample)), random_state=0).fit(sample).components_.T
    return found


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
    """The mean squared error of predicting each row of the sample by its neighbors, as a function of the map.

    Args:
        differences: Between inputs of a row and of its neighbors `(Q, K, D)`.
        of_neighbors: Targets `(Q, K, H)`.
        actual: Targets of the sample `(Q, H)`.
    """

    differences: Floats
    of_neighbors: Floats
    actual: Floats

    def start(self) -> Floats:
        """The unit map, scaled so that the mean squared distance of neighbors is 1."""
        columns = self.differences.shape[-1]
        mean = float((self.differences**2).sum(axis=-1).mean())
        return np.eye(columns) / math.sqrt(mean or 1.0)

    def minimised(self, start: Floats) -> Floats:
        """The map at the end of L-BFGS."""
        from scipy.optimize import minimize  # noqa: PLC0415  # takes half a second

        found = minimize(self.value_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
        return np.asarray(found.x, dtype=np.float64).reshape(start.shape)

    def value_and_gradient(self, flat: Floats) -> tuple[float, Floats]:
        """The error, and its slopes by the elements of the map."""
        queries, neighbors, columns = self.differences.shape
        differences = self.differences.reshape(-1, columns)
        mapped = differences @ flat.reshape(columns, columns)
        nearness = -np.einsum("rd,rd->r", mapped, mapped).reshape(queries, neighbors)
        weights = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        predicted = np.einsum("qk,qkh->qh", weights, self.of_neighbors)
        error = predicted - self.actual
        by_nearness = np.einsum("qkh,qh->qk", self.of_neighbors, error) - (predicted * error).sum(axis=1, keepdims=True)
        by_nearness *= weights * (2.0 / queries)
        gradient = -2.0 * differences.T @ (mapped * by_nearness.reshape(-1, 1))
        return float((error**2).sum() / queries), gradient.ravel()
