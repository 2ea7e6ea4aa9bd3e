"""The page with interactive figures: it holds Plotly's script (4.8 MB), which the report itself does without."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from plotly import io, offline

from branchsweep.reporting.figures.interactive import interactive_figures
from branchsweep.reporting.pages.html import render_template, trusted_markup
from branchsweep.workflows.sweep_report import SweepReport


def render_interactive_page(report: SweepReport) -> str:
    """The interactive figures of a sweep as one HTML file that loads nothing."""
    interactive = interactive_figures(report)
    figures = [(figure.title, figure.caption, _element(index, figure.figure)) for index, figure in enumerate(interactive)]
    library = trusted_markup(offline.get_plotlyjs())  # Plotly's own script
    return render_template("interactive.html", name=report.experiment.name, library=library, figures=figures)


def _element(index: int, figure: Any) -> Markup:
    """A figure of Plotly as a `div` with its script."""
    element = io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"figure-{index}",
        config={"displaylogo": False, "responsive": True},
    )
    return trusted_markup(element)  # Plotly escapes all text in it
