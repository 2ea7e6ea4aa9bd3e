"""Regression: a number, learnt by its mean squared, absolute or Huber error and scored by R².

The losses and their names are Keras's. Slopes are derivatives of the loss of one row by the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from branchsweep.config.metric_names import MAE as MEAN_ABSOLUTE_ERROR
from branchsweep.config.metric_names import R2, RMSE
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.estimator_scaling import standardized
from branchsweep.models.heads.head import Head
from branchsweep.types import Floats, SourceCall

ErrorFunction = Callable[[ArrayOperations, Array], Array]
"""A function of the errors, prediction minus target."""


class Regression(Head):
    """A head that predicts a number.

    Args:
        name: The loss, as Keras calls it.
        loss: Of an error.
        slope: Its derivative.
    """

    task: ClassVar[str] = "regression"
    has_intervals: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = (R2, RMSE, MEAN_ABSOLUTE_ERROR)
    score: ClassVar[str] = R2

    def __init__(self, name: str, loss: ErrorFunction, slope: ErrorFunction) -> None:
        self.name, self._loss, self._slope = name, loss, slope

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The loss of each row."""
        return self._loss(ops, y - t)

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """Its derivative by the prediction."""
        return self._slope(ops, y - t)

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The squared error, whatever the loss: R² is explained variance."""
        del ops
        error = y - t
        return error, error

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The sum of squares about the mean."""
        squares: Floats = (targets - np.average(targets, axis=0, weights=weights)) ** 2
        total: Floats = (squares if weights is None else weights * squares).sum(0)
        return total

    def keras_loss(self) -> str:
        """Keras knows the losses by name."""
        return self.name

    def keras_score(self) -> Any:
        """Keras's R²."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        return keras.metrics.R2Score(name=self.score)

    def loss_source(self) -> str:
        """The name, in quotes."""
        return f'"{self.name}"'

    def score_source(self) -> SourceCall:
        """scikit-learn's R²."""
        return SourceCall("r2_score", module="sklearn.metrics")

    def estimator(self, name: str, seed: int) -> Any:
        """scikit-learn's regressor of this name, with its defaults, on standardized columns."""
        return ESTIMATORS[name](seed)


def _linear_regression(_: int) -> Any:
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415  # a kind imports no heavy library
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    # without it, a column whose spread is a millionth of the widest one's is dropped (`tol`)
    return make_pipeline(StandardScaler(), LinearRegression())


def _k_nearest_neighbors(_: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor  # noqa: PLC0415  # as above

    return standardized(KNeighborsRegressor())


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  # as above

    return standardized(RandomForestRegressor(random_state=seed, n_jobs=-1))


def _support_vector_regression(_: int) -> Any:
    from sklearn.svm import SVR  # noqa: PLC0415  # as above

    return standardized(SVR())


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415  # as above

    return standardized(ExtraTreesRegressor(random_state=seed, n_jobs=-1))


def _histogram_gradient_boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # as above

    return standardized(HistGradientBoostingRegressor(random_state=seed))


ESTIMATORS: Mapping[str, Callable[[int], Any]] = {
    "linear_regression": _linear_regression,
    "k_nearest_neighbors": _k_nearest_neighbors,
    "support_vector_regression": _support_vector_regression,
    "random_forest": _random_forest,
    "extra_trees": _extra_trees,
    "histogram_gradient_boosting": _histogram_gradient_boosting,
}
"""Makes the estimator of each name from a seed. None depends on the units of inputs and targets."""


def _huber(ops: ArrayOperations, error: Array) -> Array:
    """Huber's loss with delta 1, Keras's default."""
    size = ops.abs(error)
    return ops.where(size <= 1.0, 0.5 * error * error, size - 0.5)


MSE = Regression("mse", lambda _, error: error * error, lambda _, error: 2.0 * error)
MAE = Regression("mae", lambda ops, error: ops.abs(error), lambda ops, error: ops.sign(error))
HUBER = Regression("huber", _huber, lambda ops, error: ops.clip(error, -1.0, 1.0))
