"""The pictures of a sweep: each a figure, and the sentence that says in plain words what is to be seen in it.

Colours mean the same everywhere: blue is a trial that trained to its end, grey one that did not, orange the best, green what it
is compared with. Where there may be thousands of points they are painted as one image inside the picture, so that it stays
small; words, axes and what matters remain lines.
"""

from __future__ import annotations

from branchsweep.reporting.figures.hyperparameters import importance, parallel_coordinates, slices
from branchsweep.reporting.figures.learning_curves import learning_curves
from branchsweep.reporting.figures.predictions import predicted_against_actual
from branchsweep.reporting.figures.search import optimization_history, pareto_front, pruning, searched_against_confirmed
from branchsweep.reporting.figures.trials import DOTS, SweepFigure
from branchsweep.workflows.sweep_report import SweepReport


def sweep_figures(report: SweepReport) -> list[SweepFigure]:
    """All pictures of a sweep, in the order of a page. Those that cannot be drawn say why."""
    makers = (
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
    made = [maker(report) for maker in makers]
    for picture in made:
        if picture.figure is not None:
            picture.figure.set_dpi(DOTS)
    return made
