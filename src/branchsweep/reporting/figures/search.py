"""Figures of the search: Pareto front, optimization history, searched against confirmed scores, and pruning."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np

from branchsweep.config.metric_names import DEFAULT_OBJECTIVE
from branchsweep.metrics.objectives import ranking_value
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.axis_scales import axis_floor
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, GREY, INK, SMALL, VERMILLION, Axes
from branchsweep.reporting.figures.trials import (
    HALO,
    MANY,
    MOST_HEADS,
    WIDTH,
    PlottedTrials,
    SweepFigure,
    best_trial_number,
    draw_trials,
    legend_below,
    legend_handles,
    legend_inside,
    mark_trial,
    marked_trials,
    pruned_style,
)
from branchsweep.trial import Result
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import SweepReport


def pareto_front(report: SweepReport) -> SweepFigure:
    """The heads against each other: which trials are the best compromises."""
    name, title = "pareto_front", "The heads against each other"
    heads = list(report.experiment.heads)
    if len(heads) < 2:
        return SweepFigure(name, title, "One head has no compromise to make.")
    if not any(result.score.is_complete for result in report.results):
        return SweepFigure(name, title, "No trial trained to its end.")
    pairs = list(combinations(heads[:MOST_HEADS], 2))
    columns = min(2, len(pairs))
    figure, panels = plot_style.panels(
        WIDTH, 460 * -(-len(pairs) // columns) if columns == 1 else 420 * -(-len(pairs) // 2), len(pairs), columns
    )
    for panel, pair in zip(panels, pairs, strict=True):
        _compromises(panel, pair, report)
    caption = (
        "Up and to the right is better. The line joins the trials that no other beats in both heads at once; the star is the "
        "trial that was chosen. R² on validation rows: of trials in the search, of the diamonds they are compared with in the "
        "confirmation."
    )
    if len(heads) > MOST_HEADS:
        caption += f" The first {MOST_HEADS} heads are shown."
    return SweepFigure(name, title, caption, figure)


def _compromises(panel: Axes, pair: tuple[str, str], report: SweepReport) -> None:
    trials = PlottedTrials.of(report)
    x, y = (np.array([result.score.by_head.get(head, math.nan) for result in report.results]) for head in pair)
    compared = marked_trials(report)
    stands = trials.complete & np.isfinite(x) & np.isfinite(y)
    lows = []
    for axis, head in zip((x, y), pair, strict=True):
        others = [of[head] for of in compared.values()]
        low = min(axis_floor(axis[stands]), *(value for value in others if value > axis_floor(axis[stands]) - 0.5), math.inf)
        top = max([float(axis[stands].max()), *others])
        lows.append((low, top, 0.05 * (top - low or 0.01)))
    inside = (x >= lows[0][0]) & (y >= lows[1][0])
    for chosen, style in (
        (inside & ~trials.complete, pruned_style(len(x) > MANY)),
        (inside & trials.complete, {"color": BLUE, "linewidths": 0, "alpha": 0.7}),
    ):
        panel.scatter(x[chosen], y[chosen], s=12 if len(x) > MANY else 24, rasterized=len(x) > MANY, **style)
    front = _front_of(x[stands], y[stands])
    panel.plot(front[:, 0], front[:, 1], color=BLUE, linewidth=1.6, drawstyle="steps-post", label="best compromises")
    for place, (words, of) in enumerate(compared.items()):
        right = of[pair[0]] > (lows[0][0] + lows[0][1]) / 2
        panel.plot(
            [of[pair[0]]], [of[pair[1]]], marker="D", markersize=7, color=GREEN, markeredgecolor=plot_style.PAPER, zorder=5
        )
        panel.annotate(
            words,
            (of[pair[0]], of[pair[1]]),
            xytext=(-8 if right else 8, -14 if place % 2 else 6),
            textcoords="offset points",
            fontsize=SMALL,
            color=INK,
            ha="right" if right else "left",
            bbox=HALO,
        )
    number = best_trial_number(report)
    for result in report.results:
        if result.trial.number == number:
            of = result.score.by_head
            mark_trial(panel, of[pair[0]], of[pair[1]], f"trial {number}", ha="right")
    panel.set_xlim(lows[0][0] - lows[0][2], lows[0][1] + 1.5 * lows[0][2])
    panel.set_ylim(lows[1][0] - lows[1][2], lows[1][1] + 1.5 * lows[1][2])
    panel.set_xlabel(f"R² of {pair[0]}")
    panel.set_ylabel(f"R² of {pair[1]}")
    legend_inside(
        panel,
        legend_handles(panel, replace(trials, failed=np.zeros_like(trials.failed), complete=trials.complete | trials.failed)),
    )


def _front_of(x: Floats, y: Floats) -> Floats:
    """`(m, 2)` the points that no other beats in both, from left to right."""
    points = sorted(zip(x, y, strict=True), key=lambda point: (-point[0], -point[1]))
    front: list[tuple[float, float]] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return np.array(front[::-1], float).reshape(-1, 2)


def optimization_history(report: SweepReport) -> SweepFigure:
    """The score against the trial's number, and against the seconds spent."""
    name, title = "course", "The course of the search"
    trials = PlottedTrials.of(report)
    if not len(trials.numbers):
        return SweepFigure(name, title, "There are no trials.")
    low = axis_floor(trials.value)
    seconds = np.cumsum([result.score.seconds for result in report.results])
    figure, panels = plot_style.panels(WIDTH, 380, 2, 2, share_y=True)
    figure_name = _value_label(report)
    for panel, x, words in zip(
        panels, (trials.numbers, seconds), ("trial", "seconds of training, all trials so far together"), strict=True
    ):
        draw_trials(panel, x, trials.value, trials, low)
        _best_so_far(panel, x, trials)
        panel.set_xlabel(words)
        for place, (other, of) in enumerate(marked_trials(report).items()):
            value = ranking_value(report.experiment.objective, of)
            if value >= low:
                panel.axhline(value, color=GREEN, linewidth=1.2, linestyle=((0, (5, 3)), (0, (1, 2)))[place % 2], label=other)
    panels[0].set_ylabel(figure_name)
    top = float(np.nanmax(trials.value)) if np.isfinite(trials.value).any() else 1.0
    panels[0].set_ylim(low - 0.06 * (top - low or 1), top + 0.08 * (top - low or 1))
    is_below = bool(((trials.value < low) & ~trials.failed).any())
    legend_below(figure, legend_handles(panels[0], trials, is_below=is_below))
    search = report.experiment.search
    asked_by = (
        search.driver if report.experiment.algorithm == search.driver else f"{search.driver} ({report.experiment.algorithm})"
    )
    caption = (
        f"Every dot is a trial, asked by {asked_by}: in the order of asking (left), and by the time that they took (right). "
        "The line is the best so far. One that has long been flat says that more trials would hardly help."
    )
    return SweepFigure(name, title, caption, figure)


def _best_so_far(panel: Axes, x: Floats, trials: PlottedTrials) -> None:
    values = np.where(trials.complete & np.isfinite(trials.value), trials.value, -math.inf)
    best = np.maximum.accumulate(values)
    there = np.isfinite(best)
    if there.any():
        rises = np.flatnonzero(there & (best > np.concatenate([[-math.inf], best[:-1]])))
        xs, ys = [*x[rises], x[-1]], [*best[rises], best[-1]]
        panel.plot(xs, ys, color=VERMILLION, linewidth=2, drawstyle="steps-post", zorder=5, label="best so far")


def _value_label(report: SweepReport) -> str:
    rule = report.experiment.objective.ranking_metric
    heads = list(report.experiment.heads)
    if len(heads) == 1:
        return f"R² of {heads[0]} (validation)"
    return "mean R² of the heads (validation)" if rule == DEFAULT_OBJECTIVE else f"{rule} (validation)"


def searched_against_confirmed(report: SweepReport) -> SweepFigure:
    """How much of the search's score the best trials kept when they were trained again."""
    name, title = "optimism_gap", "How much of the score was luck"
    confirmed = [one for one in report.summary.confirmed if math.isfinite(one.scores.get("mean", math.nan))]
    if not confirmed:
        return SweepFigure(name, title, "No trial was confirmed.")
    heads = list(report.experiment.heads)
    columns = heads if len(heads) == 1 else [*heads, "mean"]
    beside = min(3, len(columns))
    rows = -(-len(columns) // beside)
    figure, panels = plot_style.panels(WIDTH, (110 + 34 * len(confirmed)) * rows, len(columns), beside)
    places = np.arange(len(confirmed))[::-1]
    best = best_trial_number(report)
    for panel, column in zip(panels, columns, strict=True):
        for place, one in zip(places, confirmed, strict=True):
            before, after, error = one.searched[column], one.scores[column], one.scores_se.get(column, math.nan)
            colour = VERMILLION if one.trial == best else BLUE
            panel.plot([before, after], [place, place], color=colour, alpha=0.5, linewidth=2, zorder=2)
            panel.plot([before], [place], "o", markersize=8, color=colour, markerfacecolor=plot_style.PAPER, zorder=3)
            panel.errorbar(
                [after], [place], xerr=[0 if math.isnan(error) else error], fmt="o", markersize=7, color=colour, zorder=4
            )
        panel.set_yticks(places, [f"trial {one.trial}" for one in confirmed])
        panel.set_ylim(-0.6, len(confirmed) - 0.4)
        panel.set_xlabel("R²")
        panel.margins(x=0.12)
        panel.locator_params(axis="x", nbins=4)
        panel.grid(visible=False, axis="y")
        plot_style.title(panel, "mean of the heads" if column == "mean" else column)
    hollow = panels[0].plot([], [], "o", color=INK, markerfacecolor=plot_style.PAPER, label="in the search")[0]
    full = panels[0].plot([], [], "o", color=INK, label="trained again, ± standard error")[0]
    legend_below(figure, [hollow, full])
    caption = (
        "The best of many trials looks better than it is. So the leading ones were trained again, from fresh starts on freshly "
        "cut rows: what a score lost on the way from the hollow dot to the full one was luck. The finalist, in orange, was "
        "chosen by the full dots."
    )
    return SweepFigure(name, title, caption, figure)


def pruning(report: SweepReport) -> SweepFigure:
    """Who went on at each rung."""
    name, title = "pruning", "Who was allowed to train on"
    rungs = sorted({epoch for result in report.results for epoch in result.score.rungs})
    if not rungs:
        return SweepFigure(name, title, "No trial was stopped early: all trained to their end.")
    heads, objective = list(report.experiment.heads), report.experiment.objective
    stations = [*rungs, report.experiment.fit.epochs]

    def path(result: Result) -> list[float]:
        at = [
            ranking_value(objective, dict(zip(heads, result.score.rungs[epoch], strict=True)))
            if epoch in result.score.rungs
            else math.nan
            for epoch in rungs
        ]
        return [*at, report.judged.rank(result.score) if result.score.is_complete else math.nan]

    paths = [(result, path(result)) for result in report.results if result.score.rungs]
    everything = np.array([at for _, at in paths])
    low = axis_floor(everything[np.isfinite(everything)])
    top = float(np.nanmax(everything))
    figure, panel = plot_style.axes(WIDTH, 380)
    many, thin = len(paths) > MANY, max(0.12, min(0.7, 100 / len(paths)))
    for is_complete, colour in ((False, GREY), (True, BLUE)):
        members = [at for result, at in paths if result.score.is_complete == is_complete]
        if members:
            ys = np.array([[*at, math.nan] for at in members]).ravel()
            xs = np.tile([*range(len(stations)), math.nan], len(members))
            words = "trained to its end" if is_complete else "stopped at its last dot"
            small = 2.5 if many else 4.0
            panel.plot(
                xs, ys, color=colour, alpha=thin, linewidth=1, marker="o", markersize=small, rasterized=many, label=words
            )
    for result, at in paths:
        if result.trial.number == best_trial_number(report):
            panel.plot(
                range(len(stations)), at, color=VERMILLION, linewidth=2.4, marker="o", markersize=5, zorder=5, label="the best"
            )
    reached = np.isfinite(everything).sum(axis=0)
    labels = [f"epoch {epoch}\n{count} trials" for epoch, count in zip(stations, reached, strict=True)]
    panel.set_xticks(range(len(stations)), labels)
    panel.set_ylim(low - 0.05 * (top - low or 1), top + 0.05 * (top - low or 1))
    panel.set_ylabel(_value_label(report))
    legend_inside(panel, panel.get_legend_handles_labels()[0])
    caption = (
        f"After a few epochs the worse part of each round stops, and time goes to the others: of {reached[0]:,} trials "
        f"{reached[-1]:,} trained to their end. Grey lines that end high up may have been stopped too soon."
    )
    return SweepFigure(name, title, caption, figure)
