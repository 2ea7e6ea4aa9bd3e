"""Scores of binary, count and quantile heads: shares of explained deviance, along one axis, of many predictions at once.

They equal scikit-learn's `d2_log_loss_score`, `d2_tweedie_score` with power 1 and `d2_pinball_score`, which take one prediction
at a time. All have the arguments of `functions.r2`: actual values of any shape with the rows along `axis` (counted from the
end), predictions of the same shape or of one that broadcasts with it, and weights of the shape of the actual values. A score is
0 where no constant prediction has a deviance, because the actual values do not vary.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from branchsweep.types import Floats

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Probabilities count as at least this and at most 1 minus this, as in scikit-learn's `log_loss`."""

SMALLEST_MEAN = 1e-7
"""Predicted means of counts are at least this: Keras's epsilon, which its Poisson loss adds. Trees may predict 0."""

Deviance = Callable[[Floats, Floats], Floats]
"""From actual and predicted values to the deviance of each row."""


def log_loss_deviance(actual: Floats, probability: Floats) -> Floats:
    """The log loss of each row whose actual value is 0 or 1."""
    clipped = np.clip(probability, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    loss: Floats = -np.where(actual > 0, np.log(clipped), np.log1p(-clipped))
    return loss


def poisson_deviance(actual: Floats, mean: Floats) -> Floats:
    """The Poisson deviance of each row, `2 (y log(y / mean) - y + mean)`."""
    floored = np.maximum(mean, SMALLEST_MEAN)
    ratio = np.where(actual > 0, actual, floored) / floored
    deviance: Floats = 2.0 * (actual * np.log(ratio) - actual + floored)
    return deviance


def pinball_deviance(level: float) -> Deviance:
    """The pinball loss of each row at a level between 0 and 1."""

    def deviance(actual: Floats, predicted: Floats) -> Floats:
        error = actual - predicted
        loss: Floats = np.maximum(level * error, (level - 1.0) * error)
        return loss

    return deviance


def d2_log_loss(actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """The share of explained log loss; predictions are probabilities of a 1."""
    return _explained(log_loss_deviance, actual, predicted, means(actual, axis, weights), axis, weights)


def d2_poisson(actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """The share of explained Poisson deviance; predictions are means of counts."""
    return _explained(poisson_deviance, actual, predicted, means(actual, axis, weights), axis, weights)


def d2_pinball(actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None, *, level: float) -> Floats:
    """The share of explained pinball loss; predictions are quantiles of this level."""
    best = quantiles(actual, level, axis, weights)
    return _explained(pinball_deviance(level), actual, predicted, best, axis, weights)


def means(values: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """The means along an axis, which is kept; 0 where all weights are."""
    if weights is None:
        return np.asarray(values.mean(axis=axis, keepdims=True))
    counted = weights.sum(axis=axis, keepdims=True)
    sums = (weights * values).sum(axis=axis, keepdims=True)
    mean: Floats = np.divide(sums, counted, out=np.zeros_like(sums), where=counted > 0)
    return mean


def quantiles(values: Floats, level: float, axis: int, weights: Floats | None = None) -> Floats:
    """A quantile along an axis, which is kept: the smallest value that a share of at least `level` does not exceed.

    It has the least pinball loss of all constants.
    """
    if weights is None:
        return np.asarray(np.quantile(values, level, axis=axis, keepdims=True, method="inverted_cdf"))
    order = np.argsort(values, axis=axis)
    ordered = np.take_along_axis(values, order, axis)
    below = np.cumsum(np.take_along_axis(weights, order, axis), axis=axis)
    first = np.argmax(below >= level * np.take(below, [-1], axis=axis), axis=axis, keepdims=True)
    return np.take_along_axis(ordered, first, axis)


def _explained(
    deviance: Deviance, actual: Floats, predicted: Floats, best: Floats, axis: int, weights: Floats | None
) -> Floats:
    """1 - deviance / deviance of the best constant, without `axis`."""

    def total(values: Floats) -> Floats:
        of_rows = deviance(actual, values)
        return np.asarray((of_rows if weights is None else weights * of_rows).sum(axis=axis))

    own = total(predicted)
    null = np.broadcast_to(np.where(_vary(actual, axis, weights), total(best), 0.0), own.shape)
    explained: Floats = 1.0 - np.divide(own, null, out=np.ones_like(own), where=null > 0)
    return explained


def _vary(actual: Floats, axis: int, weights: Floats | None) -> NDArray[np.bool_]:
    """Whether the values of rows that count vary, without `axis`: a deviance of equal ones may be above 0 by rounding alone."""
    low, high = actual, actual
    if weights is not None:
        low, high = (np.where(weights > 0, actual, beyond) for beyond in (np.inf, -np.inf))
    return np.asarray(low.min(axis=axis, initial=np.inf) < high.max(axis=axis, initial=-np.inf))
