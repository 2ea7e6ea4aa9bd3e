"""The ruler: grades predictions, whoever made them.

Population lanes, exported models, baselines and registry models are measured by these functions on the same rows, in natural
units; what they say is what scikit-learn says. Nothing here knows how a prediction came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from branchsweep.population import LaneOutcome
from branchsweep.trial import HeadScore, Score, Status

Floats = NDArray[np.float64]


def measure(actual: Floats, predicted: Floats, heads: Sequence[str]) -> Mapping[str, HeadScore]:
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


def average(scores: Sequence[Mapping[str, HeadScore]]) -> tuple[Mapping[str, HeadScore], float, float]:
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


def grade(lanes: Sequence[tuple[str, LaneOutcome, Floats]], heads: Sequence[str], seconds: float) -> Score:
    """The score of one trial over its lanes.

    Args:
        lanes: Per lane a name for people (`fold 2, seed 1`), its outcome, and the actual targets `(rows, heads)` of the rows
            it predicted.
        heads: The heads' names, in order.
        seconds: The trial's share of the wall time.

    Returns:
        A complete score, or a failed one whose reason names the lane: one lane that is not finite spoils the trial, for a
        recipe that diverges on a third of the folds is no recipe.
    """
    for name, outcome, _ in lanes:
        if outcome.failed_at or not np.isfinite(outcome.predictions).all():
            reason = f"diverged: predictions were not finite after epoch {outcome.failed_at or outcome.epochs} ({name})"
            return Score(Status.FAILED, reason=reason, seconds=seconds, lanes=len(lanes))
    by_lane = [measure(actual, outcome.predictions, heads) for _, outcome, actual in lanes]
    measured, value, error = average(by_lane)
    return Score(
        Status.COMPLETE,
        value=value,
        value_se=error,
        heads=measured,
        epochs=float(np.mean([outcome.epochs for _, outcome, _ in lanes])),
        seconds=seconds,
        lanes=len(lanes),
        curves=_curves([outcome.curve for _, outcome, _ in lanes], heads),
        lanes_r2={head: tuple(lane[head].r2 for lane in by_lane) for head in heads},
    )


def _curves(curves: Sequence[Floats], heads: Sequence[str]) -> Mapping[str, tuple[float, ...]]:
    """R² by epoch, averaged over the lanes that were still training."""
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest, len(heads)), np.nan)
    for lane, curve in enumerate(curves):
        padded[lane, : len(curve)] = curve
    averaged = np.nanmean(padded, axis=0)
    return {head: tuple(float(value) for value in averaged[:, h]) for h, head in enumerate(heads)}
