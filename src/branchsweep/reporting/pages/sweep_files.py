"""The files that are kept with a finished sweep: the report, its figures as PNG, the tables; on demand the interactive page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from branchsweep.errors import UserError
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.predictions import prediction_figure
from branchsweep.reporting.figures.sweep_figures import DRAW_FUNCTIONS, draw_figure
from branchsweep.reporting.figures.trials import SweepFigure
from branchsweep.reporting.pages.drawn_figures import DrawnFigure
from branchsweep.reporting.pages.sweep_page import render_sweep_page
from branchsweep.reporting.plot_files import IN_CARD, PLOTS, PREDICTIONS
from branchsweep.runtime import is_installed
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs
from branchsweep.workflows.records.report_tables import report_tables
from branchsweep.workflows.sweep_report import Files, SweepReport

PAGE, INTERACTIVE = "report.html", "interactive.html"
"""Names of the pages, and of the folder of the figures."""

VALIDATION_ROWS = "validation rows"
"""Rows that finalists are drawn on: their networks were not trained on them."""


def report_files(report: SweepReport, optional: OptionalOutputs = SILENT) -> Files:
    """All files of a report by name; without the interactive page, which takes megabytes: see `interactive_page`.

    Args:
        report: The sweep.
        optional: Reports pictures that cannot be made, which are left out.
    """
    return draw_report(report, optional)(report)


def draw_report(report: SweepReport, optional: OptionalOutputs) -> Callable[[SweepReport], Files]:
    """Draw the figures; what makes the files of `report_files` with them, from the report with its final times."""
    figures = _drawn_figures(report, optional, as_files=True)
    pictures = {f"{PLOTS}/{figure.name}.png": figure.picture.png for figure in figures if figure.picture}
    if PREDICTIONS in pictures:
        pictures[IN_CARD] = plot_style.in_page_width(pictures[PREDICTIONS])

    def files(timed: SweepReport) -> Files:
        return {PAGE: render_sweep_page(timed, figures, has_plotly()), **report_tables(timed), **pictures}

    return files


def report_page(report: SweepReport, optional: OptionalOutputs = SILENT) -> str:
    """The report alone: one HTML file that loads nothing; see `report_files`."""
    return render_sweep_page(report, _drawn_figures(report, optional, as_files=False), has_plotly())


def interactive_page(report: SweepReport) -> str:
    """The page with Plotly's figures.

    Raises:
        UserError: Plotly is not installed.
    """
    if not has_plotly():
        raise UserError('needs Plotly: pip install "branchsweep[interactive]"', "--interactive")
    from branchsweep.reporting.pages.interactive_page import render_interactive_page  # noqa: PLC0415  # optional

    return render_interactive_page(report)


def _drawn_figures(report: SweepReport, optional: OptionalOutputs, as_files: bool) -> list[DrawnFigure]:
    """The figures of the report. One that cannot be made has no picture, and a caption that says so."""
    figures = []
    for draw in DRAW_FUNCTIONS:
        title = draw.__name__.replace("_", " ").capitalize()
        missing = DrawnFigure(draw.__name__, title, "This figure could not be drawn.")
        make = partial(_drawn, draw, report, as_files)
        figures.append(optional.make(f"the figure {draw.__name__}", make, missing))
    return figures


def _drawn(draw: Callable[[SweepReport], SweepFigure], report: SweepReport, as_file: bool) -> DrawnFigure:
    return DrawnFigure.of(draw_figure(draw, report), as_file)


def trial_figures(report: SweepReport) -> Mapping[int, Files]:
    """By trial, predicted against actual values of each finalist as PNG, on rows of the confirmation's validation folds."""
    return {
        trial: {PREDICTIONS: plot_style.png(prediction_figure(report, predictions, VALIDATION_ROWS))}
        for trial, predictions in report.finalists.items()
    }


def has_plotly() -> bool:
    """Whether the interactive page can be made; Plotly comes with `pip install branchsweep[interactive]`."""
    return is_installed("plotly")
