"""Writes and reads the CSV and JSON tables that are recorded with a sweep, for users and for rendering its report again.

predictions.csv       the test rows: actual values, and those that the final model predicts
learning_curves.csv   the score by epoch of all candidates of the confirmation
data.json             the columns with their ranges, the split, and warnings about the table
explanation.json      which inputs the predictions for the test rows rest on; of an earlier version there is none
leaderboard.csv       all trials, best first; not read back
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from branchsweep.config.codec import from_json, to_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN, MEASURED_NETWORK_METRICS, common_metric, metric_of_head
from branchsweep.data.spreadsheets import csv_text, plain_text
from branchsweep.errors import reading_record
from branchsweep.metrics.names import STANDARD_ERROR, other_metrics, score_names
from branchsweep.tracking.protocols import SweepArchive, sweep_label
from branchsweep.trial import HeadScore, Result
from branchsweep.types import Floats
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep_report import Curves, Files, HeadPredictions, SweepReport, TableFacts, ranked_results

Content = TypeVar("Content")

PREDICTIONS, CURVES, DATA, LEADERBOARD = "predictions.csv", "learning_curves.csv", "data.json", "leaderboard.csv"
EXPLANATION = "explanation.json"
"""Names of the files."""


def report_tables(report: SweepReport) -> Files:
    """All tables of a report, by file name; without predictions if there is no final model."""
    metric = common_metric(report.experiment.score_metrics.values())
    files = {
        LEADERBOARD: leaderboard_csv(report),
        DATA: to_json(report.table, indent=2) + "\n",
        CURVES: csv_text(("candidate", "head", "epoch", metric), _curve_rows(report.curves)),
    }
    if report.predictions:
        several = any(of_head.predicted.ndim > 1 for of_head in report.predictions.values())
        header = ("head", "actual", "predicted", *(["unit"] if several else []))
        files[PREDICTIONS] = csv_text(header, _prediction_rows(report.predictions, several))
    if report.explanation:
        files[EXPLANATION] = to_json(report.explanation, indent=2) + "\n"
    return files


def leaderboard_csv(report: SweepReport) -> str:
    """All trials as CSV, best first; empty where a number is missing or a hyperparameter was not active."""
    header, rows = leaderboard_table(report.experiment, report.results)
    return csv_text(header, ([_cell(value) if isinstance(value, float) else value for value in row] for row in rows))


def leaderboard_table(experiment: Experiment, results: Sequence[Result]) -> tuple[list[str], list[list[Any]]]:
    """All trials as a table, best first: metrics, costs, and a column per hyperparameter.

    Returns:
        The names of the columns, and the rows. A missing number is NaN, a hyperparameter that was not active is "".
    """
    heads, score_metrics = list(experiment.heads), experiment.score_metrics
    sampled = [name for result in results for name in result.trial.params]
    dimensions = list(dict.fromkeys([*experiment.space.dimensions, *sampled]))
    names, errors, others = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR), other_metrics(score_metrics)
    metrics = [
        name for head in heads for name in (names[head], errors[head], *(metric_of_head(other, head) for other in others))
    ]
    recorded = {name for result in results for name in result.score.network} - set(dimensions)
    network = [name for name in MEASURED_NETWORK_METRICS if name in recorded]
    fixed = [
        "place",
        "trial",
        "known",
        "status",
        names[MEAN],
        errors[MEAN],
        *metrics,
        *network,
        "epochs",
        "seconds",
        "lanes",
        "reason",
    ]
    missing = HeadScore(math.nan, math.nan)

    def values(measured: HeadScore) -> list[float]:
        return [measured.score, measured.score_se, *(measured.metrics.get(other, math.nan) for other in others)]

    def row(rank: int, result: Result) -> list[Any]:
        score, trial = result.score, result.trial
        by_head = [value for head in heads for value in values(score.heads.get(head, missing))]
        of_network = [score.network.get(name, math.nan) for name in network]
        numbers = [score.value, score.value_se, *by_head, *of_network, score.epochs, score.seconds]
        params = [trial.params.get(name, "") for name in dimensions]
        return [rank, trial.number, trial.known, score.status.value, *numbers, score.lanes, score.reason, *params]

    rows = [row(rank, result) for rank, result in enumerate(ranked_results(experiment, results), start=1)]
    return [*fixed, *dimensions], rows


def recorded_report(archive: SweepArchive, experiment: Experiment, summary: SweepSummary) -> SweepReport:
    """The report of a recorded sweep, equal to the one at its end. What an earlier version did not record is left out.

    Args:
        archive: The record.
        experiment: The recorded experiment.
        summary: The recorded result.
    """
    results = archive.recorded_results()
    return SweepReport(
        experiment=experiment,
        results=results,
        summary=summary,
        table=_read_file(archive, DATA, read_table_facts),
        predictions=_read_file(archive, PREDICTIONS, read_predictions),
        curves=_read_file(archive, CURVES, read_curves),
        environment=archive.sweep.environment,
        links=archive.links([result.trial.number for result in results]),
        explanation=_read_file(archive, EXPLANATION, lambda text: from_json(Explanation, text) if text else None),
    )


def _read_file(archive: SweepArchive, name: str, read: Callable[[str], Content]) -> Content:
    """What is read from a file that is kept with a sweep."""
    label = sweep_label(archive.sweep.name, archive.run_id)
    with reading_record(f"{name} of {label}", "Restore it, or delete it: then it is left out of the report"):
        return read((archive.artifact(name) or b"").decode())


def _cell(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _prediction_rows(predictions: Mapping[str, HeadPredictions], with_units: bool) -> Iterable[Sequence[Any]]:
    """A row for each prediction; with the number of the output unit where some head has several, unit after unit."""
    for head, of_head in predictions.items():
        for unit, values in enumerate(np.atleast_2d(of_head.predicted)):
            for actual, predicted in zip(of_head.actual, values, strict=True):
                yield head, repr(float(actual)), repr(float(predicted)), *([unit] if with_units else [])


def _curve_rows(curves: Mapping[str, Curves]) -> Iterable[Sequence[Any]]:
    for name, by_head in curves.items():
        for head, curve in by_head.items():
            for epoch, score in enumerate(curve, start=1):
                yield name, head, epoch, repr(float(score))


def read_predictions(text: str) -> dict[str, HeadPredictions]:
    """The predictions by head, as in `predictions.csv`; none for an empty text."""
    pairs: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        of_unit = pairs.setdefault(plain_text(row["head"]), {}).setdefault(row.get("unit", ""), [])
        of_unit.append((float(row["actual"]), float(row["predicted"])))
    return {head: _head_predictions([np.array(own).T for own in units.values()]) for head, units in pairs.items()}


def _head_predictions(units: Sequence[Floats]) -> HeadPredictions:
    """The predictions of a head from `(2, rows)` actual and predicted values of each unit."""
    actual, predicted = units[0]
    return HeadPredictions(actual, predicted if len(units) == 1 else np.stack([values for _, values in units]))


def read_curves(text: str) -> dict[str, Curves]:
    """The learning curves by candidate and head, as in `learning_curves.csv`; none for an empty text."""
    curves: dict[str, dict[str, tuple[float, ...]]] = {}
    for name, head, _, score in [*csv.reader(io.StringIO(text))][1:]:
        by_head = curves.setdefault(plain_text(name), {})
        by_head[head] = (*by_head.get(head, ()), float(score))
    return dict(curves)


def read_table_facts(text: str) -> TableFacts:
    """What `data.json` holds; an empty value for an empty text."""
    return from_json(TableFacts, text) if text else TableFacts()
