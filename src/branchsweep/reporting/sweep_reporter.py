"""The reporter of a sweep: makes its descriptions in MLflow, the model card, the HTML report, and the figures of finalists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.reporting import mlflow_descriptions
from branchsweep.reporting.drawing_process import drawn_beside
from branchsweep.reporting.model_card import model_card_lines
from branchsweep.tracking.optional_outputs import OptionalOutputs, remedy
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.reporter import DescribedModel
from branchsweep.workflows.sweep_report import Files, SweepReport


def _ignore(message: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class HtmlReporter:
    """A `workflows.reporter.SweepReporter` with an HTML page and figures.

    Args:
        on_message: Called with a message before figures are drawn, which takes seconds.
    """

    on_message: Callable[[str], None] = _ignore

    def running_description(self, experiment: Experiment) -> str:
        """Markdown for MLflow's page of a sweep that runs."""
        return mlflow_descriptions.running_description(experiment)

    def finished_description(self, report: SweepReport, links: TrackingLinks, files: Sequence[str]) -> str:
        """Markdown for MLflow's page of a finished sweep."""
        return mlflow_descriptions.finished_description(report, links, files)

    def nested_description(self, result: CrossValidationResult) -> str:
        """Markdown for MLflow's page of a finished outer cross-validation."""
        return mlflow_descriptions.nested_description(result)

    def model_card(self, model: DescribedModel) -> str:
        """Markdown that describes a model to its users."""
        return "\n".join(model_card_lines(model)) + "\n"

    def prepare(self) -> None:
        """Import what draws."""
        import branchsweep.reporting.pages.sweep_files  # noqa: F401, PLC0415  # importing matplotlib takes seconds

    def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:
        """The figures; then the HTML page, the figures as PNG, and the tables."""
        from branchsweep.reporting.pages.sweep_files import draw_report  # noqa: PLC0415  # as above

        self.on_message("drawing the report")
        return draw_report(report, OptionalOutputs(self.on_message, remedy(report.summary.run_id)))

    def drawing_trials(self, report: SweepReport) -> AbstractContextManager[Callable[[], Mapping[int, Files]]]:
        """By trial, the predictions of each finalist against the actual values, as PNG: drawn by another process."""
        return drawn_beside(_trial_figures, report)


def _trial_figures(report: SweepReport) -> Mapping[int, Files]:
    from branchsweep.reporting.pages.sweep_files import trial_figures  # noqa: PLC0415  # as above

    return trial_figures(report)
