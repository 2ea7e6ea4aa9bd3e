"""The Pareto front of objectives that are not all scores, such as the score and the parameters of the network."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from branchsweep.config.metric_names import LATENCY, NETWORK_METRICS
from branchsweep.metrics.names import higher_is_better
from branchsweep.metrics.objectives import measured_value
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, Axes
from branchsweep.reporting.figures.trial_marks import TrialMarks
from branchsweep.reporting.figures.trials import (
    MANY,
    WIDTH,
    PlottedTrials,
    SweepFigure,
    mark_trial,
    marked_number,
    pruned_style,
)
from branchsweep.trial import Result
from branchsweep.workflows.sweep_report import SweepReport

MOST_OBJECTIVES = 4
"""Objectives that are drawn against each other."""


def drawn_objectives(report: SweepReport) -> list[str]:
    """The objectives that are drawn against each other; none where all are scores, which the heads' own figure shows."""
    objective = report.experiment.objective
    if not objective.is_multi_objective or not objective.others(report.experiment.score_metrics):
        return []
    return objective.maximize[:MOST_OBJECTIVES]


def objectives_against_each_other(report: SweepReport, names: list[str]) -> SweepFigure:
    """Trials by two objectives each, with the Pareto front.

    Args:
        report: The sweep.
        names: The objectives, two at least.
    """
    figure_name, title = "pareto_front", "Pareto front: the objectives against each other"
    if not any(result.score.is_complete for result in report.results):
        return SweepFigure(figure_name, title, "No trial is complete.")
    pairs = [(second, first) for first, second in combinations(names, 2)]
    columns = min(2, len(pairs))
    figure, panels = plot_style.panels(WIDTH, 460 if columns == 1 else 420 * -(-len(pairs) // 2), len(pairs), columns)
    marks = [_draw_pair(panel, pair, report) for panel, pair in zip(panels, pairs, strict=True)]
    caption = (
        "Blue trials are complete, hollow ones pruned. Dark points are the Pareto front: the trials that no other one "
        f"beats in all objectives. Of {_directions(names)}. The star is the {report.marked_name}."
    )
    return SweepFigure(figure_name, title, caption, figure, marks)


def _log_ticks(values: list[float]) -> list[float]:
    """The numbers 1, 2 and 5 times a power of ten from just below the lowest to just above the highest value."""
    decades = range(math.floor(math.log10(min(values, default=1))), math.ceil(math.log10(max(values, default=1))) + 1)
    marks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    return [mark for mark in marks if 0.9 * min(values, default=1) <= mark <= 1.1 * max(values, default=1)]


def _directions(names: list[str]) -> str:
    less = [name for name in names if not _more_is_better(name)]
    more = [name for name in names if name not in less]
    return "; of ".join(f"{', '.join(own)} {word} is better" for own, word in ((more, "more"), (less, "less")) if own)


def _more_is_better(name: str) -> bool:
    return higher_is_better(name.partition("/")[0])


def _draw_pair(panel: Axes, pair: tuple[str, str], report: SweepReport) -> TrialMarks:
    """Draw trials by two objectives: the first to the right, the second upwards."""
    weights, trials = report.experiment.objective.weights, PlottedTrials.of(report)

    def point(result: Result) -> tuple[float, float]:
        score = result.score
        x, y = (measured_value(name, score, weights) if score.heads else math.nan for name in pair)
        return x, y

    points = np.array([point(result) for result in report.results]).reshape(-1, 2)
    complete = trials.complete & np.isfinite(points).all(axis=1)
    front = np.array(sorted(point(result) for result in report.evaluator.front(report.results))).reshape(-1, 2)
    for shown, style in (
        (~complete, pruned_style(len(points) > MANY)),
        (complete, {"color": BLUE, "linewidths": 0, "alpha": 0.7}),
    ):
        panel.scatter(points[shown, 0], points[shown, 1], s=12 if len(points) > MANY else 40, **style)
    steps = "steps-post" if _more_is_better(pair[1]) != _more_is_better(pair[0]) else "steps-pre"
    with_two = {"linewidth": 1.6, "drawstyle": steps} if len(report.experiment.objective.maximize) == 2 else {"linewidth": 0}
    panel.plot(front[:, 0], front[:, 1], color=BLUE, marker="o", markersize=5, **with_two)
    for result, at in zip(report.results, points.tolist(), strict=True):
        if result.trial.number == marked_number(report):
            mark_trial(panel, at[0], at[1])
    for axis, name, values in zip("xy", pair, points[complete].T, strict=True):
        getattr(panel, f"set_{axis}label")("latency (seconds for 1,000 rows)" if name == LATENCY else name)
        if name in NETWORK_METRICS:
            getattr(panel, f"set_{axis}scale")("log")
            marks = _log_ticks(values.tolist())
            getattr(panel, f"set_{axis}ticks")(marks, [f"{mark:,.0f}" for mark in marks])
            getattr(panel, f"set_{axis}ticks")([], minor=True)
        elif len(values):
            getattr(panel, f"set_{axis}lim")(*_limits(name, values.tolist()))
    return TrialMarks(panel, trials.numbers, points[:, 0], points[:, 1])


def _limits(name: str, values: list[float]) -> tuple[float, float]:
    """The ends of an axis: the complete trials, without the worst tenth of them where that is far off."""
    good = max(values) if _more_is_better(name) else min(values)
    bad = float(np.quantile(values, 0.1 if _more_is_better(name) else 0.9))
    far = bad + 0.35 * (bad - good)
    low, high = (max(min(values), far), good) if _more_is_better(name) else (good, min(max(values), far))
    margin = 0.06 * (high - low or 0.01)
    return low - margin, high + margin
