"""Figures of hyperparameters: importance, slices and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.axis_scales import axis_floor, axis_position, ticks
from branchsweep.reporting.figures.plot_style import BLUE, GREY, INK, SMALL, VERMILLION, Axes
from branchsweep.reporting.figures.search import value_label
from branchsweep.reporting.figures.trial_marks import TrialMarks
from branchsweep.reporting.figures.trials import (
    FEWEST_LEADING,
    HALO,
    LEADING,
    WIDTH,
    PlottedTrials,
    Style,
    SweepFigure,
    draw_trials,
    drawn_heads,
    drawn_heads_sentence,
    mark_trial,
    marked_number,
    score_label,
)
from branchsweep.reporting.importance_columns import importance_columns, shared_column_note
from branchsweep.trial import Result
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import SweepReport

WITHOUT_REASON = "Importance could not be estimated: fewer than 20 trials can be compared, or they score alike."
"""What is said of a sweep whose record has no importance and no reason."""

MOST_DIMENSIONS = 10
"""Dimensions whose importance is shown: those that are most important for any head."""


def importance(report: SweepReport) -> SweepFigure:
    """The importance of each hyperparameter, per head and for their mean."""
    name, title = "importance", "Hyperparameter importance"
    columns = importance_columns(report.summary.importance, drawn_heads(report))
    if not columns:
        return SweepFigure(name, title, report.summary.without_importance or WITHOUT_REASON)
    largest = {name: max(column.shares.get(name, 0.0) for column in columns) for column in columns for name in column.shares}
    shown = sorted(largest, key=lambda name: (-largest[name], name))[:MOST_DIMENSIONS]
    beside = min(3, len(columns))
    rows = -(-len(columns) // beside)
    figure, panels = plot_style.panels(WIDTH, (90 + 26 * len(shown)) * rows, len(columns), beside, share_y=True)
    rows_of_bars = np.arange(len(shown))[::-1]
    for panel, column in zip(panels, columns, strict=True):
        values = [column.shares.get(dimension, 0.0) for dimension in shown]
        panel.barh(rows_of_bars, values, height=0.62, color=GREY if column.is_mean else BLUE)
        for row, value in zip(rows_of_bars, values, strict=True):
            plot_style.note(panel, (value + 0.02 * largest[shown[0]], row), f"{value:.0%}", va="center")
        panel.set_yticks(rows_of_bars, shown)
        panel.set_xlim(0, 1.25 * max(*values, 0.01))
        panel.set_xticks([])
        panel.spines["bottom"].set_visible(False)
        panel.grid(visible=False)
        plot_style.title(panel, column.label)
    caption = (
        "How much each hyperparameter decided whether a trial was among the best (PED-ANOVA). The shares of one panel add up "
        f"to 100 % over all hyperparameters. {shared_column_note(columns)}"
    ).rstrip()
    return SweepFigure(name, title, caption + drawn_heads_sentence(report), figure)


def slices(report: SweepReport) -> SweepFigure:
    """The score against the value of each hyperparameter."""
    name, title = "slices", "Slices: the score by hyperparameter"
    dimensions = report.experiment.space.dimensions
    trials = PlottedTrials.of(report)
    if not dimensions or not len(trials.numbers):
        return SweepFigure(name, title, "No hyperparameter was varied.")
    low, columns = axis_floor(trials.value), min(4, len(dimensions))
    rows = -(-len(dimensions) // columns)
    figure, panels = plot_style.panels(WIDTH, 205 * rows + 20, len(dimensions), columns, share_y=True)
    number, marks = marked_number(report), []
    for index, (panel, (dimension_name, dimension)) in enumerate(zip(panels, dimensions.items(), strict=True)):
        x = np.array([axis_position(dimension, result.trial.params.get(dimension_name)) for result in report.results])
        is_discrete = dimension.size <= 12
        spread = 0.4 / max(dimension.size - 1, 1) if is_discrete else 0.0
        x += spread * (_jitter(trials.numbers) - 0.5)
        draw_trials(panel, x, trials, low, size=26)
        marks.append(TrialMarks(panel, trials.numbers, x, trials.drawn(low)))
        for result, position in zip(report.results, x, strict=True):
            if result.trial.number == number and math.isfinite(position):
                mark_trial(panel, position, report.evaluator.rank(result.score))
        labels = ticks(dimension, 6)
        panel.set_xticks([position for position, _ in labels], [label for _, label in labels])
        panel.set_xlim(-0.08 - spread / 2, 1.08 + spread / 2)
        plot_style.title(panel, dimension_name)
        panel.title.set_fontsize(SMALL)
        if index % columns == 0:
            panel.set_ylabel(score_label(report))
    top = float(np.nanmax(trials.value)) if np.isfinite(trials.value).any() else 1.0
    panels[0].set_ylim(low - 0.08 * (top - low or 1), top + 0.1 * (top - low or 1))
    panels[0].locator_params(axis="y", nbins=4)
    caption = (
        f"One panel per hyperparameter: {value_label(report)} of each trial against its value, on the scale that "
        "it was sampled on. Where the upper edge of the points rises, better values lie on that side. Blue: complete; grey: "
        f"pruned; star: the {report.marked_name}."
    )
    return SweepFigure(name, title, caption, figure, marks)


def _jitter(numbers: Floats) -> Floats:
    """`(n,)` evenly distributed values from 0 to 1 that depend on the trials' numbers only (golden-ratio sequence)."""
    return np.asarray((numbers * 0.6180339887498949) % 1.0)


def parallel_coordinates(report: SweepReport) -> SweepFigure:
    """Each trial as a line through the axes of all hyperparameters."""
    name, title = "parallel_coordinates", "Parallel coordinates"
    dimensions = report.experiment.space.dimensions
    ranked = [result for result in report.ranked if result.score.is_complete]
    if not dimensions or not ranked:
        return SweepFigure(name, title, "No trial is complete.")
    trials = PlottedTrials.of(report)
    low, top = axis_floor(trials.value[trials.complete]), float(np.nanmax(trials.value[trials.complete]))
    evaluator, width = report.evaluator, len(dimensions) + 1
    others = [result for result in report.results if not result.score.is_complete and result.score.heads]
    leading = min(len(ranked), max(FEWEST_LEADING, round(LEADING * len(ranked))))
    figure, panel = plot_style.axes(WIDTH, 400)

    def line(result: Result) -> list[float]:
        positions = [axis_position(dimension, result.trial.params.get(key)) for key, dimension in dimensions.items()]
        score = (evaluator.rank(result.score) - low) / (top - low or 1.0)
        shift = 0.02 * float(_jitter(np.array([result.trial.number], float))[0] - 0.5)  # separates equal values
        along = [(-0.12 if math.isnan(at) else min(max(at, -0.05), 1.05)) + shift for at in positions]
        return [*along, min(max(score, -0.05), 1.05)]

    groups: tuple[tuple[Sequence[Result], Style], ...] = (
        (others, {"color": GREY, "alpha": 0.18, "linewidth": 0.7, "rasterized": True}),
        (ranked[leading:], {"color": GREY, "alpha": 0.35, "linewidth": 0.8, "rasterized": True}),
        (ranked[1:leading][::-1], {"color": BLUE, "alpha": 0.75, "linewidth": 1.2, "rasterized": leading > 40}),
    )
    for results, style in groups:
        if results:
            ys = np.array([[*line(result), math.nan] for result in results]).ravel()
            panel.plot(np.tile([*range(width), math.nan], len(results)), ys, **style)
    best = next((result for result in report.results if result.trial.number == marked_number(report)), ranked[0])
    panel.plot(range(width), line(best), color=VERMILLION, linewidth=2.6, zorder=5)
    _draw_axes(panel, report, low, top)
    caption = (
        f"One line per trial, from its hyperparameters to its score. Blue: the best {leading:,} of {len(ranked):,} complete "
        f"trials; orange: the {report.marked_name}; grey: all others. Where blue lines run together, the best trials agree. A "
        "line below an axis: the hyperparameter was not active in that trial."
    )
    shown = [*ranked, *others]
    numbers = np.repeat([result.trial.number for result in shown], width).astype(float)
    heights = np.array([line(result) for result in shown]).ravel()
    marks = [TrialMarks(panel, numbers, np.tile(np.arange(width, dtype=float), len(shown)), heights)]
    return SweepFigure(name, title, caption, figure, marks, has_lines=True)


def _draw_axes(panel: Axes, report: SweepReport, low: float, top: float) -> None:
    dimensions = report.experiment.space.dimensions
    names = [*dimensions, "score"]
    for x, name in enumerate(names):
        panel.plot([x, x], [0, 1], color=INK, alpha=0.55, linewidth=1, zorder=4)
        labels = (
            ticks(dimensions[name], 8)
            if name in dimensions
            else [(0.0, f"{low:.3f}"), (0.5, f"{(low + top) / 2:.3f}"), (1.0, f"{top:.3f}")]
        )
        for position, label in labels:
            panel.annotate(
                label,
                (x, position),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=9.5,
                color=INK,
                va="center",
                zorder=7,
                bbox=HALO,
            )
    panel.set_xticks(
        range(len(names)), [name.replace(".", ".\n").replace("_", "_\n", 1) if len(name) > 9 else name for name in names]
    )
    panel.set_yticks([])
    panel.grid(visible=False)
    panel.spines["bottom"].set_visible(False)
    panel.set_xlim(-0.2, len(names) - 0.45)
    panel.set_ylim(-0.16, 1.08)
