"""The protocol of a sweep's reporter, which renders files and descriptions for users from values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.models.exported_model import ModelMember
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.tracking.registry_protocols import PromotionDecision
from branchsweep.trial import HeadScore
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.records.ensemble_summary import EnsembleMember
from branchsweep.workflows.records.report_tables import report_tables
from branchsweep.workflows.sweep_report import Files, HeadPredictions, SweepReport


@dataclass(frozen=True, slots=True, eq=False)
class DescribedModel:
    """What a model card describes.

    Args:
        experiment: The experiment of the sweep.
        finalist: The trial that was refitted, with its confirmed scores, or those of the ensemble that it stands for.
        members: The networks of the model.
        test: The metrics on the test rows, by head.
        decision: The decision about its promotion.
        ranges: The lowest and the highest value of each input in the training rows.
        dataset: The table.
        split: Its split.
        baselines: What the finalist was compared with.
        described: The recipes and estimators that the model consists of, with their weights.
        intervals: Its prediction intervals, as the test rows have checked them; None where there are none.
        explanation: Which inputs its predictions for the test rows rest on; None where that is not known.
        predictions: Actual and predicted values of the test rows, by head.
    """

    experiment: Experiment
    finalist: ReevaluatedTrial
    members: Sequence[ModelMember]
    test: Mapping[str, HeadScore]
    decision: PromotionDecision
    ranges: Sequence[tuple[float, float]]
    dataset: Dataset
    split: Split
    baselines: Sequence[BaselineResult] = ()
    described: Sequence[EnsembleMember] = ()
    intervals: CheckedIntervals | None = None
    explanation: Explanation | None = None
    predictions: Mapping[str, HeadPredictions] = field(default_factory=dict)


class SweepReporter(Protocol):
    """Makes what people read about a sweep."""

    def running_description(self, experiment: Experiment) -> str:
        """Markdown for the tracker's page of a sweep that runs."""
        ...

    def finished_description(self, report: SweepReport, links: TrackingLinks, files: Sequence[str]) -> str:
        """Markdown for the tracker's page of a finished sweep.

        Args:
            report: The sweep, whose best trials are listed.
            links: The tracker's pages, also of the trials in `report.best`.
            files: Names of the files that are kept with the sweep.
        """
        ...

    def nested_description(self, result: CrossValidationResult) -> str:
        """Markdown for the tracker's page of a finished outer cross-validation."""
        ...

    def model_card(self, model: DescribedModel) -> str:
        """Markdown that describes a model to its users; empty for none."""
        ...

    def prepare(self) -> None:
        """Import what draws, which takes a second; called by another thread while networks train."""
        ...

    def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:
        """Draw the figures of a finished sweep's report, which takes seconds.

        Returns:
            What makes the files that are kept with the sweep, from the report with its final times.
        """
        ...

    def drawing_trials(self, report: SweepReport) -> AbstractContextManager[Callable[[], Mapping[int, Files]]]:
        """Begin to draw the files that are kept with single trials; what waits for them, by the trials' numbers."""
        ...


class TableReporter:
    """A `SweepReporter` that writes the tables of a sweep, and neither descriptions nor figures."""

    def running_description(self, experiment: Experiment) -> str:  # noqa: ARG002  # describes nothing
        """Nothing."""
        return ""

    def finished_description(
        self,
        report: SweepReport,  # noqa: ARG002  # describes nothing
        links: TrackingLinks,  # noqa: ARG002
        files: Sequence[str],  # noqa: ARG002
    ) -> str:
        """Nothing."""
        return ""

    def nested_description(self, result: CrossValidationResult) -> str:  # noqa: ARG002  # describes nothing
        """Nothing."""
        return ""

    def model_card(self, model: DescribedModel) -> str:  # noqa: ARG002  # describes nothing
        """Nothing."""
        return ""

    def prepare(self) -> None:
        """Nothing."""

    def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:  # noqa: ARG002  # draws nothing
        """The tables of the report as CSV and JSON."""
        return report_tables

    def drawing_trials(
        self,
        report: SweepReport,  # noqa: ARG002  # draws nothing
    ) -> AbstractContextManager[Callable[[], Mapping[int, Files]]]:
        """Nothing."""
        return nullcontext(dict)


TABLES_ONLY = TableReporter()
"""The reporter that writes tables only: no pages, no figures."""
