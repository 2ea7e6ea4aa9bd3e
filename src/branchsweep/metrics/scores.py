"""Scores of predictions, by head.

Population lanes, exported models, baselines and registered models are scored by these functions on the same rows, in natural
units. Values equal scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import r2_score

from branchsweep.config.metric_names import R2
from branchsweep.metrics.comparison_result import ByHalf
from branchsweep.metrics.names import MAE, METRICS, RMSE
from branchsweep.trial import HeadScore
from branchsweep.types import Floats


def head_scores(actual: Floats, predicted: Floats, heads: Sequence[str]) -> Mapping[str, HeadScore]:
    """R², RMSE and MAE of each head over one set of rows.

    Args:
        actual: `(rows, heads)` in natural units.
        predicted: `(rows, heads)` in natural units, finite.
        heads: The heads' names, in the order of the columns.

    Returns:
        By head; the standard error of a single set of rows is NaN.
    """
    return {head: _head_score(actual[:, h], predicted[:, h]) for h, head in enumerate(heads)}


def _head_score(actual: Floats, predicted: Floats) -> HeadScore:
    """The values of scikit-learn's functions, to the last bit, without their checks, which take thirty times as long.

    One process scores all trials of a long sweep, so that time matters. If the actual values do not vary, R² follows
    scikit-learn's convention.
    """
    error = np.subtract(actual, predicted, order="C")
    squares = np.square(error)
    total = np.square(actual - actual.mean()).sum()
    score = float(1.0 - squares.sum() / total if total > 0 else r2_score(actual, predicted))
    return HeadScore(
        score=score,
        score_se=float("nan"),
        metrics={R2: score, RMSE: float(np.sqrt(squares.mean())), MAE: float(np.abs(error).mean())},
    )


def r2(actual: Floats, predicted: Floats, axis: int) -> Floats:
    """R² along one axis, of many predictions at once; 0 where the actual values do not vary.

    Elsewhere it equals scikit-learn's `r2_score`, which takes one prediction at a time: resamples and ensembles need thousands.

    Args:
        actual: In natural units, of any shape, the rows along `axis`.
        predicted: Of the same shape, or of one that broadcasts with it.
        axis: The axis of the rows, counted from the end.

    Returns:
        Of the broadcast shape without `axis`.
    """
    residual = np.square(actual - predicted).sum(axis=axis)
    total = np.broadcast_to(np.square(actual - actual.mean(axis=axis, keepdims=True)).sum(axis=axis), residual.shape)
    explained: Floats = 1.0 - np.divide(residual, total, out=np.ones_like(residual), where=total > 0)
    return explained


def mean_score(heads: Mapping[str, HeadScore]) -> float:
    """The mean of the heads' scores."""
    return float(np.mean([measured.score for measured in heads.values()]))


def by_half(measured: Sequence[Mapping[str, HeadScore]]) -> tuple[ByHalf, Mapping[str, ByHalf]]:
    """The scores by head, and the other metrics by name and head, one value per half.

    Args:
        measured: Per half, the scores by head.
    """
    halves = {head: [half[head] for half in measured] for head in measured[0]}
    names = dict.fromkeys(name for scores in halves.values() for name in scores[0].metrics if not METRICS[name].is_score)
    metrics = {name: {head: tuple(half.metrics[name] for half in scores) for head, scores in halves.items()} for name in names}
    return {head: tuple(half.score for half in scores) for head, scores in halves.items()}, metrics


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean: the standard deviation (n - 1) divided by the root of n; NaN for one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def average_scores(scores: Sequence[Mapping[str, HeadScore]]) -> tuple[Mapping[str, HeadScore], float, float]:
    """The average over lanes.

    Args:
        scores: Per lane, the scores by head.

    Returns:
        Score and metrics by head with the standard error of the score; the mean score of the heads; its standard error.
    """
    heads = {
        head: HeadScore(
            score=float(np.mean([lane[head].score for lane in scores])),
            score_se=standard_error([lane[head].score for lane in scores]),
            metrics={metric: float(np.mean([lane[head].metrics[metric] for lane in scores])) for metric in first.metrics},
        )
        for head, first in scores[0].items()
    }
    values = [mean_score(lane) for lane in scores]
    return heads, float(np.mean(values)), standard_error(values)
