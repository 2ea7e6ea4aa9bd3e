"""What computes a metric of predictions, by the metric's name.

The values are those of scikit-learn's functions, to the last bit, without their checks, which take thirty times as long: one
process scores all trials of a long sweep, so that time matters.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from statistics import fmean
from typing import Any, Protocol

import numpy as np

from branchsweep.config.metric_names import (
    ACCURACY,
    AVERAGE_PRECISION,
    BALANCED_ACCURACY,
    BRIER,
    CALIBRATION_ERROR,
    COVERAGE,
    D2_LOG_LOSS,
    D2_PINBALL,
    D2_POISSON,
    LOG_LOSS,
    MAE,
    METRICS,
    PINBALL_LOSS,
    POISSON_DEVIANCE,
    R2,
    RMSE,
    ROC_AUC,
    Metric,
)
from branchsweep.metrics import classification, multiclass, several_quantiles
from branchsweep.metrics.deviance_scores import d2_log_loss, d2_pinball, d2_poisson, pinball_deviance, poisson_deviance
from branchsweep.types import Floats

MetricFunction = Callable[..., float]
"""From actual and predicted values of one head, `(rows,)` each in natural units, to the metric. Where rows have weights,
those are a third argument `(rows,)`: scikit-learn's `sample_weight`."""


def r2(actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """R² along one axis, of many predictions at once; 0 where the actual values do not vary.

    Elsewhere it equals scikit-learn's `r2_score`, which takes one prediction at a time: resamples and ensembles need thousands.

    Args:
        actual: In natural units, of any shape, the rows along `axis`.
        predicted: Of the same shape, or of one that broadcasts with it.
        axis: The axis of the rows, counted from the end.
        weights: Of the shape of `actual`: scikit-learn's `sample_weight`. None where all count alike.

    Returns:
        Of the broadcast shape without `axis`.
    """
    if weights is None:
        residual = np.square(actual - predicted).sum(axis=axis)
        about_mean = np.square(actual - actual.mean(axis=axis, keepdims=True)).sum(axis=axis)
    else:
        residual = (weights * np.square(actual - predicted)).sum(axis=axis)
        sums = (weights * actual).sum(axis=axis, keepdims=True)
        counted = weights.sum(axis=axis, keepdims=True)
        means = np.divide(sums, counted, out=np.zeros_like(sums), where=counted > 0)
        about_mean = (weights * np.square(actual - means)).sum(axis=axis)
    total = np.broadcast_to(about_mean, residual.shape)
    explained: Floats = 1.0 - np.divide(residual, total, out=np.ones_like(residual), where=total > 0)
    return explained


def _r2(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """R²; where the actual values do not vary, by scikit-learn's convention."""
    squares = np.square(np.subtract(actual, predicted, order="C"))
    about_mean = np.square(actual - np.average(actual, weights=weights))
    if weights is not None:
        squares, about_mean = weights * squares, weights * about_mean
    total = about_mean.sum()
    if total > 0:
        return float(1.0 - squares.sum() / total)
    from sklearn.metrics import r2_score  # noqa: PLC0415  # seldom needed, and takes long to import

    return float(r2_score(actual, predicted, sample_weight=weights))


def _rmse(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    return float(np.sqrt(np.average(np.square(np.subtract(actual, predicted, order="C")), weights=weights)))


def _mae(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    return float(np.average(np.abs(np.subtract(actual, predicted, order="C")), weights=weights))


def mean(values: Iterable[float], weights: Iterable[float] | None = None) -> float:
    """The mean of one or more numbers, as `statistics.fmean` computes it; infinite where the sum is beyond all numbers."""
    values, weights = list(values), None if weights is None else list(weights)
    try:
        return fmean(values, weights)
    except OverflowError:
        return math.copysign(math.inf, sum(value * 1e-10 for value in values))


def _of_one(along_axis: Callable[..., Floats]) -> MetricFunction:
    """The metric of one prediction, from the function of many."""

    def function(actual: Floats, predicted: Floats, weights: Floats | None = None, **arguments: Any) -> float:
        return float(along_axis(actual, predicted, -1, weights, **arguments))

    return function


def _poisson_deviance(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    return float(np.average(poisson_deviance(actual, predicted), weights=weights))


def _pinball_loss(actual: Floats, predicted: Floats, weights: Floats | None = None, *, level: float) -> float:
    return float(np.average(pinball_deviance(level)(actual, predicted), weights=weights))


def _coverage(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The share of rows whose actual value is not above the predicted one: near the level of a good quantile."""
    return float(np.average(actual <= predicted, weights=weights))


METRIC_FUNCTIONS: dict[str, MetricFunction] = {
    R2: _r2,
    RMSE: _rmse,
    MAE: _mae,
    D2_LOG_LOSS: _of_one(d2_log_loss),
    LOG_LOSS: classification.log_loss,
    ACCURACY: classification.accuracy,
    BALANCED_ACCURACY: classification.balanced_accuracy,
    ROC_AUC: classification.roc_auc,
    AVERAGE_PRECISION: classification.average_precision,
    BRIER: classification.brier,
    CALIBRATION_ERROR: classification.calibration_error,
    D2_POISSON: _of_one(d2_poisson),
    POISSON_DEVIANCE: _poisson_deviance,
    D2_PINBALL: _of_one(d2_pinball),
    PINBALL_LOSS: _pinball_loss,
    COVERAGE: _coverage,
}
"""The function of each metric of one head."""

FUNCTIONS_OF_UNITS: Mapping[str, MetricFunction] = {
    D2_LOG_LOSS: _of_one(multiclass.d2_log_loss),
    LOG_LOSS: multiclass.log_loss,
    ACCURACY: multiclass.accuracy,
    BALANCED_ACCURACY: multiclass.balanced_accuracy,
    ROC_AUC: multiclass.roc_auc,
    AVERAGE_PRECISION: multiclass.average_precision,
    BRIER: multiclass.brier,
    CALIBRATION_ERROR: multiclass.calibration_error,
    D2_PINBALL: _of_one(several_quantiles.d2_pinball),
    PINBALL_LOSS: several_quantiles.pinball_loss,
    COVERAGE: several_quantiles.coverage,
}
"""The same of heads of several units, whose predictions are `(units, rows)`."""

FUNCTIONS_ALONG_AXIS: dict[str, Callable[..., Floats]] = {
    R2: r2,
    D2_LOG_LOSS: d2_log_loss,
    D2_POISSON: d2_poisson,
    D2_PINBALL: d2_pinball,
}
"""Functions of many predictions at once, of metrics that have one: its arguments are those of `r2`."""

UNITS_ALONG_AXIS: Mapping[str, Callable[..., Floats]] = {
    D2_LOG_LOSS: multiclass.d2_log_loss,
    D2_PINBALL: several_quantiles.d2_pinball,
}
"""The same of heads of several units, whose predictions are `(…, units, rows)`; the axis is the last one."""


class ScoredKind(Protocol):
    """What is known of a head's kind here (see `models/heads/head.py`): its metrics, and which is its score."""

    @property
    def units(self) -> int:
        """Columns of a prediction."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all that are computed of its predictions."""
        ...

    @property
    def score(self) -> str:
        """The one among them that is its score."""
        ...

    @property
    def metric_arguments(self) -> Mapping[str, Mapping[str, float | tuple[float, ...]]]:
        """By metric what its function takes besides values and weights, such as the level of a quantile."""
        ...


def metric_function(kind: ScoredKind, metric: str) -> MetricFunction:
    """The function of a metric of heads of this kind."""
    of_units = FUNCTIONS_OF_UNITS if kind.units > 1 else {}
    return _with_arguments(of_units.get(metric) or METRIC_FUNCTIONS[metric], kind, metric)


ScoreKey = tuple[str, int, tuple[tuple[str, float | tuple[float, ...]], ...]]
"""What the function of a score is determined by: the metric, the units, and what it takes besides values and weights."""


def score_key(kind: ScoredKind) -> ScoreKey:
    """Equal for kinds of heads whose scores are computed alike."""
    return kind.score, kind.units, tuple(kind.metric_arguments.get(kind.score, {}).items())


def score_along_axis(kind: ScoredKind) -> Callable[..., Floats] | None:
    """The function of many predictions at once that computes the score of a kind's heads; None if there is none.

    Of a kind of several units, predictions are `(…, units, rows)`, and the axis of the rows is the last one.
    """
    found = (FUNCTIONS_ALONG_AXIS if kind.units == 1 else UNITS_ALONG_AXIS).get(kind.score)
    return None if found is None else _with_arguments(found, kind, kind.score)


def _with_arguments(function: Callable[..., Any], kind: ScoredKind, metric: str) -> Callable[..., Any]:
    arguments = kind.metric_arguments.get(metric)
    return partial(function, **arguments) if arguments else function


def takes_weights(kind: ScoredKind, metric: str) -> bool:
    """Whether the function of a metric of heads of this kind takes the weights of rows as a third argument."""
    try:
        inspect.signature(metric_function(kind, metric)).bind(*[None] * 3)
    except TypeError:
        return False
    return True


def register_metric(name: str, metric: Metric, function: MetricFunction) -> None:
    """Offer a metric more: a kind of head may have it among its `metrics`, or as its `score`.

    Args:
        name: As in `r2/PE`.
        metric: Its label and its direction.
        function: Computes it. Of rows that have weights it is called with three arguments, else with two. Predictions of a head
            of several units are `(units, rows)`, and actual values `(rows,)`. It is NaN only
            where the actual values do not define it, whatever is predicted; the head's score then chooses epochs.
    """
    METRICS[name] = metric
    METRIC_FUNCTIONS[name] = function


def unregister_metric(name: str) -> None:
    """Offer a metric no longer."""
    METRICS.pop(name, None)
    METRIC_FUNCTIONS.pop(name, None)
