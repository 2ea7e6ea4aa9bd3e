"""Contestants that are estimators of scikit-learn: fitted on every half, and tested on the other one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from branchsweep.config.comparison import N_HALVES, Comparison, Estimator
from branchsweep.config.estimator_names import is_joint
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.comparison_result import (
    ContestantResult,
    contestant_from_data,
    contestant_to_data,
)
from branchsweep.metrics.scores import by_half, head_scores, mean_score
from branchsweep.models import baselines
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.workflows.context import ComparisonContext


def evaluate_estimator(
    name: str, estimator: Estimator, context: ComparisonContext, recorded: Mapping[str, Any]
) -> ContestantResult:
    """An estimator fitted and tested on every half, or recorded."""
    part, metric = f"estimator/{name}", common_metric(context.comparison.experiment.score_metrics.values())
    label = estimator.estimator.replace("_", " ")
    if estimator.chain:
        what = f"{label}, a chain of {' and then '.join(estimator.chain)}"
    else:
        what = f"{label} of all heads" if is_joint(estimator.estimator) else f"{label} for each head"
    if part in recorded:
        return replace(contestant_from_data({"name": name, "description": what, **recorded[part]}, metric), description=what)
    context.training.progress.on_message(f"{name}: fitting it on every half")
    result = _fit_estimator(name, what, estimator, context.comparison, context.training.rows)
    context.tracker.record_part(part, contestant_to_data(result, metric))
    return result


def _fit_estimator(name: str, what: str, estimator: Estimator, comparison: Comparison, rows: TrainingRows) -> ContestantResult:
    kinds = kinds_by_head(comparison.experiment)
    head_rows = rows.for_heads(list(kinds))
    scores, seconds, cost = [], [], None
    for half in range(N_HALVES):
        learning, test = head_rows.fold_rows(half)
        estimators = baselines.make_estimators(estimator.estimator, kinds, comparison.seed)
        learnt = head_rows.actual.rows(learning)
        fitted = baselines.fit(estimators, head_rows.x[learning], learnt, estimator.chain, rows.columns)
        scores.append(head_scores(head_rows.actual.rows(test), fitted.predict(head_rows.x[test]), kinds))
        seconds.append(fitted.seconds)
        cost = cost or baselines.measure_cost(fitted, head_rows.x)  # of the first: ten forests take too much memory
    assert cost is not None, "there are halves"
    by_head, metrics = by_half(scores)
    means = tuple(mean_score(measured) for measured in scores)
    cost = replace(cost, training_seconds=float(np.mean(seconds)))
    return ContestantResult(name, what, {**by_head, MEAN: means}, metrics, cost)
