"""The ruler: grades predictions, whoever made them.

Population lanes, exported models, baselines and registry models are measured by these functions on the same rows, in natural
units; what they say is what scikit-learn says. Nothing here knows how a prediction came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from branchsweep.trial import HeadScore

Floats = NDArray[np.float64]


def head_scores(actual: Floats, predicted: Floats, heads: Sequence[str]) -> Mapping[str, HeadScore]:
    """R², RMSE and MAE of each head over one set of rows.

    Args:
        actual: `(rows, heads)` in natural units.
        predicted: `(rows, heads)` in natural units, finite.
        heads: The heads' names, in the order of the columns.
    """
    return {head: _of_head(actual[:, h], predicted[:, h]) for h, head in enumerate(heads)}


def _of_head(actual: Floats, predicted: Floats) -> HeadScore:
    """What scikit-learn's functions say, to the last bit, without their checks, which take thirty times as long as the sums.

    A long sweep is graded by one process. Where the actual values do not vary, R² is a convention, and scikit-learn's.
    """
    error = np.subtract(actual, predicted, order="C")
    squares = np.square(error)
    total = np.square(actual - actual.mean()).sum()
    return HeadScore(
        r2=float(1.0 - squares.sum() / total if total > 0 else r2_score(actual, predicted)),
        r2_se=float("nan"),
        rmse=float(np.sqrt(squares.mean())),
        mae=float(np.abs(error).mean()),
    )


def r2(actual: Floats, predicted: Floats, axis: int) -> Floats:
    """R² along one axis, of many predictions at once; 0 where the actual values do not vary.

    Elsewhere it equals scikit-learn's `r2_score`, which takes one prediction at a time: resamples and ensembles ask for
    thousands.

    Args:
        actual: In natural units, of any shape, the rows along `axis`.
        predicted: Of the same shape, or of one that broadcasts with it.
        axis: Where the rows are, counted from the end. It is gone from what is returned.
    """
    residual = np.square(actual - predicted).sum(axis=axis)
    total = np.broadcast_to(np.square(actual - actual.mean(axis=axis, keepdims=True)).sum(axis=axis), residual.shape)
    explained: Floats = 1.0 - np.divide(residual, total, out=np.ones_like(residual), where=total > 0)
    return explained


def mean_r2(heads: Mapping[str, HeadScore]) -> float:
    """The objective: the mean of the heads' R²."""
    return float(np.mean([score.r2 for score in heads.values()]))


def standard_error(values: Sequence[float]) -> float:
    """Standard deviation (with n - 1) divided by the root of n; NaN for one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def average_scores(scores: Sequence[Mapping[str, HeadScore]]) -> tuple[Mapping[str, HeadScore], float, float]:
    """Each head's figures averaged over lanes with the standard error of its R²; and the objective with its own."""
    heads = {
        head: HeadScore(
            r2=float(np.mean([lane[head].r2 for lane in scores])),
            r2_se=standard_error([lane[head].r2 for lane in scores]),
            rmse=float(np.mean([lane[head].rmse for lane in scores])),
            mae=float(np.mean([lane[head].mae for lane in scores])),
        )
        for head in scores[0]
    }
    values = [mean_r2(lane) for lane in scores]
    return heads, float(np.mean(values)), standard_error(values)
