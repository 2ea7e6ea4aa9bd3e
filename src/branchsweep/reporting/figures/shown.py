"""Figures of reports for users of matplotlib: registered with pyplot, so that notebooks and `pyplot.show` show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from branchsweep.errors import UserError, did_you_mean
from branchsweep.reporting.figures.plot_style import Figure
from branchsweep.reporting.figures.sweep_figures import DRAW_FUNCTIONS, draw_figure
from branchsweep.workflows.sweep_report import SweepReport

Draw = TypeVar("Draw", bound=Callable[..., object])


def shown_figure(name: str, report: SweepReport) -> NDArray[np.object_]:
    """Draw a figure of a sweep's report.

    Returns:
        `(panels,)` its axes.

    Raises:
        UserError: There is no such figure, or nothing to draw.
    """
    drawn = draw_figure(named_figure(name, DRAW_FUNCTIONS), report)
    if drawn.figure is None:
        raise UserError(drawn.caption, name)
    return panels_in_pyplot(drawn.figure)


def named_figure(name: str, functions: Sequence[Draw]) -> Draw:
    """What draws the figure of this name, which is the function's.

    Raises:
        UserError: There is no such figure.
    """
    by_name = {function.__name__: function for function in functions}
    if name not in by_name:
        raise UserError(f"got '{name}', expected one of {', '.join(by_name)}{did_you_mean(name, by_name)}", "figure")
    return by_name[name]


def panels_in_pyplot(figure: Figure) -> NDArray[np.object_]:
    """The axes `(panels,)` of a figure that pyplot knows from here on.

    Args:
        figure: On the background of a page; it becomes white, as text is dark.
    """
    figure.set_facecolor("white")
    plt.figure(figure)
    panels = np.empty(len(figure.axes), dtype=object)
    panels[:] = figure.axes
    return panels
