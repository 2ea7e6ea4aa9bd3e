"""Baselines from scikit-learn: one estimator per head, raw columns in, raw columns out.

n    rows
D    input columns
H    heads
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from sklearn.linear_model import LinearRegression

from branchsweep.serving import Floats


class Regressor(Protocol):
    """What is used of a scikit-learn estimator."""

    def fit(self, X: Floats, y: Floats) -> object:  # noqa: D102
        ...

    def predict(self, X: Floats) -> Floats:  # noqa: D102
        ...


REGRESSORS: Mapping[str, Callable[[], Regressor]] = {
    "linear_regression": LinearRegression,
}
"""Makes the estimator of each baseline. One that is random takes its seed here; one that needs scaling is a pipeline."""


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

    def head(target: Floats) -> Floats:
        regressor = REGRESSORS[name]()
        regressor.fit(x_train, target)
        return regressor.predict(x_test)

    return np.column_stack([head(target) for target in y_train.T])
