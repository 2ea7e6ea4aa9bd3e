"""What a report of a sweep shows, as one value.

The report is made from this value alone, so it can be made again without the table and without training: see
`report_tables.recorded_report`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from branchsweep.config.experiment import Experiment
from branchsweep.data.column_summary import ColumnSummary, summarize_columns
from branchsweep.data.dataset import Dataset, Split
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.objectives import ObjectiveEvaluator, make_evaluator
from branchsweep.metrics.output_columns import of_head, output_columns
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import Result
from branchsweep.types import Floats, Positions
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.records.sweep_summary import SweepSummary, TrialSummary

Curves = Mapping[str, tuple[float, ...]]
"""The score after each epoch, by head."""

Files = Mapping[str, str | bytes]
"""Contents of text and binary files, by file name."""

DESCRIBED_TRIALS = 5
"""Trials of the search that the description of a finished sweep lists."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; see `ColumnSummary` of `data/column_summary.py`.

    Args:
        name: An input's column, or a head's name.
        role: `input` or `head`.
        unit: Empty if there is none.
        low: The smallest value.
        mean: The mean.
        high: The largest value.
        sd: The standard deviation.
        kind: `numeric`, `categorical` or `date`.
        detail: In words, what is no number.
    """

    name: str
    role: str
    unit: str
    low: float
    mean: float
    high: float
    sd: float
    kind: str = "numeric"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Facts about the table of a sweep.

    Args:
        columns: Inputs, then heads; empty if they were not recorded.
        train: Number of rows for the search, the confirmation and the refit.
        test: Number of test rows.
        warnings: Sentences on duplicate rows, leaks between the parts of the split, or synthetic data.
    """

    columns: tuple[Column, ...] = ()
    train: int = 0
    test: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HeadPredictions:
    """Predictions of one head on rows that the model was not trained on.

    Args:
        actual: `(rows,)` measured values, in the head's unit; rows without one are left out.
        predicted: `(rows,)` predicted values, in the head's unit; `(units, rows)` of a head of several units.
    """

    actual: Floats = field(repr=False)
    predicted: Floats = field(repr=False)


def predictions_by_head(
    experiment: Experiment, dataset: Dataset, rows: Positions, predicted: Floats
) -> Mapping[str, HeadPredictions]:
    """Actual and predicted values of some rows by head.

    Args:
        experiment: Has the heads.
        dataset: The table.
        rows: The rows that were predicted.
        predicted: `(rows, outputs)`.
    """
    actual, columns = Actual(dataset.y[rows]), output_columns(kinds_by_head(experiment).values())
    return {head: HeadPredictions(*actual.head(h, of_head(predicted, columns[h]))) for h, head in enumerate(experiment.heads)}


@dataclass(frozen=True, slots=True)
class UnfinishedSweep:
    """How far a sweep is that has not come to its end.

    Args:
        state: `running`, `interrupted`, ….
        as_of: When the report was made.
        best: The best trial so far; None if none is complete and meets the constraints.
    """

    state: str
    as_of: datetime
    best: TrialSummary | None


@dataclass(frozen=True, slots=True, eq=False)
class SweepReport:
    """Everything that the report of a sweep shows.

    Args:
        experiment: The experiment as it was run.
        results: All trials, in order of their numbers.
        summary: The result of the sweep.
        table: Facts about its table.
        predictions: By head, predictions of the final model on the test rows; empty if there is no model.
        curves: By candidate of the confirmation, its learning curves on the folds of the confirmation.
        environment: Versions of libraries, the commit, and the device.
        links: Links to the store's pages; empty where it has none.
        finalists: By trial and head, predictions of the networks of the confirmation on their validation rows. They are drawn
            for these trials, and not recorded.
        unfinished: How far the sweep is, where it has not come to its end; None for a finished one.
        explanation: Which inputs the predictions for the test rows rest on; None where that is not known.
        is_in_mlflow: Whether commands can read the sweep's record.
    """

    experiment: Experiment
    results: Sequence[Result]
    summary: SweepSummary
    table: TableFacts = field(default_factory=TableFacts)
    predictions: Mapping[str, HeadPredictions] = field(default_factory=dict)
    curves: Mapping[str, Curves] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    links: TrackingLinks = field(default_factory=TrackingLinks)
    finalists: Mapping[int, Mapping[str, HeadPredictions]] = field(default_factory=dict)
    unfinished: UnfinishedSweep | None = None
    explanation: Explanation | None = None
    is_in_mlflow: bool = True

    @property
    def evaluator(self) -> ObjectiveEvaluator:
        """The objective, and the constraints with their bounds."""
        return make_evaluator(self.experiment.objective, self.results)

    @property
    def marked(self) -> TrialSummary | None:
        """The trial that figures and tables mark: the finalist, or before the end the best trial so far; None for none."""
        return self.unfinished.best if self.unfinished else self.summary.finalist

    @property
    def marked_name(self) -> str:
        """What that trial is called."""
        return "best trial so far" if self.unfinished else "finalist"

    @property
    def best(self) -> list[Result]:
        """The best trials of the search, the best first; as many as the description of a finished sweep lists."""
        return self.evaluator.ranking(self.results)[:DESCRIBED_TRIALS]

    @property
    def ranked(self) -> list[Result]:
        """All trials, best first: eligible ones, then those that violate a constraint, pruned ones and failed ones."""
        return ranked_results(self.experiment, self.results)


def ranked_results(experiment: Experiment, results: Sequence[Result]) -> list[Result]:
    """Trials, best first: eligible ones, then those that violate a constraint, pruned ones and failed ones."""
    evaluator = make_evaluator(experiment.objective, results)

    def order(result: Result) -> tuple[bool, bool, float]:
        complete = result.score.is_complete
        value = -evaluator.rank(result.score) if complete else result.trial.number
        return not evaluator.is_eligible(result), not complete, value

    return sorted(results, key=order)


def table_facts(experiment: Experiment, dataset: Dataset, split: Split) -> TableFacts:
    """The columns with their ranges, the sizes of the split, and the warnings about the table."""
    units = {name: head.unit for name, head in experiment.heads.items()}
    return TableFacts(
        columns=tuple(_column(column, units) for column in summarize_columns(dataset)),
        train=len(split.train),
        test=len(split.test),
        warnings=(*dataset.warnings, *split.warnings),
    )


def _column(column: ColumnSummary, units: Mapping[str, str]) -> Column:
    unit = units[column.name] if column.role == "head" else ""
    numbers = (column.low, column.mean, column.high, column.sd)
    return Column(column.name, column.role, unit, *numbers, kind=column.kind, detail=column.detail)
