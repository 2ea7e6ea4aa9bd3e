"""How trials are drawn in every figure: colours, markers and legends by status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, GREY, INK, SMALL, VERMILLION, Axes, Figure
from branchsweep.trial import Status
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import SweepReport

Flags = NDArray[np.bool_]

Style = dict[str, Any]
"""Keywords of matplotlib's."""

Line2D = Any
"""What a legend names: a line or a set of markers of matplotlib's."""

WIDTH = 880
"""Of a page's column, in pixels."""

RASTER_DPI = 1.6 * plot_style.UNITS_PER_INCH
"""Resolution of rasterized points, for screen and print."""

MANY = 300
"""Points of one kind that are still drawn one by one."""

MOST_HEADS = 4
"""Heads whose pairs are shown."""

HALO = {"boxstyle": "square,pad=0.1", "facecolor": plot_style.PAPER, "edgecolor": "none", "alpha": 0.7}
"""Behind words that stand among many lines or points."""

LEADING, FEWEST_LEADING = 0.1, 5
"""The share of the trials that parallel coordinates draw in colour, and how many at least."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepFigure:
    """A figure with its words.

    Args:
        name: Of its file, without the ending.
        title: What it is about.
        caption: What is to be seen, for who has never seen such a picture; where there is no figure, why.
        figure: None where there is nothing to draw.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlottedTrials:
    """All trials as arrays.

    Args:
        numbers: `(n,)` of the trials.
        value: `(n,)` the figure by which trials are ranked; NaN for a failed one.
        complete: `(n,)` whether it trained to its end.
        failed: `(n,)` whether it failed.
    """

    numbers: Floats
    value: Floats
    complete: Flags
    failed: Flags

    @classmethod
    def of(cls, report: SweepReport) -> PlottedTrials:
        """The trials of a report."""
        judged, scores = report.judged, [result.score for result in report.results]
        return cls(
            numbers=np.array([result.trial.number for result in report.results], float),
            value=np.array([judged.rank(score) if score.heads else math.nan for score in scores]),
            complete=np.array([score.is_complete for score in scores], bool),
            failed=np.array([score.status is Status.FAILED for score in scores], bool),
        )


def draw_trials(panel: Axes, x: Floats, y: Floats, trials: PlottedTrials, low: float, size: float = 22) -> None:
    """Pruned trials grey and hollow, complete ones blue; what lies below the scale or failed sits on its floor."""
    below = ~(y >= low)
    many = len(x) > MANY
    for chosen, style in (
        (~trials.complete & ~trials.failed & ~below, pruned_style(many)),
        (trials.complete & ~below, {"color": BLUE, "linewidths": 0, "alpha": 0.75}),
    ):
        panel.scatter(x[chosen], y[chosen], s=size / 2 if many else size, rasterized=many, zorder=3, **style)
    sunk = below & ~trials.failed & np.isfinite(x)
    panel.scatter(x[sunk], np.full(sunk.sum(), low), s=size / 1.6, marker="v", color=GREY, alpha=0.6, linewidths=0, zorder=3)
    lost = trials.failed & np.isfinite(x)
    panel.scatter(x[lost], np.full(lost.sum(), low), s=size, marker="x", color=VERMILLION, linewidths=1.2, zorder=4)


def pruned_style(many: bool) -> Style:
    """How the dot of a trial looks that was stopped early: hollow, or faint where there are many."""
    hollow = {"facecolors": "none", "edgecolors": GREY, "linewidths": 0.9}
    return {"color": GREY, "linewidths": 0, "alpha": 0.35} if many else hollow


def legend_handles(panel: Axes, trials: PlottedTrials, *, is_below: bool = False) -> list[Line2D]:
    """What the markers mean, of those that are there, and then the panel's lines that have a name."""
    hollow: Style = {} if len(trials.numbers) > MANY else {"markerfacecolor": "none"}
    entries: list[tuple[Any, str, Style]] = [
        (trials.complete.any(), "trained to its end", {"marker": "o", "color": BLUE}),
        ((~trials.complete & ~trials.failed).any(), "stopped early", {"marker": "o", "color": GREY, **hollow}),
        (is_below, "below this scale", {"marker": "v", "color": GREY}),
        (trials.failed.any(), "failed", {"marker": "x", "color": VERMILLION}),
    ]
    named = panel.get_legend_handles_labels()[0]
    made = [panel.plot([], [], linestyle="", markersize=5, label=words, **style)[0] for there, words, style in entries if there]
    return [*made, *named]


def legend_inside(panel: Axes, handles: Sequence[Line2D]) -> None:
    """A legend in a panel's lower right corner, where good trials leave room."""
    panel.legend(handles=[*handles], loc="lower right", frameon=False, fontsize=SMALL, labelcolor=INK, handletextpad=0.5)


def legend_below(figure: Figure, handles: Sequence[Line2D]) -> None:
    """A legend below all panels."""
    figure.legend(
        handles=[*handles],
        loc="outside lower left",
        ncols=-(-len(handles) // -(-len(handles) // 6)),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )


def best_trial_number(report: SweepReport) -> int | None:
    """The number of the best trial; None where there is none."""
    return report.summary.best.trial if report.summary.best else None


def mark_trial(panel: Axes, x: float, y: float, words: str = "", ha: str = "left") -> None:
    """Mark the best trial with a star."""
    panel.plot([x], [y], marker="*", markersize=15, color=VERMILLION, markeredgecolor=plot_style.PAPER, zorder=6, linestyle="")
    if words:
        dx = 8 if ha == "left" else -8
        panel.annotate(
            words,
            (x, y),
            xytext=(dx, -3),
            textcoords="offset points",
            fontsize=SMALL,
            color=INK,
            fontweight="bold",
            ha=ha,
            bbox=HALO,
        )


def marked_trials(report: SweepReport) -> dict[str, Mapping[str, float]]:
    """What trials are compared with, by name, with validation R² by head: known configurations, then baselines."""
    known = {
        result.trial.known: result.score.by_head for result in report.results if result.trial.known and result.score.is_complete
    }
    heads = list(report.experiment.heads)
    others = {
        one.name: {head: one.scores[head] for head in heads}
        for one in report.summary.references
        if one.name not in known and all(math.isfinite(one.scores.get(head, math.nan)) for head in heads)
    }
    return known | others
