"""What there is to tell of a finished sweep, as one value: made at its end, or read back from what was kept with it.

A page and its pictures are made of nothing but this value. So the page can be made again, later and elsewhere, without the
table and without training: what the record of the trials does not hold lies beside it, as tables that people can read too.

    predictions.csv       every test row: what was measured, and what the finished model says
    learning_curves.csv   R² by epoch of all that were confirmed
    data.json             the columns with their ranges, the parts of the table, what was noticed about it
    leaderboard.csv       all trials, the best first
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN, common_metric, metric_of_head
from branchsweep.data.dataset import Dataset, Split
from branchsweep.metrics.names import STANDARD_ERROR, other_metrics, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.runtime import DEVICE_TAG
from branchsweep.tracking.protocols import SweepArchive
from branchsweep.trial import HeadScore, Result
from branchsweep.types import Floats
from branchsweep.workflows.candidates import ReevaluatedTrial
from branchsweep.workflows.sweep_result import SweepResult

PREDICTIONS, CURVES, DATA = "predictions.csv", "learning_curves.csv", "data.json"
"""What is read back."""

LEADERBOARD = "leaderboard.csv"
"""What is kept for people."""

Curves = Mapping[str, tuple[float, ...]]
"""R² after each epoch, by head."""

Files = Mapping[str, str | bytes]
"""By file name, texts and pictures."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, over all its rows, in natural units.

    Args:
        name: An input's column, or a head's name.
        role: `input` or `head`.
        unit: For people; empty for none.
        low: The smallest value.
        mean: The mean.
        high: The largest value.
        sd: The standard deviation.
    """

    name: str
    role: str
    unit: str
    low: float
    mean: float
    high: float
    sd: float


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a reader should know of the table.

    Args:
        columns: Inputs, then heads; empty where nobody wrote that down.
        train: Rows that the search and the refit may see.
        test: Rows that only a finished model meets.
        warnings: What was noticed about the rows and the split, as sentences: duplicates, leaks, a stand-in.
    """

    columns: tuple[Column, ...] = ()
    train: int = 0
    test: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HeadPredictions:
    """One head on rows that a model never saw.

    Args:
        actual: `(rows,)` what was measured, in the head's unit.
        predicted: `(rows,)` what the model says.
    """

    actual: Floats = field(repr=False)
    predicted: Floats = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SweepReport:
    """Everything that a page about a sweep shows.

    Args:
        experiment: As it was run.
        results: All trials, in order of their numbers.
        summary: What came of them.
        table: Of its rows.
        predictions: By head, the finished model on the test rows; empty where there is none.
        curves: By name, the learning curves of all that were confirmed, on the folds of the confirmation.
        environment: Versions, the commit, and what it was trained on.
        finalists: By trial and head, what the networks of the confirmation said of rows that they had not learnt from. It
            becomes pictures beside these trials, and is not read back.
    """

    experiment: Experiment
    results: Sequence[Result]
    summary: SweepResult
    table: TableFacts = field(default_factory=TableFacts)
    predictions: Mapping[str, HeadPredictions] = field(default_factory=dict)
    curves: Mapping[str, Curves] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    finalists: Mapping[int, Mapping[str, HeadPredictions]] = field(default_factory=dict)

    @property
    def judged(self) -> ObjectiveEvaluator:
        """The objective, its constraints with their bounds."""
        return make_evaluator(self.experiment.objective, self.results)

    @property
    def ranked(self) -> list[Result]:
        """All trials, the best first; then those that break a constraint, pruned ones and failed ones."""
        judged = self.judged

        def place(result: Result) -> tuple[bool, bool, float]:
            complete = result.score.is_complete
            return not judged.is_eligible(result), not complete, -judged.rank(result.score) if complete else result.trial.number

        return sorted(self.results, key=place)


def make_report(
    experiment: Experiment,
    results: Sequence[Result],
    summary: SweepResult,
    dataset: Dataset,
    split: Split,
    confirmed: Sequence[ReevaluatedTrial],
    predictions: Floats | None,
    environment: Mapping[str, str],
) -> SweepReport:
    """The report of a sweep that has just come to its end.

    Args:
        experiment: As it was run.
        results: All trials.
        summary: What came of them.
        dataset: The table.
        split: Its parts.
        confirmed: Who was trained again: the best trials, the champion, the networks that they are compared with.
        predictions: `(test rows, heads)` of the finished model; None where there is none.
        environment: Versions, the commit, and what it was trained on.
    """

    def by_head(actual: Floats, predicted: Floats) -> Mapping[str, HeadPredictions]:
        return {head: HeadPredictions(actual[:, h], predicted[:, h]) for h, head in enumerate(experiment.heads)}

    return SweepReport(
        experiment=experiment,
        results=sorted(results, key=lambda result: result.trial.number),
        summary=summary,
        table=table_facts(experiment, dataset, split),
        predictions={} if predictions is None else by_head(dataset.y[split.test], predictions),
        curves={one.contender.name: one.score.curves for one in confirmed if one.score.curves},
        environment=environment,
        finalists={
            one.contender.trial.number: by_head(dataset.y[split.train], one.predictions)
            for one in confirmed
            if one.contender.searched and one.score.is_complete
        },
    )


def recorded_report(archive: SweepArchive, experiment: Experiment, summary: SweepResult) -> SweepReport:
    """The report of a recorded sweep: equal to the one at its end. What an earlier version did not keep is left out.

    Args:
        archive: The sweep.
        experiment: As it was recorded.
        summary: Likewise.
    """
    kept = {name: (archive.artifact(name) or b"").decode() for name in (PREDICTIONS, CURVES, DATA)}
    versions = {
        name: value for name, value in archive.sweep.tags.items() if name.startswith(("version", "git_commit", DEVICE_TAG))
    }
    return SweepReport(
        experiment=experiment,
        results=archive.recorded_results(),
        summary=summary,
        table=_facts_in(kept[DATA]),
        predictions=_predictions_in(kept[PREDICTIONS]),
        curves=_curves_in(kept[CURVES]),
        environment=versions,
    )


def table_facts(experiment: Experiment, dataset: Dataset, split: Split) -> TableFacts:
    """What a reader should know of the table."""
    columns = [(name, "input", "", dataset.x[:, place]) for place, name in enumerate(dataset.inputs)]
    columns += [(name, "head", head.unit, dataset.y[:, place]) for place, (name, head) in enumerate(experiment.heads.items())]
    return TableFacts(
        columns=tuple(
            Column(name, role, unit, *(float(figure) for figure in (of.min(), of.mean(), of.max(), of.std())))
            for name, role, unit, of in columns
        ),
        train=len(split.train),
        test=len(split.test),
        warnings=(*dataset.warnings, *split.warnings),
    )


def report_tables(report: SweepReport) -> Files:
    """The files beside the trials' record: what the report is read back from, and tables for people."""
    files = {
        LEADERBOARD: leaderboard_csv(report),
        DATA: json.dumps(asdict(report.table), indent=2) + "\n",
        CURVES: _csv(
            ("contender", "head", "epoch", common_metric(report.experiment.score_metrics.values())), _curve_rows(report.curves)
        ),
    }
    return files | (
        {PREDICTIONS: _csv(("head", "actual", "predicted"), _prediction_rows(report))} if report.predictions else {}
    )


def leaderboard_csv(report: SweepReport) -> str:
    """All trials as CSV, the best first: scores, costs, and a column per dimension, empty where it was not asked."""
    heads = list(report.experiment.heads)
    dimensions = list(
        dict.fromkeys([*report.experiment.space.dimensions, *(n for r in report.results for n in r.trial.params)])
    )
    score_metrics = report.experiment.score_metrics
    names, errors, others = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR), other_metrics(score_metrics)
    metrics = [
        name for head in heads for name in (names[head], errors[head], *(metric_of_head(other, head) for other in others))
    ]
    fixed = ["place", "trial", "known", "status", names[MEAN], errors[MEAN], *metrics, "epochs", "seconds", "lanes", "reason"]

    def by_metric(measured: HeadScore) -> list[float]:
        return [measured.score, measured.score_se, *(measured.metrics.get(other, math.nan) for other in others)]

    def row(place: int, result: Result) -> list[Any]:
        score, trial = result.score, result.trial
        measured = [value for head in heads for value in by_metric(score.heads.get(head, HeadScore(math.nan, math.nan)))]
        numbers = [_cell(value) for value in (score.value, score.value_se, *measured, score.epochs, score.seconds)]
        params = [trial.params.get(name, "") for name in dimensions]
        return [place, trial.number, trial.known, score.status.value, *numbers, score.lanes, score.reason, *params]

    return _csv([*fixed, *dimensions], (row(place, result) for place, result in enumerate(report.ranked, start=1)))


def _cell(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return written.getvalue()


def _prediction_rows(report: SweepReport) -> Iterable[Sequence[Any]]:
    for head, said in report.predictions.items():
        for actual, predicted in zip(said.actual, said.predicted, strict=True):
            yield head, repr(float(actual)), repr(float(predicted))


def _curve_rows(curves: Mapping[str, Curves]) -> Iterable[Sequence[Any]]:
    for name, by_head in curves.items():
        for head, curve in by_head.items():
            for epoch, score in enumerate(curve, start=1):
                yield name, head, epoch, repr(float(score))


def _predictions_in(text: str) -> dict[str, HeadPredictions]:
    pairs: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        pairs.setdefault(row["head"], []).append((float(row["actual"]), float(row["predicted"])))
    return {head: HeadPredictions(*np.array(pair).T) for head, pair in pairs.items()}


def _curves_in(text: str) -> dict[str, Curves]:
    curves: dict[str, dict[str, tuple[float, ...]]] = {}
    for contender, head, _, score in [*csv.reader(io.StringIO(text))][1:]:
        by_head = curves.setdefault(contender, {})
        by_head[head] = (*by_head.get(head, ()), float(score))
    return dict(curves)


def _facts_in(text: str) -> TableFacts:
    if not text:
        return TableFacts()
    said = json.loads(text)
    return TableFacts(
        columns=tuple(Column(**column) for column in said["columns"]),
        train=said["train"],
        test=said["test"],
        warnings=tuple(said["warnings"]),
    )
