"""The validation scores of two trials, with the difference over the same folds where they have the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.significance import SignificanceSettings, corrected_t, mean_by_fold
from branchsweep.trial import Score
from branchsweep.workflows.records.compared_trial import ComparedTrial

CONFIDENCE = 0.95
"""Level of the intervals of paired differences."""


@dataclass(frozen=True, slots=True)
class ScoreDiff:
    """The scores of both for a head, or for their mean, and the difference over the same folds.

    Args:
        name: Of the metric, in full: `r2/PE`.
        first: The first one's validation score, averaged over folds and seeds; NaN where there is none.
        first_error: Its standard error.
        second: The second one's.
        second_error: Its standard error.
        difference: The second one's minus the first one's.
        low: Lower end of its 95 % interval (corrected resampled t-test over folds); NaN without two folds that both have.
        high: Its upper end.
        p: Two-sided p-value.
    """

    name: str
    first: float
    first_error: float
    second: float
    second_error: float
    difference: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


def score_diff(name: str, head: str, scores: tuple[Score, Score], folds: int) -> ScoreDiff:
    """The scores of two trials for a head, or for their mean, paired over the folds.

    Args:
        name: Of the metric, in full.
        head: The head, or `mean`.
        scores: The scores of both.
        folds: How many folds they share; 0 where they are not paired.
    """
    values = [score.scores.get(head, math.nan) for score in scores]
    errors = [score.scores_se.get(head, math.nan) for score in scores]
    compared = ScoreDiff(name, values[0], errors[0], values[1], errors[1], values[1] - values[0])
    by_fold = [_by_fold(score, head, folds) for score in scores] if folds > 1 else []
    if not by_fold or not all(map(len, by_fold)):
        return compared
    difference = corrected_t(by_fold[1] - by_fold[0], 1 / folds, SignificanceSettings(confidence=CONFIDENCE))
    return ScoreDiff(
        name, values[0], errors[0], values[1], errors[1], difference.mean, difference.low, difference.high, difference.p
    )


def _by_fold(score: Score, head: str, folds: int) -> np.ndarray:
    """The score of each fold, averaged over its seeds; empty where it is not recorded, or no number."""
    heads = [head] if head != MEAN else list(score.lane_scores)
    lanes = np.array([score.lane_scores.get(own, ()) for own in heads], dtype=float)
    if not lanes.size or not np.isfinite(lanes).all():
        return np.array([])
    mean = lanes.mean(axis=0)
    return mean_by_fold(mean, [lane * folds // len(mean) for lane in range(len(mean))])


def fold_count(compared: ComparedTrial) -> int:
    """The number of folds that a trial was scored on last; 1 for a hold-out."""
    return compared.experiment.phase_of(compared.result.score).folds


def why_not_paired(first: ComparedTrial, second: ComparedTrial) -> str:
    """Why the scores of both are not of the same folds; empty where they are."""
    records, scores = (first.record, second.record), (first.result.score, second.result.score)
    if records[0].table.digest != records[1].table.digest:
        return "Both were scored on different tables, so their scores are not of the same rows."
    if not records[0].split_digest or records[0].split_digest != records[1].split_digest:
        return "Both were scored on different splits of the table, so their scores are not of the same folds."
    for compared in (first, second):
        if not compared.result.score.lane_scores:
            return f"{compared.name} has no scores by fold."
    networks = [compared.experiment.phase_of(compared.result.score) for compared in (first, second)]
    alike = (networks[0].folds, networks[0].seeds) == (networks[1].folds, networks[1].seeds)
    if first.experiment.validation != second.experiment.validation or scores[0].lanes != scores[1].lanes or not alike:
        return "Both were validated differently (folds, seeds), so their scores are not of the same folds."
    return "" if fold_count(first) > 1 else "There is one validation set, so the difference has no interval."
