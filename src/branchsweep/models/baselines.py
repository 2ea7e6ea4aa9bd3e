"""Estimators of scikit-learn's, for all heads at once: raw columns in, raw columns out.

An estimator learns each head by itself, or the heads in a chain, where each reads the predictions of those before it. A sweep's
baselines and a comparison's contestants come from here.

n    rows
D    input columns
H    heads
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from branchsweep.metrics.comparison_result import LATENCY_ROWS, ContestantCost
from branchsweep.models.serving import Floats

LATENCY_REPEATS = 5
"""Of a latency, whose median is taken."""


class Regressor(Protocol):
    """What is used of a scikit-learn estimator."""

    def fit(self, X: Floats, y: Floats) -> object:  # noqa: D102
        ...

    def predict(self, X: Floats) -> Floats:  # noqa: D102
        ...


REGRESSORS: Mapping[str, Callable[[int], Regressor]] = {
    "linear_regression": lambda _: LinearRegression(),
    "k_nearest_neighbors": lambda _: make_pipeline(StandardScaler(), KNeighborsRegressor()),
    "random_forest": lambda seed: RandomForestRegressor(random_state=seed, n_jobs=-1),
    "histogram_gradient_boosting": lambda seed: HistGradientBoostingRegressor(random_state=seed),
}
"""Makes the estimator of each name, with its defaults, from a seed. One that needs scaling is a pipeline."""


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """An estimator that has learnt all heads.

    Args:
        regressor: Predicts `(n, H)`, in the heads' order.
        seconds: That it took to learn.
    """

    regressor: Regressor
    seconds: float

    def predict(self, x: Floats) -> Floats:
        """Predictions `(n, H)` in the heads' own units and order, whatever the chain's, from raw inputs `(n, D)`."""
        return self.regressor.predict(x)


def fit(estimator: str, x: Floats, y: Floats, heads: Sequence[str], chain: Sequence[str] | None, seed: int) -> FittedBaseline:
    """An estimator after learning all heads, with the time that it took.

    Args:
        estimator: One of the comparison's `ESTIMATORS`.
        x: Training inputs `(n, D)`, in the columns' own units.
        y: Training targets `(n, H)`, in the heads' own units.
        heads: The heads, in the order of the targets' columns.
        chain: All heads in the order in which they are learnt and predicted, each from the inputs and the heads before it
            (from their actual values in training, from their predictions afterwards). None: each head by itself.
        seed: Of an estimator that is random, from 0 and below 2³².

    Raises:
        ValueError: The chain does not name each head once.
    """
    if chain is not None and sorted(chain) != sorted(heads):
        raise ValueError(f"got the chain {', '.join(chain)}, expected each of the heads {', '.join(heads)} once")
    return _fit(estimator, x, y, None if chain is None else [list(heads).index(head) for head in chain], seed)


def predict(name: str, x_train: Floats, y_train: Floats, x_test: Floats) -> Floats:
    """What a baseline predicts after learning each head by itself.

    Args:
        name: One of the experiment's `SKLEARN_BASELINES`.
        x_train: Training inputs `(n_train, D)`, in the columns' own units.
        y_train: Training targets `(n_train, H)`, in the heads' own units.
        x_test: Inputs to predict for `(n_test, D)`.

    Returns:
        Predictions `(n_test, H)`, in the heads' own units.
    """
    return _fit(name, x_train, y_train, None, seed=0).predict(x_test)


def _fit(estimator: str, x: Floats, y: Floats, order: Sequence[int] | None, seed: int) -> FittedBaseline:
    """As of `fit`; the chain as positions of heads."""
    one = REGRESSORS[estimator](seed)
    regressor: Regressor = MultiOutputRegressor(one) if order is None else RegressorChain(one, order=order)
    start = time.perf_counter()
    regressor.fit(x, y)
    return FittedBaseline(regressor, time.perf_counter() - start)


def measure_cost(fitted: FittedBaseline, x: Floats) -> ContestantCost:
    """What an estimator takes beside its errors: time to learn and to predict, and its size when pickled.

    Args:
        fitted: The estimator.
        x: Inputs to predict from `(n, D)`; repeated or cut to 1,000 rows. The latency is the median of several measurements,
            after one that does not count.
    """
    rows = np.resize(x, (LATENCY_ROWS, x.shape[1]))
    fitted.predict(rows)
    return ContestantCost(
        parameters=None,
        training_seconds=fitted.seconds,
        tuning_seconds=0.0,
        latency=float(np.median([_seconds_to_predict(fitted, rows) for _ in range(LATENCY_REPEATS)])),
        bytes=len(pickle.dumps(fitted.regressor)),
    )


def _seconds_to_predict(fitted: FittedBaseline, x: Floats) -> float:
    start = time.perf_counter()
    fitted.predict(x)
    return time.perf_counter() - start
