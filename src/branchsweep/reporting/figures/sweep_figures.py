"""All figures of a sweep, in the order of the report.

Colours mean the same in all of them: blue is a complete trial, grey a pruned one, orange the finalist (before the end
the best trial so far), green a baseline.

Where there may be thousands of points, they are rasterized to one image inside the SVG, so that it stays small; text, axes and
highlighted trials remain vectors.
"""

from __future__ import annotations

from collections.abc import Callable

from branchsweep.reporting.figures.explanation import partial_dependence, permutation_importance
from branchsweep.reporting.figures.hyperparameters import importance, parallel_coordinates, slices
from branchsweep.reporting.figures.learning_curves import learning_curves
from branchsweep.reporting.figures.predictions import predicted_against_actual
from branchsweep.reporting.figures.search import optimization_history, pareto_front, pruning, searched_against_confirmed
from branchsweep.reporting.figures.trials import RASTER_DPI, SweepFigure
from branchsweep.workflows.sweep_report import SweepReport

DRAW_FUNCTIONS: tuple[Callable[[SweepReport], SweepFigure], ...] = (
    predicted_against_actual,
    permutation_importance,
    partial_dependence,
    pareto_front,
    optimization_history,
    searched_against_confirmed,
    learning_curves,
    importance,
    slices,
    parallel_coordinates,
    pruning,
)
"""What draws the figures, in the order of the report; the names are those of the figures."""


def sweep_figures(report: SweepReport) -> list[SweepFigure]:
    """Draw all figures of a sweep, in the order of the report."""
    return [draw_figure(draw, report) for draw in DRAW_FUNCTIONS]


def draw_figure(draw: Callable[[SweepReport], SweepFigure], report: SweepReport) -> SweepFigure:
    """Draw one figure. Where there is nothing to draw, its caption says why."""
    drawn = draw(report)
    if drawn.figure is not None:
        drawn.figure.set_dpi(RASTER_DPI)
    return drawn
