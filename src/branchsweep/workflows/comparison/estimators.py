"""Contestants that are estimators of scikit-learn: tuned and fitted on every half, and tested on the other one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from branchsweep.config.comparison import N_HALVES, Estimator
from branchsweep.config.estimator_names import is_joint
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.config.sections.validation import KFold
from branchsweep.metrics.comparison_result import (
    ContestantResult,
    contestant_from_data,
    contestant_to_data,
)
from branchsweep.metrics.scores import by_half, mean_score
from branchsweep.models import baselines
from branchsweep.models.baselines import estimator_label
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.workflows.comparison.nested_search import where_tuned
from branchsweep.workflows.context import ComparisonContext
from branchsweep.workflows.estimator_tuning import EstimatorSearch, EstimatorToFit, ParamsByHead, searched_params


def evaluate_estimator(
    name: str, estimator: Estimator, context: ComparisonContext, recorded: Mapping[str, Any]
) -> ContestantResult:
    """An estimator fitted and tested on every half, or recorded."""
    part, metric = f"estimator/{name}", common_metric(context.comparison.experiment.score_metrics.values())
    what = _description(estimator, context)
    if part in recorded:
        return replace(contestant_from_data({"name": name, "description": what, **recorded[part]}, metric), description=what)
    result = _fit_estimator(name, what, estimator, context)
    context.tracker.record_part(part, contestant_to_data(result, metric))
    return result


def _description(estimator: Estimator, context: ComparisonContext) -> str:
    """The description of an estimator in reports."""
    kinds = kinds_by_head(context.comparison.experiment)
    if estimator.chain:
        what = f"{estimator_label(estimator.estimator, kinds.values())}, a chain of {' and then '.join(estimator.chain)}"
    else:
        what = ", ".join(_heads_by_label(estimator.estimator, kinds))
    if estimator.fixed:
        what += " with " + ", ".join(f"{name} {value}" for name, value in estimator.fixed.items())
    return f"{what}, tuned {where_tuned(context.comparison)}" if estimator.space else what


def _heads_by_label(name: str, kinds: Mapping[str, Head]) -> list[str]:
    """What an estimator is for which heads, in words."""
    by_label: dict[str, list[str]] = {}
    for head, kind in kinds.items():
        by_label.setdefault(estimator_label(name, [kind]), []).append(head)
    if len(by_label) > 1:
        return [f"{label} for {' and '.join(heads)}" for label, heads in by_label.items()]
    return [f"{label} {'of all heads' if is_joint(name) else 'for each head'}" for label in by_label]


def _fit_estimator(name: str, what: str, estimator: Estimator, context: ComparisonContext) -> ContestantResult:
    comparison, on_message = context.comparison, context.training.progress.on_message
    rows = context.training.rows.for_heads(list(comparison.experiment.heads))
    to_fit = EstimatorToFit(estimator, comparison.experiment, rows, comparison.seed, estimator.chain, f"contestants.{name}")
    began = time.perf_counter()
    params = _tuned_params(name, to_fit, context) if estimator.space else (to_fit.fixed,) * N_HALVES
    tuning_seconds = time.perf_counter() - began if estimator.space else 0.0
    on_message(f"{name}: fitting it on every half")
    scores, seconds, cost = [], [], None
    for half in range(N_HALVES):
        fitted, measured = to_fit.on_fold(half, params[half])
        scores.append(measured)
        seconds.append(fitted.seconds)
        cost = cost or baselines.measure_cost(fitted, rows.x)  # of the first: ten forests take too much memory
    assert cost is not None, "there are halves"
    by_head, metrics = by_half(scores)
    means = tuple(mean_score(measured) for measured in scores)
    cost = replace(cost, training_seconds=float(np.mean(seconds)), tuning_seconds=tuning_seconds)
    recipes = params if any(params) else ()
    return ContestantResult(name, what, {**by_head, MEAN: means}, metrics, cost, recipes)


def _tuned_params(name: str, to_fit: EstimatorToFit, context: ComparisonContext) -> tuple[ParamsByHead, ...]:
    """The hyperparameters of an estimator for each half, found by a search inside of each, or by one before."""
    comparison, on_message = context.comparison, context.training.progress.on_message
    trials = to_fit.tuned.trials or comparison.budget.trials
    on_message(f"{name}: {trials} trials of its hyperparameters {where_tuned(comparison)}")
    searches = _folds_of_searches(context)
    seconds = comparison.budget.seconds and comparison.budget.seconds / len(searches)
    found = [
        searched_params(to_fit, EstimatorSearch(folds, trials, comparison.seed + index, seconds), on_message)
        for index, folds in enumerate(searches)
    ]
    return tuple(found if comparison.tuning == "nested" else found * N_HALVES)


def _folds_of_searches(context: ComparisonContext) -> Sequence[Sequence[int]]:
    """The folds of each search: of every half, or of the one search, in the order of `comparison_rows`."""
    validation = context.comparison.validation
    count = validation.folds if isinstance(validation, KFold) else 1
    return [range(first, first + count) for first in range(N_HALVES, len(context.training.rows.folds), count)]
