"""All figures of a sweep, in the order of the report.

Colours mean the same in all of them: blue is a complete trial, grey a pruned one, orange the best trial, green a baseline.
Where there may be thousands of points, they are rasterized to one image inside the SVG, so that it stays small; text, axes and
highlighted trials remain vectors.
"""

from __future__ import annotations

from branchsweep.reporting.figures.hyperparameters import importance, parallel_coordinates, slices
from branchsweep.reporting.figures.learning_curves import learning_curves
from branchsweep.reporting.figures.predictions import predicted_against_actual
from branchsweep.reporting.figures.search import optimization_history, pareto_front, pruning, searched_against_confirmed
from branchsweep.reporting.figures.trials import RASTER_DPI, SweepFigure
from branchsweep.workflows.sweep_report import SweepReport


def sweep_figures(report: SweepReport) -> list[SweepFigure]:
    """Draw all figures of a sweep, in the order of the report. One that cannot be drawn has a caption that says why."""
    draw_functions = (
        predicted_against_actual,
        pareto_front,
        optimization_history,
        searched_against_confirmed,
        learning_curves,
        importance,
        slices,
        parallel_coordinates,
        pruning,
    )
    figures = [draw(report) for draw in draw_functions]
    for drawn in figures:
        if drawn.figure is not None:
            drawn.figure.set_dpi(RASTER_DPI)
    return figures
