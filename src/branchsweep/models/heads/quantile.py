"""Quantiles: the number that a share of the targets does not exceed, learnt by the pinball loss and scored by explained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from branchsweep.config import kinds
from branchsweep.config.metric_names import D2_PINBALL, METRICS_BESIDE, PINBALL_LOSS
from branchsweep.metrics.deviance_scores import pinball_deviance, quantiles
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.estimator_scaling import standardized
from branchsweep.models.heads.head import Head
from branchsweep.models.member_weights import pinball_weights
from branchsweep.types import Floats, SourceCall

_LOSS = '''
def {name}(actual, predicted):
    """The pinball loss, which is least at the quantile {level}."""
    error = actual - predicted
    return keras.ops.mean(
        keras.ops.maximum({level} * error, ({level} - 1) * error), axis=-1
    )
'''.strip()

_SCORE = '''
def {name}(actual, predicted, sample_weight=None):
    """The share of explained pinball loss."""
    return d2_pinball_score(
        actual, predicted, alpha={level}, sample_weight=sample_weight
    )
'''.strip()


class Quantile(Head):
    """A head that predicts a quantile.

    Args:
        level: Between 0 and 1.
    """

    task: ClassVar[str] = kinds.QUANTILE
    metrics: ClassVar[tuple[str, ...]] = (D2_PINBALL, *METRICS_BESIDE[D2_PINBALL])
    score: ClassVar[str] = D2_PINBALL
    estimator_labels: ClassVar[Mapping[str, str]] = {"linear_regression": "quantile regression"}

    def __init__(self, level: float) -> None:
        self.name, self.level = kinds.quantile_kind(level), level
        self.metric_arguments = {metric: {"level": level} for metric in (D2_PINBALL, PINBALL_LOSS)}

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The pinball loss of each row."""
        error = t - y
        return ops.maximum(self.level * error, (self.level - 1.0) * error)

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """1 - level above the target, -level below it."""
        return 0.5 * ops.sign(y - t) + (0.5 - self.level)

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The pinball loss, and ones."""
        return self.loss(ops, y, t), ops.ones_like(y)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The pinball loss of the targets' own quantile."""
        losses = pinball_deviance(self.level)(targets, quantiles(targets, self.level, 0, weights))
        return np.asarray((losses if weights is None else weights * losses).sum(0))

    def keras_loss(self) -> Any:
        """A function, since Keras has none."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        def pinball_loss(actual: Any, predicted: Any) -> Any:
            error = actual - predicted
            return keras.ops.mean(keras.ops.maximum(self.level * error, (self.level - 1.0) * error), axis=-1)

        return pinball_loss

    def loss_source(self) -> str:
        """The name of the function that `loss_definition` defines."""
        return self._named("pinball_loss")

    def loss_definition(self) -> str:
        """The function, in Keras's operations."""
        return _LOSS.format(name=self.loss_source(), level=self.level)

    def score_source(self) -> SourceCall:
        """scikit-learn's share of explained pinball loss."""
        name = self._named("d2_pinball_score")
        used = SourceCall("d2_pinball_score", module="sklearn.metrics")
        return SourceCall(name, definition=_SCORE.format(name=name, level=self.level), uses=(used,))

    def estimator(self, name: str, seed: int) -> Any:
        """scikit-learn's regressor of quantiles that goes with this name, on standardized columns."""
        return standardized(_ESTIMATORS[name](self.level, seed))

    def member_weights(self, predicted: Floats, target: Floats, weights: Floats | None = None) -> Floats:
        """Those that minimise the pinball loss."""
        return pinball_weights(predicted - target, (self.level,), weights)

    def _named(self, function: str) -> str:
        """The name of a function of this level in generated code."""
        return f"{function}_{self.level}".replace(".", "_").replace("-", "_")


def _quantile_regression(level: float, _: int) -> Any:
    from sklearn.linear_model import QuantileRegressor  # noqa: PLC0415  # a kind imports no heavy library

    return QuantileRegressor(quantile=level, alpha=0.0)  # without penalty, as linear regression


def _histogram_gradient_boosting(level: float, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # as above

    return HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=seed)


_ESTIMATORS: Mapping[str, Callable[[float, int], Any]] = {
    "linear_regression": _quantile_regression,
    "histogram_gradient_boosting": _histogram_gradient_boosting,
}
