"""Outer cross-validation: the whole sweep, once per fold, each scored on rows that it has not seen.

A sweep chooses: among trials, epochs, candidates. So the scores by which it chooses are too good, and only rows that took no
part in the choice say how well its model predicts. Here every row is such a row once. The sweep of a fold is an ordinary one,
with a name and a record of its own; the workers are the same for all of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from branchsweep.config.codec import from_data, to_data
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import STOPPING_CRITERIA, ensemble_key_fields, sweep_key_fields
from branchsweep.config.kinds import quantile_levels
from branchsweep.config.metric_names import RMSE
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.digest import combined_digest
from branchsweep.data.spreadsheets import csv_text
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import UnreadableRecordError, reading_record
from branchsweep.metrics import scores
from branchsweep.metrics.output_columns import output_columns
from branchsweep.metrics.relative_rmse import RRMSE, relative_rmse
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.runtime import environment_facts
from branchsweep.tracking.cross_validation_protocols import CrossValidationTracker
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, TableRecord
from branchsweep.trial import HeadScore
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.promotion.pipeline import PromotionOutcome
from branchsweep.workflows.records.cross_validation_result import (
    ByHead,
    CrossValidationResult,
    OuterFold,
    PredictedFold,
    mean_over_folds,
    paired_differences,
)
from branchsweep.workflows.records.sweep_record import table_record
from branchsweep.workflows.records.sweep_summary import SweepSummary


def new_cross_validation_record(
    experiment: Experiment, baselines: Sequence[Baseline], dataset: Dataset, splits: Sequence[Split]
) -> SweepRecord:
    """What the tracker records when an outer cross-validation begins.

    The key is a digest of all that decides its result: also of the budget, the confirmation, the ensemble and the baselines,
    which do not make another sweep. So with a larger budget the sweeps of the folds are resumed, and their nested score is
    another one.
    """
    ensemble = experiment.promotion.ensemble if experiment.promotion else None
    compared = [(baseline.name, baseline.deciding) for baseline in baselines]
    deciding = {
        "budget": {name: getattr(experiment.search, name) for name in STOPPING_CRITERIA},
        "confirmation": experiment.confirmation.model_dump(),
        "ensemble": ensemble and ensemble_key_fields(ensemble),
        "baselines": compared,
    }
    digests = [split.digest for split in splits]
    return SweepRecord(
        name=experiment.name,
        key=combined_digest([json.dumps(sweep_key_fields(experiment)), json.dumps(deciding), dataset.digest, *digests]),
        question=experiment.question,
        yaml=dump_yaml(experiment),
        heads={name: head.unit for name, head in experiment.heads.items()},
        score_metrics=experiment.score_metrics,
        objective=experiment.objective,
        table=table_record(experiment, dataset),
        split_digest=combined_digest(digests),
        seed=experiment.seed,
        environment=environment_facts(),
    )


RunFold = Callable[[Experiment, Split, TrainingContext], tuple[SweepSummary, PromotionOutcome]]
"""Runs the sweep of a fold, or resumes it, from its experiment and its split."""

PREDICTIONS, RESULT, FOLDS = "predictions.csv", "result.json", "folds.csv"
"""The files that are kept: the predictions for all rows, each by the model of the fold whose test row it is; the result; the
metrics of every fold."""


@dataclass(frozen=True, slots=True)
class OuterContext:
    """An outer cross-validation with all that it takes.

    Args:
        experiment: The experiment.
        dataset: The table.
        splits: The split of each fold, in order.
        training: Trains lanes.
        tracker: Records it.
        run_fold: Runs the sweep of a fold.
        describe: Makes the description for the store's page from the result; empty for none.
    """

    experiment: Experiment
    dataset: Dataset
    splits: Sequence[Split]
    training: TrainingContext
    tracker: CrossValidationTracker
    run_fold: RunFold
    describe: Callable[[CrossValidationResult], str] = lambda _result: ""


def cross_validate(outer: OuterContext) -> CrossValidationResult:
    """Run the sweeps of all folds that are not recorded yet, and compute the nested score."""
    folds, show = _recorded_folds(outer.tracker), outer.training.progress.on_message
    missing = [number for number in range(1, len(outer.splits) + 1) if number not in folds]
    if folds:
        show(f"resuming an outer cross-validation: {len(folds)} of {len(outer.splits)} folds are recorded")
    began = time.perf_counter()
    for run, number in enumerate(missing, start=1):
        folds[number] = _run_fold(outer, number)
        outer.tracker.record_part(_part(number), to_data(folds[number]))
        left = (time.perf_counter() - began) / run * (len(missing) - run)
        show(_fold_sentence(folds[number].fold, len(outer.splits), left))
    in_order = [folds[number] for number in sorted(folds)]
    result = _result(outer.experiment, outer.tracker.run_id, table_record(outer.experiment, outer.dataset), in_order)
    files = {RESULT: result.to_json() + "\n", **_tables(outer, in_order)}
    outer.tracker.finish(SweepConclusion(result.metrics, result.dumps()), result.answer, files, outer.describe(result))
    return result


def recorded_result(conclusion: SweepConclusion | None) -> CrossValidationResult | None:
    """The result of an outer cross-validation that has finished, or None.

    Raises:
        UnreadableRecordError: It was changed, or written by another version.
    """
    if conclusion is None:
        return None
    try:
        return CrossValidationResult.loads(conclusion.summary)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"the result of the outer cross-validation cannot be read ({type(error).__name__}): run it again (--fresh)"
        raise UnreadableRecordError(message) from error


def result_so_far(experiment: Experiment, run_id: str, table: TableRecord, part: Callable[[str], Any]) -> CrossValidationResult:
    """What an outer cross-validation that has not finished has come to.

    Args:
        experiment: The experiment.
        run_id: Of its run.
        table: What is recorded of its table.
        part: Reads a recorded part by its name; None where there is none.

    Raises:
        UnreadableRecordError: A fold was changed, or written by another version.
    """
    parts = [part(_part(number)) for number in range(1, (experiment.test.folds or 0) + 1)]
    return _result(experiment, run_id, table, _read_folds([data for data in parts if data is not None], run_id))


def with_relative_rmse(measured: ByHead, dataset: Dataset, split: Split) -> ByHead:
    """Metrics on the test rows by head and name, with the relative RMSE of each head that has an RMSE."""
    test, training = dataset.actual.rows(split.test), dataset.actual.rows(split.train)
    found = {}
    for index, head in enumerate(dataset.heads):
        metrics = dict(measured[head])
        if RMSE in metrics:
            metrics[RRMSE] = relative_rmse(test, training, index, metrics[RMSE])
        found[head] = metrics
    return found


def _part(number: int) -> str:
    return f"fold-{number}"


def _recorded_folds(tracker: CrossValidationTracker) -> dict[int, PredictedFold]:
    """The folds that are recorded, by number."""
    return {each.fold.number: each for each in _read_folds(tracker.recorded_parts().values(), tracker.run_id)}


def _read_folds(parts: Iterable[Any], run_id: str) -> list[PredictedFold]:
    """The folds that recorded parts hold.

    Raises:
        UnreadableRecordError: One was changed, or written by another version.
    """
    with reading_record(f"a fold of the outer cross-validation {run_id[:8]}", "Run it again (--fresh)"):
        return [from_data(PredictedFold, data) for data in parts]


def _run_fold(outer: OuterContext, number: int) -> PredictedFold:
    """The sweep of one fold, with the metrics of its model and of the baselines on the test rows."""
    began = time.perf_counter()
    experiment, dataset, split = outer.experiment.for_outer_fold(number), outer.dataset, outer.splits[number - 1]
    of_fold = f"fold {number} of {len(outer.splits)}: {len(split.train):,} rows to train and {len(split.test):,} to test"
    outer.training.progress.on_message(of_fold)
    most_rows = max(len(each.train) for each in outer.splits)
    training = outer.training.on_rows(training_rows(dataset, split, room=most_rows))
    summary, outcome = outer.run_fold(experiment, split, training)
    own: ByHead = {}
    if outcome.predictions is not None:
        measured = scores.head_scores(dataset.actual.rows(split.test), outcome.predictions, kinds_by_head(experiment))
        own = with_relative_rmse(_metrics(measured), dataset, split)
    fold = OuterFold(
        number=number,
        sweep=summary.sweep,
        run_id=summary.run_id,
        trial=summary.finalist.trial if summary.finalist and own else None,
        params=summary.finalist.params if summary.finalist and own else {},
        metrics=own,
        baselines={
            baseline.name: with_relative_rmse(baseline.test_metrics, dataset, split)
            for baseline in summary.baselines
            if baseline.test_metrics
        },
        seconds=time.perf_counter() - began,
        test_rows=len(split.test),
    )
    return PredictedFold(fold, () if outcome.predictions is None else tuple(map(tuple, outcome.predictions.tolist())))


def _metrics(measured: Mapping[str, HeadScore]) -> ByHead:
    return {head: score.metrics for head, score in measured.items()}


def _fold_sentence(fold: OuterFold, count: int, seconds_left: float) -> str:
    """What came of a fold, and about how long the others take."""
    left = f"; about {seconds_left:.0f} s left for the other folds" if seconds_left else ""
    if not fold.metrics:
        return f"fold {fold.number} of {count} has no model: no trial is complete, or its refits diverged{left}"
    relative = [metrics[RRMSE] for metrics in fold.metrics.values() if RRMSE in metrics]
    shown = f", mean relative RMSE {np.mean(relative):.4f} on its test rows" if relative else ""
    return f"fold {fold.number} of {count}: trial {fold.trial}{shown}, in {fold.seconds:.0f} s{left}"


def _result(
    experiment: Experiment, run_id: str, table: TableRecord, predicted: Sequence[PredictedFold]
) -> CrossValidationResult:
    """The nested score over the folds that are there, in order."""
    folds = [each.fold for each in predicted]
    with_model = [fold for fold in folds if fold.metrics]
    names = list(dict.fromkeys(name for fold in folds for name in fold.baselines))
    baselines = {name: [fold.baselines[name] for fold in folds if name in fold.baselines] for name in names}
    score_metrics = experiment.score_metrics
    return CrossValidationResult(
        name=experiment.name,
        run_id=run_id,
        data={"source": table.source, "digest": table.digest, "rows": table.rows, "location": table.location},
        folds=tuple(folds),
        scores=mean_over_folds([fold.metrics for fold in with_model], score_metrics),
        baselines={name: mean_over_folds(measured, score_metrics) for name, measured in baselines.items()},
        differences={name: paired_differences(folds, name, score_metrics) for name in names},
        score_metrics=score_metrics,
        seconds=sum(fold.seconds for fold in folds),
        planned=experiment.test.folds or 0,
    )


def _tables(outer: OuterContext, folds: Sequence[PredictedFold]) -> dict[str, str]:
    """The tables that are kept with the result, by file name."""
    classes, kinds = outer.dataset.classes, kinds_by_head(outer.experiment)
    columns = ["row", "fold"]
    for head, kind in kinds.items():
        labels = classes.get(head) or kind.output_names or [f"{100 * level:g} %" for level in quantile_levels(kind.name)]
        of_units = [f" {label}" for label in labels] if kind.units > 1 else [""]
        columns += [f"{head} actual", *(f"{head} predicted{label}" for label in of_units)]
    own_columns = output_columns(kinds.values())
    by_row: list[tuple[int, int, list[str]]] = []
    for by_fold in folds:
        number, predictions = by_fold.fold.number, by_fold.predictions
        for row, predicted in zip(outer.splits[number - 1].test.tolist() if predictions else [], predictions, strict=True):
            of_heads = zip(outer.dataset.y[row].tolist(), own_columns, strict=True)
            by_row.append((row, number, [_number(value) for actual, own in of_heads for value in (actual, *predicted[own])]))
    of_folds = [
        (by_fold.fold.number, name, head, metric, _number(value))
        for by_fold in folds
        for name, by_head in {outer.experiment.name: by_fold.fold.metrics, **by_fold.fold.baselines}.items()
        for head, metrics in by_head.items()
        for metric, value in metrics.items()
    ]
    return {
        FOLDS: csv_text(("fold", "model", "head", "metric", "value"), of_folds),
        PREDICTIONS: csv_text(columns, ([row + 1, number, *cells] for row, number, cells in sorted(by_row))),
    }


def _number(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
