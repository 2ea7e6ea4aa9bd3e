"""The score of a trial from the outcomes of its lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.scores import average_scores, head_scores
from branchsweep.training.lanes import LaneOutcome
from branchsweep.trial import EndCause, Score, Status
from branchsweep.types import Floats


def lane_scores(
    lanes: Sequence[tuple[str, LaneOutcome, Floats | Actual]], heads: Mapping[str, ScoredKind], seconds: float
) -> Score:
    """The score of one trial over its lanes.

    Args:
        lanes: Per lane its description (`fold 2, seed 1`), its outcome, and the actual targets of the rows that it
            predicted, as of `head_scores`.
        heads: The kind of each head by its name, in order.
        seconds: The trial's share of the wall time.

    Returns:
        A complete score, or a failed one whose reason names the lane: one lane that is not finite spoils the trial, for a
        recipe that diverges on a third of the folds is no recipe.
    """
    for name, outcome, _ in lanes:
        if outcome.failed_at or not np.isfinite(outcome.predictions).all():
            epoch = outcome.failed_at or outcome.epochs
            diverged = f"diverged: predictions were not finite after epoch {epoch}"
            return Score(
                Status.FAILED,
                reason=f"{outcome.error or diverged} ({name})",
                seconds=seconds,
                lanes=len(lanes),
                cause=EndCause.ERROR if outcome.error else EndCause.DIVERGED,
                ended_at=epoch,
            )
    by_lane = [head_scores(actual, outcome.predictions, heads) for _, outcome, actual in lanes]
    measured, value, error = average_scores(by_lane)
    return Score(
        Status.COMPLETE,
        value=value,
        value_se=error,
        heads=measured,
        epochs=float(np.mean([outcome.epochs for _, outcome, _ in lanes])),
        seconds=seconds,
        lanes=len(lanes),
        curves=_curves([outcome.curve for _, outcome, _ in lanes], list(heads)),
        lane_scores={head: tuple(lane[head].score for lane in by_lane) for head in heads},
    )


def _curves(curves: Sequence[Floats], heads: Sequence[str]) -> Mapping[str, tuple[float, ...]]:
    """Scores by epoch, averaged over the lanes that were still training."""
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest, len(heads)), np.nan)
    for lane, curve in enumerate(curves):
        padded[lane, : len(curve)] = curve
    averaged = np.nanmean(padded, axis=0)
    return {head: tuple(float(value) for value in averaged[:, h]) for h, head in enumerate(heads)}
