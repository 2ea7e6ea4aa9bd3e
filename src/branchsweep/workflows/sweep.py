"""The sweep: search, confirm and refit the best, meet the test rows once, compare, promote, and write down what came of it."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import STOPPING_CRITERIA, sweep_key_fields
from branchsweep.config.recorded import dump_space_yaml, dump_yaml
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.digest import combined_digest
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import ConfigError
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.runtime import environment_facts, machine_facts
from branchsweep.search.boundary_check import boundary_hits
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, TableRecord, TestAudit, Tracking
from branchsweep.training.protocols import Trainer
from branchsweep.training.resources import CPU, Device, device_fact
from branchsweep.trial import Result, Status
from branchsweep.workflows.baseline_evaluation import Baseline, evaluate_baselines
from branchsweep.workflows.confirmation import ConfirmationCandidate, ReevaluatedTrial, best_candidates
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import ProgressCallback
from branchsweep.workflows.promotion import PromotionOutcome, PromotionPipeline, current_champion
from branchsweep.workflows.reporter import DESCRIBED_TRIALS, TABLES_ONLY, SweepReporter
from branchsweep.workflows.search_loop import SearchContext, run_search
from branchsweep.workflows.sweep_report import Files, SweepReport, make_report, report_tables
from branchsweep.workflows.sweep_result import BaselineResult, BestTrial, ConfirmedScores, ParetoTrial, SweepResult

RESULT_TAG = "summary"
"""The tag that holds a finished sweep's summary."""


def run_sweep(
    experiment: Experiment,
    baselines: Sequence[Baseline],
    dataset: Dataset,
    split: Split,
    engines: SearchContext,
    reporter: SweepReporter = TABLES_ONLY,
) -> SweepResult:
    """A sweep from beginning to end.

    Args:
        experiment: The question and the means.
        baselines: What the best trial is compared with.
        dataset: The table.
        split: Which of its rows train, validate and test.
        engines: Who does the work. What the tracker has recorded of this sweep is not done again.
        reporter: Makes the files and descriptions that people read.
    """
    began = time.perf_counter()
    training = TrainingContext(engines.trainer, training_rows(dataset, split), engines.progress)
    rows, heads, tracker = training.rows, list(experiment.heads), engines.tracking.tracker
    current_champion(experiment, dataset, engines.tracking.registry)  # a champion that predicts something else is an error now
    earlier = _remembered(tracker.conclusion)
    found = run_search(experiment, rows, engines, earlier.search_seconds if earlier else 0.0)
    results, judged = found.results, make_evaluator(experiment.objective, found.results)
    counts = Counter(result.score.status for result in results)
    final = PromotionPipeline(experiment, dataset, split, training, engines.tracking, reporter)
    networks = [one.contender for one in baselines if one.contender]
    ending = final.hold(best_candidates(experiment, results, judged), networks, judged)
    by_name = {each.contender.name: each for each in ending.confirmed if each.contender in networks}
    compared = evaluate_baselines(baselines, by_name, dataset, split, training)
    finalist = ending.finalist
    summary = SweepResult(
        sweep=experiment.name,
        run_id=tracker.run_id,
        data={"source": dataset.source, "digest": dataset.digest, "rows": dataset.rows, "location": dataset.location},
        trials={status.value.lower(): counts[status] for status in (Status.COMPLETE, Status.PRUNED, Status.FAILED)},
        best=_best(experiment, finalist) if finalist else None,
        confirmed=tuple(_confirmed(each) for each in ending.confirmed if each.contender.searched),
        members=ending.members,
        meetings=_evaluations(engines.tracking.test_audit, ending, compared, split),
        test_scores=ending.test_scores,
        references=compared,
        champion=ending.crowning,
        seconds=time.perf_counter() - began,
        search_seconds=found.seconds,
        stopped_by=found.stop.by.value,
        stopped_because=found.stop.because,
        budget=_budget(experiment),
        front=[_member(judged, result) for result in judged.front(results)] if experiment.objective.is_multi_objective else [],
        unmet=_unmet(experiment, judged, results),
        importance=_importance(experiment, results),
        edges=tuple(edge.sentence for edge in boundary_hits(experiment, finalist.contender.trial.params)) if finalist else (),
        score_metrics=experiment.score_metrics,
    )
    facts = {**environment_facts(), **device_fact(engines.trainer.resources.device)}
    report = make_report(experiment, results, summary, dataset, split, ending.confirmed, ending.predictions, facts)
    for trial, pictures in _trial_files(report, reporter, engines.progress).items():
        tracker.log_trial_files(trial, pictures)
    files = {
        "summary.json": summary.to_json() + "\n",
        "importance.json": json.dumps(summary.importance, indent=2) + "\n",
        **_report_files(report, reporter, engines.progress),
    }
    test_names = score_names(experiment.score_metrics, TEST)
    shown = judged.ranking(results)[:DESCRIBED_TRIALS]
    links = tracker.links([result.trial.number for result in shown] + ([summary.best.trial] if summary.best else []))
    tracker.finish(
        metrics={
            **{test_names[head]: score for head, score in (summary.test_scores or {}).items()},
            **{f"importance/{head}/{name}": share for head, of in summary.importance.items() for name, share in of.items()},
        },
        tags={RESULT_TAG: summary.dumps()},
        files=files,
        description=reporter.finished_description(summary, experiment.question, heads, shown, links, list(files)),
    )
    return summary


def _report_files(report: SweepReport, reporter: SweepReporter, progress: ProgressCallback) -> Files:
    """What is kept for people to look at; where that cannot be made, the tables that it can be made from later."""
    try:
        return reporter.report_files(report)
    except Exception as error:  # noqa: BLE001  # a picture that cannot be drawn must not cost a sweep its end
        progress.on_message(f"the report could not be made ({type(error).__name__}: {error}); branchsweep report tries again")
        return report_tables(report)


def _trial_files(report: SweepReport, reporter: SweepReporter, progress: ProgressCallback) -> Mapping[int, Files]:
    """Pictures of the finalists; none where they cannot be made."""
    try:
        return reporter.trial_files(report)
    except Exception as error:  # noqa: BLE001  # as above
        progress.on_message(f"the finalists could not be drawn ({type(error).__name__}: {error})")
        return {}


def promote_recorded(
    experiment: Experiment,
    number: int | None,
    dataset: Dataset,
    split: Split,
    trainer: Trainer,
    tracking: Tracking,
    progress: ProgressCallback,
    is_rehearsal: bool,
    reporter: SweepReporter = TABLES_ONLY,
) -> PromotionOutcome:
    """The final of a recorded sweep once more: over its best trials, or for one of them.

    Args:
        experiment: As it was recorded.
        number: Of the trial; None for the best few.
        dataset: The table; the very one of the sweep.
        split: The very one, too.
        trainer: Trains and exports.
        tracking: Of the sweep.
        progress: Is told how it goes.
        is_rehearsal: Nothing is registered.
        reporter: Describes the model.

    Raises:
        ConfigError: There is no such trial, or it is not complete.
    """
    results = tracking.tracker.recorded_results()
    judged = make_evaluator(experiment.objective, results)
    best = best_candidates(experiment, results, judged)
    if number is not None:
        complete = {result.trial.number: result for result in results if result.score.is_complete}
        if number not in complete:
            known = ", ".join(str(each) for each in sorted(complete)[:20])
            raise ConfigError(
                f"--trial: got {number}, expected a complete trial of this sweep ({known}{', …' * (len(complete) > 20)})"
            )
        best = [ConfirmationCandidate(f"trial {number}", experiment, complete[number].trial, complete[number].score)]
    training = TrainingContext(trainer, training_rows(dataset, split), progress)
    final = PromotionPipeline(experiment, dataset, split, training, tracking, reporter)
    ending = final.hold(best, [], judged, is_rehearsal)
    _evaluations(tracking.test_audit, ending, [], split)
    return ending


def warm_start_results(experiment: Experiment, dataset: Dataset, earlier: Sequence[EarlierSweep]) -> list[Result]:
    """The results of earlier sweeps that a driver may learn from.

    Raises:
        ConfigError: A sweep is of another table, or of another space.
    """
    for one in earlier:
        if one.record.tags.get("data_digest") != dataset.digest:
            raise ConfigError(f"search.warm_start: the sweep {one} was scored on another table, so it teaches nothing here")
        ours, theirs = ({**of.space.dimensions, "heads": list(of.columns)} for of in (experiment, one.experiment))
        if ours != theirs:
            unlike = ", ".join(sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name)))
            raise ConfigError(
                f"search.warm_start: the sweep {one} has another space ({unlike} differ), so it teaches nothing here"
            )
    return [result for one in earlier for result in one.results]


@dataclass(frozen=True, slots=True)
class EarlierSweep:
    """A sweep that is recorded, of whatever state.

    Args:
        run_id: In the store.
        record: What was written down when it began.
        experiment: The same, read.
        results: Its trials so far.
    """

    run_id: str
    record: SweepRecord
    experiment: Experiment
    results: Sequence[Result]

    def __str__(self) -> str:
        return f"{self.record.name} ({self.run_id[:8]})"


def new_sweep_record(
    experiment: Experiment,
    dataset: Dataset,
    split: Split,
    prior: Sequence[Result] = (),
    device: Device = CPU,
    description: str = "",
) -> SweepRecord:
    """What the tracker writes down when the sweep begins.

    The key is a digest of all that decides which trials are asked and what they score: the same key is the same sweep, and a
    larger budget, another question, other baselines or workers do not make it another one. What a driver was told beforehand
    decides what it asks: when an earlier sweep has more trials than it had, the sweep that it warms up is another.
    """
    trained_on = device_fact(device)
    return SweepRecord(
        name=experiment.name,
        key=combined_digest(
            [json.dumps(sweep_key_fields(experiment)), dataset.digest, split.digest, *(_spelt(result) for result in prior)]
        ),
        question=experiment.question,
        yaml=dump_yaml(experiment),
        heads={name: head.unit for name, head in experiment.heads.items()},
        score_metrics=experiment.score_metrics,
        objective=experiment.objective,
        tags={
            "data_source": dataset.source,
            "data_location": dataset.location,
            "data_digest": dataset.digest,
            "data_rows": str(dataset.rows),
            "split_digest": split.digest,
            "test_digest": split.test_digest,
            "driver": experiment.search.driver,
            "algorithm": experiment.algorithm,
            "seed": str(experiment.seed),
            **environment_facts(),
            **trained_on,
        },
        description=description,
        dimensions=[name for name, dimension in experiment.space.dimensions.items() if not dimension.when],
        table=TableRecord(
            name=Path(experiment.table.source).name + " (stand-in)" * dataset.is_synthetic,
            digest=dataset.digest,
            location=dataset.location,
            columns=[*dataset.inputs, *experiment.columns.values()],
            rows=dataset.rows,
        ),
        files={
            "search_space.yaml": dump_space_yaml(experiment),
            "environment.json": json.dumps({**environment_facts(), **machine_facts(), **trained_on}, indent=2) + "\n",
        },
    )


def _spelt(result: Result) -> str:
    return f"{sorted(result.trial.params.items())} {result.score.status} {sorted(result.score.by_head.items())}"


def finished_result(experiment: Experiment, conclusion: SweepConclusion | None) -> SweepResult | None:
    """The summary of a sweep that has come to its end within the budget that the experiment gives, or None."""
    said = _remembered(conclusion)
    return said if said and (dict(said.budget) == _budget(experiment) or _has_enough(said, experiment)) else None


def _has_enough(said: SweepResult, experiment: Experiment) -> bool:
    return sum(said.trials.values()) >= experiment.search.trials


def _remembered(conclusion: SweepConclusion | None) -> SweepResult | None:
    text = conclusion.tags.get(RESULT_TAG) if conclusion else None
    try:
        return SweepResult.loads(text) if text else None
    except (KeyError, TypeError, ValueError):  # written by another version: concluding again costs a refit, no trial
        return None


def _budget(experiment: Experiment) -> dict[str, float | None]:
    return {name: getattr(experiment.search, name) for name in STOPPING_CRITERIA}


def _member(judged: ObjectiveEvaluator, result: Result) -> ParetoTrial:
    return ParetoTrial(result.trial.number, result.score.by_head, judged.values(result.score))


def _unmet(experiment: Experiment, judged: ObjectiveEvaluator, results: Sequence[Result]) -> list[str]:
    """What kept complete trials from being the best: the constraints that none of them meets, or that have no bound."""
    complete = [result for result in results if result.score.is_complete]
    said = []
    for text, bound, alone in zip(experiment.objective.constraints, judged.bounds, judged.one_by_one(), strict=True):
        if math.isnan(bound):
            said.append(f"{text}: not checked, for the known configuration has no complete score")
        elif complete and not any(alone.is_eligible(result) for result in complete):
            said.append(f"{text}: no complete trial reaches {bound:.4f}")
    return said


def _importance(experiment: Experiment, results: Sequence[Result]) -> Mapping[str, Mapping[str, float]]:
    from branchsweep.search.importance import importance  # noqa: PLC0415  # Optuna's import costs most of a second

    return importance(experiment, results)


def _best(experiment: Experiment, finalist: ReevaluatedTrial) -> BestTrial:
    trial, searched = finalist.contender.trial, finalist.contender.searched
    assert searched is not None, "the finalist is one of the search's trials"
    return BestTrial(
        trial=trial.number,
        params=trial.params,
        recipe={**experiment.space.fixed, **trial.params},
        scores=searched.scores,
        scores_se=searched.scores_se,
        parameters=finalist.parameters,
    )


def _confirmed(one: ReevaluatedTrial) -> ConfirmedScores:
    searched = one.contender.searched
    assert searched is not None, "of the search's trials"
    return ConfirmedScores(one.contender.trial.number, searched.scores, one.score.scores, one.score.scores_se, one.parameters)


def _evaluations(test_audit: TestAudit, ending: PromotionOutcome, compared: Sequence[BaselineResult], split: Split) -> int:
    """Records what was evaluated on the test rows; returns how often they were used, in all sweeps of the store."""
    finalists = [ending.finalist.contender.name] if ending.finalist and ending.test_scores else []
    for who in [*finalists, *(one.name for one in compared if one.test_scores)]:
        test_audit.record_evaluation(who)
    return test_audit.evaluations(split.test_digest)
