"""Metrics of heads with several quantiles: from actual values `(…, rows)` and predictions `(…, levels, rows)`, in order.

The pinball loss is the mean over the levels of scikit-learn's `mean_pinball_loss`; its explained share compares it with that of
the best constants, one for each level. A row counts by its weight where there are weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from branchsweep.metrics.deviance_scores import pinball_deviance, quantiles
from branchsweep.types import Floats


def d2_pinball(
    actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None, *, levels: Sequence[float]
) -> Floats:
    """The share of explained pinball loss, of many predictions at once; 0 where the actual values do not vary.

    Args:
        actual: `(…, rows)`, of the shape of the predictions without their levels, or of one that broadcasts with it.
        predicted: `(…, levels, rows)`.
        axis: -1: rows come last.
        weights: Of the shape of `actual`.
        levels: Of the quantiles.

    Returns:
        `(…,)`.
    """
    assert axis == -1, "levels stand before the rows"
    counted = np.ones_like(actual) if weights is None else weights
    own = np.asarray((counted * _losses(actual, predicted, levels)).sum(axis=-1))
    constants = (pinball_deviance(level)(actual, quantiles(actual, level, -1, weights)) for level in levels)
    null = np.broadcast_to((counted * np.mean(list(constants), axis=0)).sum(axis=-1), own.shape)
    explained: Floats = 1.0 - np.divide(own, null, out=np.ones_like(own), where=null > 0)
    return explained


def pinball_loss(actual: Floats, predicted: Floats, weights: Floats | None = None, *, levels: Sequence[float]) -> float:
    """The mean pinball loss."""
    return float(np.average(_losses(actual, predicted, levels), weights=weights))


def coverage(actual: Floats, predicted: Floats, weights: Floats | None = None, *, levels: Sequence[float]) -> float:
    """The share of rows whose actual value lies between the lowest and the highest quantile."""
    del levels
    return float(np.average((predicted[0] <= actual) & (actual <= predicted[-1]), weights=weights))


def _losses(actual: Floats, predicted: Floats, levels: Sequence[float]) -> Floats:
    """The mean over the levels of the pinball loss of each row."""
    of_levels = [pinball_deviance(level)(actual, predicted[..., unit, :]) for unit, level in enumerate(levels)]
    return np.asarray(np.mean(of_levels, axis=0))
