"""What the trials of a search show: counts, Pareto front, constraints that none meets, importance, ends of ranges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import LATENCY
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator, measured_others
from branchsweep.search.boundary_check import boundary_hits
from branchsweep.trial import Params, Result, Score, Status
from branchsweep.workflows.records.sweep_summary import ParetoTrial


def trial_counts(results: Sequence[Result]) -> dict[str, int]:
    """How many trials are complete, pruned and failed, by status in small letters."""
    counts = Counter(result.score.status for result in results)
    return {status.value.lower(): counts[status] for status in (Status.COMPLETE, Status.PRUNED, Status.FAILED)}


def pareto_trials(experiment: Experiment, results: Sequence[Result]) -> tuple[ParetoTrial, ...]:
    """With several objectives, the trials that no other beats in all of them; else none."""
    evaluator = make_evaluator(experiment.objective, results)
    front = evaluator.front(results) if experiment.objective.is_multi_objective else []
    others = experiment.objective.others(experiment.score_metrics)
    return tuple(
        ParetoTrial(
            result.trial.number,
            result.score.by_head,
            evaluator.measured(result.score),
            measured_others(others, result.score),
        )
        for result in front
    )


def unmet_constraints(experiment: Experiment, results: Sequence[Result]) -> tuple[str, ...]:
    """The constraints that kept complete trials from being the best: no trial meets them, or they have no bound."""
    evaluator: ObjectiveEvaluator = make_evaluator(experiment.objective, results)
    complete = [result for result in results if result.score.is_complete]
    unmet = []
    constraints = experiment.objective.parsed_constraints
    for constraint, text, bound, alone in zip(
        constraints, experiment.objective.constraints, evaluator.bounds, evaluator.one_by_one(), strict=True
    ):
        if math.isnan(bound):
            unmet.append(f"{text}: not checked, for the initial trial that it refers to has no complete score")
        elif complete and not any(alone.is_eligible(result) for result in complete):
            reached = f"is at most {bound:,.6g}" if constraint.at_most else f"reaches {bound:.4f}"
            unmet.append(f"{text}: no complete trial {reached}")
    return tuple(unmet)


def unmet_latency(experiment: Experiment, confirmed: Sequence[Score]) -> tuple[str, ...]:
    """The constraints on latency that no confirmed trial meets, with what was measured."""
    fastest = min((score.network[LATENCY] for score in confirmed if LATENCY in score.network), default=0.0)
    objective = experiment.objective
    return tuple(
        f"{text}: the fastest confirmed trial takes {fastest:.4g} seconds for 1,000 rows"
        for text, constraint in zip(objective.constraints, objective.parsed_constraints, strict=True)
        if constraint.metric == LATENCY and fastest > constraint.factor
    )


def importance_or_reason(experiment: Experiment, results: Sequence[Result]) -> tuple[Mapping[str, Mapping[str, float]], str]:
    """The importance of the hyperparameters; where there is none, the reason."""
    from branchsweep.search.importance import importance, why_no_importance  # noqa: PLC0415  # Optuna's import takes a second

    found = importance(experiment, results)
    return found, "" if found else why_no_importance(experiment, results)


def boundary_warnings(experiment: Experiment, params: Params | None) -> tuple[str, ...]:
    """The hyperparameters of a trial that are at a bound of the space, as sentences; none without a trial."""
    return tuple(hit.sentence for hit in boundary_hits(experiment, params)) if params is not None else ()
