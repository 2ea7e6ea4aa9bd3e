"""Points, markers and legends of trials, the same in all figures of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.metric_names import ObjectiveMetric, common_metric
from branchsweep.metrics.names import higher_is_better, label
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, GREY, INK, SMALL, VERMILLION, Axes, Figure
from branchsweep.reporting.figures.trial_marks import TrialMarks
from branchsweep.reporting.text.score_table import EXTREMES, OTHERS, heads_by_rank
from branchsweep.trial import Status
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import SweepReport

Flags = NDArray[np.bool_]

Style = dict[str, Any]
"""Keywords of a matplotlib function."""

Line2D = Any
"""A `matplotlib.lines.Line2D`."""

WIDTH = 880
"""Width of a figure: that of the page's text, in pixels."""

RASTER_DPI = 1.6 * plot_style.UNITS_PER_INCH
"""Resolution of rasterized points, for screen and print."""

MANY = 300
"""Number of points above which they are rasterized."""

MOST_HEADS = 4
"""Number of heads whose pairs are shown."""

HALO = {"boxstyle": "square,pad=0.1", "facecolor": plot_style.PAPER, "edgecolor": "none", "alpha": 0.7}
"""Background of labels among lines and points."""

LEADING, FEWEST_LEADING = 0.1, 5
"""Share of the trials that are highlighted in parallel coordinates, and their minimum number."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepFigure:
    """A figure with its text.

    Args:
        name: Name of its file, without suffix.
        title: The heading.
        caption: How to read the figure; if there is none, the reason.
        figure: None if there is nothing to draw.
        marks: Where the trials are in it.
        has_lines: Whether the points of a trial are connected.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None = None
    marks: Sequence[TrialMarks] = ()
    has_lines: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PlottedTrials:
    """All trials as arrays.

    Args:
        numbers: `(n,)` the trials' numbers.
        value: `(n,)` the value that trials are ranked by; NaN for a failed trial.
        complete: `(n,)` whether the trial is complete.
        failed: `(n,)` whether the trial failed.
    """

    numbers: Floats
    value: Floats
    complete: Flags
    failed: Flags

    @classmethod
    def of(cls, report: SweepReport) -> PlottedTrials:
        """The trials of a report."""
        evaluator, scores = report.evaluator, [result.score for result in report.results]
        return cls(
            numbers=np.array([result.trial.number for result in report.results], float),
            value=np.array([evaluator.rank(score) if score.heads else math.nan for score in scores]),
            complete=np.array([score.is_complete for score in scores], bool),
            failed=np.array([score.status is Status.FAILED for score in scores], bool),
        )

    def drawn(self, low: float) -> Floats:
        """`(n,)` where the values are drawn on an axis with this lower limit: what lies below, or failed, at the limit."""
        return np.where(self.value >= low, self.value, low)


def score_label(report: SweepReport) -> str:
    """The name of the metric that is the score, such as `R²`."""
    return label(common_metric(report.experiment.score_metrics.values()))


def ranking_name(report: SweepReport) -> str:
    """The name of the metric that trials are ranked by; negative where less of it is better, for up is better in figures."""
    rule = report.experiment.objective.ranking_metric
    return rule if higher_is_better(ObjectiveMetric.parsed(rule).metric) else f"negative {rule}"


def draw_trials(panel: Axes, x: Floats, trials: PlottedTrials, low: float, size: float = 36) -> None:
    """Draw the values of trials as points: complete ones blue, pruned ones grey and hollow.

    Args:
        panel: Where to draw.
        x: `(n,)` positions; NaN leaves a trial out.
        trials: Their values and status.
        low: The lower limit of the axis; failed trials and those below it are drawn on it.
        size: Area of a marker, in square points.
    """
    y, many = trials.value, len(x) > MANY
    below = ~(y >= low)
    for selected, style in (
        (~trials.complete & ~trials.failed & ~below, pruned_style(many)),
        (trials.complete & ~below, {"color": BLUE, "linewidths": 0, "alpha": 0.75}),
    ):
        panel.scatter(x[selected], y[selected], s=size / 2 if many else size, rasterized=many, zorder=3, **style)
    clipped = below & ~trials.failed & np.isfinite(x)
    at_low = np.full(clipped.sum(), low)
    panel.scatter(x[clipped], at_low, s=size / 1.6, marker="v", color=GREY, alpha=0.6, linewidths=0, zorder=3)
    failed = trials.failed & np.isfinite(x)
    panel.scatter(x[failed], np.full(failed.sum(), low), s=size, marker="x", color=VERMILLION, linewidths=1.2, zorder=4)


def pruned_style(many: bool) -> Style:
    """Style of the points of pruned trials: hollow, or transparent if there are many."""
    hollow = {"facecolors": "none", "edgecolors": GREY, "linewidths": 1.4}
    return {"color": GREY, "linewidths": 0, "alpha": 0.35} if many else hollow


def legend_handles(panel: Axes, trials: PlottedTrials, *, is_below: bool = False) -> list[Line2D]:
    """Legend entries of the kinds of trials that occur, and of the labelled lines of the panel."""
    hollow: Style = {} if len(trials.numbers) > MANY else {"markerfacecolor": "none"}
    entries: list[tuple[Any, str, Style]] = [
        (trials.complete.any(), "complete", {"marker": "o", "color": BLUE}),
        ((~trials.complete & ~trials.failed).any(), "pruned", {"marker": "o", "color": GREY, **hollow}),
        (is_below, "below the axis", {"marker": "v", "color": GREY}),
        (trials.failed.any(), "failed", {"marker": "x", "color": VERMILLION}),
    ]
    lines = panel.get_legend_handles_labels()[0]
    markers = [
        panel.plot([], [], linestyle="", markersize=5, label=name, **style)[0] for occurs, name, style in entries if occurs
    ]
    return [*markers, *lines]


def legend_inside(panel: Axes, handles: Sequence[Line2D]) -> None:
    """Add a legend in the lower right corner of a panel, where good trials leave space."""
    panel.legend(handles=[*handles], loc="lower right", frameon=False, fontsize=SMALL, labelcolor=INK, handletextpad=0.5)


def legend_below(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Add a legend below all panels."""
    figure.legend(
        handles=[*handles],
        loc="outside lower left",
        ncols=-(-len(handles) // -(-len(handles) // 6)),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )


def drawn_heads(report: SweepReport) -> list[str]:
    """The heads that have a panel each: all, or of many the worst and the best of the best trial."""
    ranking = report.ranked[0].score.by_head if report.results else {}
    sections = heads_by_rank(list(report.experiment.heads), ranking)
    return [head for section, heads in sections.items() if section != OTHERS for head in heads]


def drawn_heads_sentence(report: SweepReport) -> str:
    """Which heads have a panel, as the end of a caption; empty where all have one."""
    heads = report.experiment.heads
    if len(drawn_heads(report)) == len(heads):
        return ""
    return (
        f" Of {len(heads)} heads those {EXTREMES} are shown that the best trial predicts worst, and the {EXTREMES} best ones."
    )


def marked_number(report: SweepReport) -> int | None:
    """The number of the trial that is marked; None if there is none."""
    return report.marked.trial if report.marked else None


def mark_trial(panel: Axes, x: float, y: float) -> None:
    """Mark a trial with a star."""
    panel.plot([x], [y], marker="*", markersize=18, color=VERMILLION, markeredgecolor=plot_style.PAPER, zorder=6, linestyle="")


@dataclass(frozen=True, slots=True)
class PointLabel:
    """The label of a point.

    Args:
        text: The label.
        point: Position of the point.
        is_bold: Whether it stands out.
    """

    text: str
    point: tuple[float, float]
    is_bold: bool = False


LABEL_POSITIONS = ((9, 0), (-9, 0), (9, 13), (-9, 13), (9, -13), (-9, -13), (22, 30), (-22, 30), (22, -30), (-22, -30))
"""Where a label may stand beside its point, in typographic points: its beginning (right of the point) or its end (left of it),
and its middle line. The first that hides nothing is taken; from the last ones a line leads to the point."""

FAR = 20
"""Distance in typographic points above which a line leads from a label to its point."""


def draw_labels(panel: Axes, labels: Sequence[PointLabel], markers: Floats) -> None:
    """Draw labels where they hide as few markers and other labels as possible. The limits of the panel must be set.

    Args:
        panel: Where to draw.
        labels: The labels, the most important first.
        markers: `(n, 2)` positions of all markers of the panel.
    """
    scale = panel.figure.dpi / 72
    taken = panel.transData.transform(markers[np.isfinite(markers).all(axis=1)]) / scale
    frame = panel.get_window_extent()
    inside = np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]]) / scale
    for drawn in labels:
        at = panel.transData.transform(drawn.point) / scale
        size = np.array([0.62 * SMALL * len(drawn.text), 1.3 * SMALL])

        def corner(offset: tuple[int, int], at: Floats = at, size: Floats = size) -> Floats:
            """The lower left corner of a label's box."""
            left = offset[0] if offset[0] > 0 else offset[0] - size[0]
            corner_of_box: Floats = at + np.array([left, offset[1] - size[1] / 2])
            return corner_of_box

        def hidden(offset: tuple[int, int], size: Floats = size, taken: Floats = taken) -> int:
            """How many markers and labels a label hides there; it stays within the panel."""
            low = corner(offset)
            is_outside = bool((low < inside[0]).any() or (low + size > inside[1]).any())
            return int(((taken > low - 4) & (taken < low + size + 4)).all(axis=1).sum()) + len(taken) * is_outside

        offset = min(LABEL_POSITIONS, key=hidden)
        low = corner(offset)
        cells = np.linspace(low, low + size, 6)
        taken = np.concatenate([taken, np.stack([cells[:, 0], np.full(len(cells), low[1] + size[1] / 2)], axis=1)])
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4}
        panel.annotate(
            drawn.text,
            drawn.point,
            xytext=offset,
            textcoords="offset points",
            fontsize=SMALL,
            color=INK,
            fontweight="bold" if drawn.is_bold else "normal",
            ha="left" if offset[0] > 0 else "right",
            va="center",
            bbox=HALO,
            arrowprops=line if max(map(abs, offset)) > FAR else None,
            zorder=7,
        )


def marked_trials(report: SweepReport) -> dict[str, Mapping[str, float]]:
    """Scores by head of the initial trials, then of the baselines, by name; they are marked in figures for comparison."""
    initial = {
        result.trial.known: result.score.by_head for result in report.results if result.trial.known and result.score.is_complete
    }
    heads = list(report.experiment.heads)
    baselines = {
        baseline.name: {head: baseline.scores.values[head] for head in heads}
        for baseline in report.summary.baselines
        if baseline.name not in initial and all(math.isfinite(baseline.scores.values.get(head, math.nan)) for head in heads)
    }
    return initial | baselines
