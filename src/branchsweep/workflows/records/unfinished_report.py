"""The report of a sweep that has not come to its end: what is recorded of it so far, in the form of a finished one."""

from __future__ import annotations

from datetime import datetime

from branchsweep.config.experiment import Experiment
from branchsweep.errors import UserError
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.models.recipe import recipe_for
from branchsweep.tracking.protocols import SweepArchive, sweep_label
from branchsweep.trial import Result
from branchsweep.workflows.records.search_facts import (
    boundary_warnings,
    importance_or_reason,
    pareto_trials,
    trial_counts,
    unmet_constraints,
)
from branchsweep.workflows.records.sweep_summary import SweepSummary, TrialSummary
from branchsweep.workflows.sweep_report import SweepReport, UnfinishedSweep


def unfinished_report(archive: SweepArchive, experiment: Experiment, state: str, as_of: datetime) -> SweepReport:
    """The report of a sweep that runs or was interrupted: trials, no confirmation, no test scores, no baselines.

    Args:
        archive: The record.
        experiment: The recorded experiment.
        state: Of the sweep: `running`, `interrupted`, ….
        as_of: The present time, which the page says.

    Raises:
        UserError: No trial has ended.
    """
    results, sweep = archive.recorded_results(), archive.sweep
    if not results:
        label = sweep_label(sweep.name, archive.run_id)
        raise UserError(f"{label} is not finished, and no trial has ended: there is nothing to report yet")
    found = make_evaluator(experiment.objective, results).best(results)
    best = _best_so_far(experiment, found) if found else None
    importance, without_importance = importance_or_reason(experiment, results)
    summary = SweepSummary(
        sweep=experiment.name,
        run_id=archive.run_id,
        data={name: getattr(sweep.table, name) for name in ("source", "digest", "rows", "location")},
        trials=trial_counts(results),
        finalist=None,
        test_scores=None,
        baselines=(),
        registered=None,
        seconds=0.0,
        search_seconds=0.0,
        stopped_by="",
        stopped_because="",
        budget={},
        pareto_front=pareto_trials(experiment, results),
        unmet_constraints=unmet_constraints(experiment, results),
        importance=importance,
        without_importance=without_importance,
        boundary_warnings=boundary_warnings(experiment, best.params if best else None),
        score_metrics=experiment.score_metrics,
    )
    return SweepReport(
        experiment=experiment,
        results=results,
        summary=summary,
        environment=sweep.environment,
        links=archive.links([result.trial.number for result in results]),
        unfinished=UnfinishedSweep(state, as_of, best),
    )


def _best_so_far(experiment: Experiment, result: Result) -> TrialSummary:
    recipe, params = recipe_for(experiment, result.trial.params), result.trial.params
    return TrialSummary(
        trial=result.trial.number,
        params=params,
        recipe={**experiment.space.fixed, **params},
        scores=result.score.means,
        parameters=recipe.parameters(experiment.table.inputs.values()),
        has_branches=recipe.architecture.has_branches,
    )
