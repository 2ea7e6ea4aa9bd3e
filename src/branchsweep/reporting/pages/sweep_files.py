"""The files that are kept with a finished sweep: the report, its figures as PNG, the interactive page, the tables."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.predictions import prediction_figure
from branchsweep.reporting.figures.sweep_figures import sweep_figures
from branchsweep.reporting.pages.sweep_page import render_sweep_page
from branchsweep.workflows.records.report_tables import report_tables
from branchsweep.workflows.sweep_report import Files, SweepReport

PAGE, INTERACTIVE, PLOTS = "report.html", "interactive.html", "plots"
"""Names of the pages, and of the folder of the figures."""

VALIDATION_ROWS = "validation rows"
"""Rows that finalists are drawn on: their networks were not trained on them."""


def report_files(report: SweepReport) -> Files:
    """All files of a report by name; the interactive page is among them if Plotly is installed."""
    figures = sweep_figures(report)
    files: dict[str, str | bytes] = {PAGE: render_sweep_page(report, figures, has_plotly()), **report_tables(report)}
    if has_plotly():
        from branchsweep.reporting.pages.interactive_page import render_interactive_page  # noqa: PLC0415  # optional

        files[INTERACTIVE] = render_interactive_page(report)
    return files | {
        f"{PLOTS}/{figure.name}.png": plot_style.png(figure.figure) for figure in figures if figure.figure is not None
    }


def report_page(report: SweepReport) -> str:
    """The report alone: one HTML file that loads nothing."""
    return render_sweep_page(report, sweep_figures(report), has_plotly())


def trial_figures(report: SweepReport) -> Mapping[int, Files]:
    """By trial, predicted against actual values of each finalist as PNG, on rows of the confirmation's validation folds."""
    units = {name: head.unit for name, head in report.experiment.heads.items()}
    return {
        trial: {f"{PLOTS}/predicted_against_actual.png": plot_style.png(prediction_figure(predictions, units, VALIDATION_ROWS))}
        for trial, predictions in report.finalists.items()
    }


def has_plotly() -> bool:
    """Whether the interactive page can be made; Plotly comes with `pip install branchsweep[interactive]`."""
    return find_spec("plotly") is not None
