"""The figures of a sweep's page, and what its script needs to name the trials in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.reporting.figures.trial_marks import Point, figure_points
from branchsweep.reporting.figures.trials import SweepFigure
from branchsweep.reporting.pages.html import Picture, picture
from branchsweep.reporting.pages.leaderboard import leaderboard_columns, leaderboard_row
from branchsweep.workflows.sweep_report import SweepReport

INTERACTIVE_TRIALS = 500
"""The leading trials that the page's script names and marks: those of a very large sweep would take megabytes."""


@dataclass(frozen=True, slots=True)
class DrawnFigure:
    """A figure with its text and its picture.

    Args:
        name: Name of its file, without suffix.
        title: The heading.
        caption: How to read the figure; if there is no picture, the reason.
        picture: None where there is nothing to draw, or it cannot be drawn.
        points: Where the trials are in the picture.
        has_lines: Whether the points of a trial are connected.
    """

    name: str
    title: str
    caption: str
    picture: Picture | None = None
    points: tuple[Point, ...] = ()
    has_lines: bool = False

    @classmethod
    def of(cls, figure: SweepFigure, as_file: bool) -> DrawnFigure:
        """Draw the picture of a figure, also as a file if that is wanted."""
        label = f"{figure.title}. {figure.caption}"
        if figure.figure is None:
            return cls(figure.name, figure.title, figure.caption)
        drawn = picture(figure.figure, label, as_file)  # which makes the layout final
        points = tuple(figure_points(figure.figure, figure.marks))
        return cls(figure.name, figure.title, figure.caption, drawn, points, figure.has_lines)


def interaction_data(report: SweepReport, figures: Sequence[DrawnFigure]) -> Mapping[str, Any]:
    """What the page's script needs to name trials and to mark them: the leading trials, and their points by figure."""
    leading = report.ranked[:INTERACTIVE_TRIALS]
    rows = [(result, leaderboard_row(report, result)) for result in leading]
    numbers = {result.trial.number for result in leading}
    return {
        "columns": leaderboard_columns(report),
        "trials": {
            row.number: {
                "name": f"trial {row.number}",
                "status": result.score.status.value.lower(),
                "scores": row.scores,
                "params": row.params,
                "page": row.page,
            }
            for result, row in rows
        },
        "figures": {
            figure.name: {"has_lines": figure.has_lines, "points": [point for point in figure.points if point[0] in numbers]}
            for figure in figures
            if figure.points
        },
    }
