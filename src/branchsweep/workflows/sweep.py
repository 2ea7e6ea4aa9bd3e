"""The sweep: search, confirm and refit the best, evaluate it once on the test rows, compare, promote, record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import STOPPING_CRITERIA
from branchsweep.config.metric_names import LATENCY, MEAN, MEASURED_NETWORK_METRICS, metric_of_head
from branchsweep.errors import ConfigError
from branchsweep.metrics.collapse import lane_collapses, means_with_medians
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.objectives import make_evaluator, measured_others
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.runtime import environment_facts
from branchsweep.search.protocols import Driver
from branchsweep.tracking.optional_outputs import NO_FILES, OptionalOutputs, remedy
from branchsweep.tracking.protocols import SweepConclusion, sweep_label
from branchsweep.training.resources import device_fact
from branchsweep.trial import Result
from branchsweep.workflows.background import in_background
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.champion import current_champion
from branchsweep.workflows.promotion.confirmation import best_candidates
from branchsweep.workflows.promotion.gate import paired_tests_of
from branchsweep.workflows.promotion.pipeline import PromotionOutcome, PromotionPipeline
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.recorded_params import check_recorded_params
from branchsweep.workflows.records.report_tables import report_tables
from branchsweep.workflows.records.search_facts import (
    boundary_warnings,
    importance_or_reason,
    pareto_trials,
    trial_counts,
    unmet_constraints,
    unmet_latency,
)
from branchsweep.workflows.records.sweep_summary import ConfirmedTrial, SweepSummary, TrialSummary
from branchsweep.workflows.search_loop import SearchResult, run_search
from branchsweep.workflows.sweep_report import Files, SweepReport, predictions_by_head, table_facts

MODEL_FOLDER = "model"
"""The folder among the sweep's files that holds its model, where that is not registered."""


def run_sweep(sweep: SweepContext, driver: Driver, baselines: Sequence[Baseline] = ()) -> SweepSummary:
    """A sweep from beginning to end. What the tracker has recorded of it is not done again.

    Args:
        sweep: The sweep.
        driver: Asks trials.
        baselines: What the best trial is compared with.
    """
    return run_sweep_to_outcome(sweep, driver, baselines)[0]


def run_sweep_to_outcome(
    sweep: SweepContext, driver: Driver, baselines: Sequence[Baseline] = ()
) -> tuple[SweepSummary, PromotionOutcome]:
    """As `run_sweep`; the summary, and the end of the sweep with the predictions of its model on the test rows."""
    experiment, tracker = sweep.experiment, sweep.tracking.tracker
    sweep.stages.begin("search")
    current_champion(experiment, sweep.dataset, sweep.tracking.registry)  # one that predicts something else is an error now
    earlier = SweepSummary.of_conclusion(tracker.conclusion)
    search = run_search(experiment, driver, sweep.training, tracker, earlier.search_seconds if earlier else 0.0)
    evaluator = make_evaluator(experiment.objective, search.results)
    in_background(sweep.reporter.prepare)
    outcome = PromotionPipeline(sweep, evaluator).run(best_candidates(experiment, search.results, evaluator), baselines)
    sweep.stages.begin("report")
    return _finish(sweep, _summarise(sweep, search, outcome), search.results, outcome), outcome


def _summarise(sweep: SweepContext, search: SearchResult, outcome: PromotionOutcome) -> SweepSummary:
    """The summary of a sweep, without its wall time."""
    experiment, dataset, finalist = sweep.experiment, sweep.dataset, outcome.finalist
    importance, without_importance = importance_or_reason(experiment, search.results)
    return SweepSummary(
        sweep=experiment.name,
        run_id=sweep.tracking.tracker.run_id,
        data={"source": dataset.source, "digest": dataset.digest, "rows": dataset.rows, "location": dataset.location},
        trials=trial_counts(search.results),
        finalist=_finalist(experiment, finalist) if finalist else None,
        confirmed=tuple(
            _confirmed(candidate, experiment.objective.others(experiment.score_metrics))
            for candidate in outcome.confirmed
            if candidate.candidate.searched
        ),
        to_confirm=experiment.confirmation.trials if outcome.confirmed else 0,
        members=outcome.members,
        ensemble=outcome.ensemble,
        intervals=outcome.intervals,
        test_evaluations=_evaluations(sweep, outcome, outcome.baselines),
        test_scores=outcome.test_scores,
        test_metrics=outcome.test_metrics,
        baselines=outcome.baselines,
        collapses=(*_collapsed_lanes(outcome.confirmed, experiment.confirmation.seeds), *outcome.collapses),
        registered=outcome.registered,
        paired_tests=paired_tests_of(outcome.decision),
        seconds=0.0,
        search_seconds=search.seconds,
        stopped_by=search.stop.by.value,
        stopped_because=search.stop.because,
        budget=_budget(experiment),
        pareto_front=pareto_trials(experiment, search.results),
        unmet_constraints=(
            *unmet_constraints(experiment, search.results),
            *unmet_latency(experiment, [candidate.score for candidate in outcome.confirmed]),
        ),
        importance=importance,
        without_importance=without_importance,
        boundary_warnings=boundary_warnings(experiment, finalist.candidate.trial.params if finalist else None),
        score_metrics=experiment.score_metrics,
    )


def _finish(
    sweep: SweepContext, unfinished: SweepSummary, results: Sequence[Result], outcome: PromotionOutcome
) -> SweepSummary:
    """Record the summary of a sweep, with its wall time and its report."""
    experiment, tracker, reporter = sweep.experiment, sweep.tracking.tracker, sweep.reporter
    report = _report(sweep, unfinished, results, outcome)
    optional = OptionalOutputs(sweep.training.progress.on_message, remedy(tracker.run_id))
    nothing: AbstractContextManager[Callable[[], Mapping[int, Files]]] = nullcontext(dict)
    with optional.make("the pictures of the finalists", lambda: reporter.drawing_trials(report), nothing) as drawn:
        make_files: Callable[[SweepReport], Files] = optional.make(
            "the report", lambda: reporter.draw_report(report), lambda _report: NO_FILES
        )
        finalists: Mapping[int, Files] = optional.make("the pictures of the finalists", drawn, {})
    for trial, pictures in finalists.items():
        optional.keep(pictures, partial(tracker.log_trial_files, trial))
    result = unfinished.timed(sweep.stages.seconds)  # what follows takes little time
    timed = replace(report, summary=result)
    tables = report_tables(timed)  # from which the rest can be made again
    rendered = optional.make("the report", lambda: make_files(timed), NO_FILES)
    kept = optional.keep({name: content for name, content in rendered.items() if name not in tables}, tracker.log_files)
    files = {
        "summary.json": result.to_json() + "\n",
        "importance.json": json.dumps(result.importance, indent=2) + "\n",
        **tables,
        **{f"{MODEL_FOLDER}/{name}": content for name, content in outcome.model_files.items()},
    }
    test_names = score_names(experiment.score_metrics, TEST)
    tracker.finish(
        metrics={
            **{test_names[head]: score for head, score in (result.test_scores or {}).items()},
            **{
                f"importance/{head}/{name}": share
                for head, shares in result.importance.items()
                for name, share in shares.items()
            },
            **_coverages(result.intervals),
            **{f"seconds/{stage}": seconds for stage, seconds in {**result.stages, "total": result.seconds}.items()},
        },
        summary=result.dumps(),
        files=files,
        description=optional.make(
            "the description in MLflow", lambda: reporter.finished_description(timed, timed.links, [*kept, *files]), ""
        ),
    )
    return result


def _coverages(intervals: CheckedIntervals | None) -> dict[str, float]:
    """The coverage of prediction intervals on the test rows by the names of metrics (`test_interval_coverage/PE`)."""
    by_head = intervals.heads if intervals else {}
    return {metric_of_head(TEST.format("interval_coverage"), head): coverage.share for head, coverage in by_head.items()}


def _report(sweep: SweepContext, result: SweepSummary, results: Sequence[Result], outcome: PromotionOutcome) -> SweepReport:
    """The report of a sweep that has just finished."""
    experiment, dataset, split = sweep.experiment, sweep.dataset, sweep.split

    by_head = partial(predictions_by_head, experiment, dataset)
    return SweepReport(
        experiment=experiment,
        results=sorted(results, key=lambda result: result.trial.number),
        summary=result,
        table=table_facts(experiment, dataset, split),
        predictions={} if outcome.predictions is None else by_head(split.test, outcome.predictions),
        curves={trial.candidate.name: trial.score.curves for trial in outcome.confirmed if trial.score.curves},
        environment={**environment_facts(), **device_fact(sweep.training.trainer.resources.device)},
        links=sweep.tracking.tracker.links([result.trial.number for result in results]),
        finalists={
            trial.candidate.trial.number: by_head(split.train[trial.predicted_rows], trial.predictions[trial.predicted_rows])
            for trial in outcome.confirmed
            if trial.candidate.searched and trial.score.is_complete
        },
        explanation=outcome.explanation,
        is_in_mlflow=sweep.tracking.is_in_mlflow,
    )


def promote_recorded(sweep: SweepContext, number: int | None = None, dry_run: bool = False) -> PromotionOutcome:
    """Confirms and promotes trials of a recorded sweep once more.

    Args:
        sweep: The sweep, with its table and its split.
        number: Of the trial; None for the best few.
        dry_run: Register nothing.

    Raises:
        ConfigError: There is no such trial, or it is not complete.
    """
    experiment, tracker = sweep.experiment, sweep.tracking.tracker
    results = tracker.recorded_results()
    check_recorded_params(experiment, results, sweep_label(experiment.name, tracker.run_id))
    evaluator = make_evaluator(experiment.objective, results)
    best = best_candidates(experiment, results, evaluator)
    if number is not None:
        complete = {result.trial.number: result for result in results if result.score.is_complete}
        if number not in complete:
            numbers = ", ".join(map(str, sorted(complete)[:20])) + ", …" * (len(complete) > 20)
            raise ConfigError(f"got {number}, expected a complete trial of this sweep ({numbers})", "trial")
        best = [ConfirmationCandidate(f"trial {number}", experiment, complete[number].trial, complete[number].score)]
    summary = SweepSummary.of_conclusion(tracker.conclusion)
    evaluated = summary.baselines if summary else ()
    outcome = PromotionPipeline(sweep, evaluator).run(best, evaluated=evaluated, dry_run=dry_run)
    _evaluations(sweep, outcome, [])
    return outcome


def finished_result(experiment: Experiment, conclusion: SweepConclusion | None) -> SweepSummary | None:
    """The summary of a sweep that has come to its end within the budget that the experiment gives, or None.

    A summary that cannot be read is none: running the sweep again concludes it again.
    """
    summary = SweepSummary.of_conclusion(conclusion)
    is_finished = summary and (dict(summary.budget) == _budget(experiment) or _has_enough(summary, experiment))
    return summary if is_finished else None


def _has_enough(summary: SweepSummary, experiment: Experiment) -> bool:
    return sum(summary.trials.values()) >= experiment.search.trials


def _budget(experiment: Experiment) -> dict[str, float | None]:
    return {name: getattr(experiment.search, name) for name in STOPPING_CRITERIA}


def _finalist(experiment: Experiment, finalist: ReevaluatedTrial) -> TrialSummary:
    trial, searched = finalist.candidate.trial, finalist.candidate.searched
    assert searched is not None, "the finalist is one of the search's trials"
    return TrialSummary(
        trial=trial.number,
        params=trial.params,
        recipe={**experiment.space.fixed, **trial.params},
        scores=searched.means,
        parameters=finalist.parameters,
        has_branches=finalist.candidate.recipe.architecture.has_branches,
    )


def _confirmed(candidate: ReevaluatedTrial, others: Sequence[str]) -> ConfirmedTrial:
    """The record of a confirmed trial, with these metrics of the objective that are no scores."""
    searched = candidate.candidate.searched
    assert searched is not None, "of the search's trials"
    confirmed = means_with_medians(candidate.score)
    latency = candidate.score.network.get(LATENCY)
    before, after = (measured_others(others, score) if score.heads else {} for score in (searched, candidate.score))
    return ConfirmedTrial(
        candidate.candidate.trial.number,
        searched.scores,
        confirmed,
        candidate.parameters,
        latency,
        {name: (before[name], after[name]) for name in after if name not in MEASURED_NETWORK_METRICS},
    )


def _collapsed_lanes(confirmed: Sequence[ReevaluatedTrial], seeds: int) -> list[str]:
    """The networks of the confirmation that collapsed, as sentences."""
    return [
        f"{result.candidate.name} collapsed when confirmed: {collapse}"
        for result in confirmed
        for collapse in lane_collapses(result.score, seeds)
        if collapse.head != MEAN
    ]


def _evaluations(sweep: SweepContext, outcome: PromotionOutcome, baselines: Sequence[BaselineResult]) -> int:
    """Records the models that were evaluated on the test rows; how many were, in this sweep and in all others of the store."""
    audit = sweep.tracking.test_audit
    finalists = [outcome.finalist.candidate.name] if outcome.finalist and outcome.test_scores else []
    for name in [*finalists, *(baseline.name for baseline in baselines if baseline.test_scores)]:
        audit.record_evaluation(name)
    return audit.evaluations(sweep.split.test_digest)
