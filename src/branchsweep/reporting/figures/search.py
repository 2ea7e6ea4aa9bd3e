"""Figures of the search: Pareto front, optimization history, searched against confirmed scores, and pruning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from branchsweep.config.metric_names import MEAN, ObjectiveMetric
from branchsweep.metrics.names import higher_is_better
from branchsweep.metrics.objectives import ranking_label, ranking_value, to_maximize
from branchsweep.metrics.selection_bias import FORMULA, SelectionBias
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.axis_scales import axis_floor
from branchsweep.reporting.figures.objectives import drawn_objectives, objectives_against_each_other
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, GREY, INK, VERMILLION, Axes
from branchsweep.reporting.figures.trial_marks import TrialMarks
from branchsweep.reporting.figures.trials import (
    MANY,
    MOST_HEADS,
    WIDTH,
    PlottedTrials,
    PointLabel,
    Style,
    SweepFigure,
    draw_labels,
    draw_trials,
    drawn_heads,
    drawn_heads_sentence,
    legend_below,
    legend_handles,
    legend_inside,
    mark_trial,
    marked_number,
    marked_trials,
    pruned_style,
    score_label,
)
from branchsweep.reporting.formatting import format_difference
from branchsweep.trial import Result
from branchsweep.types import Floats
from branchsweep.workflows.records.sweep_summary import ConfirmedTrial
from branchsweep.workflows.sweep_report import SweepReport

LINE_STYLES = ((0, (5, 3)), (0, (1, 2)))
"""Dashes of the lines of initial trials and baselines, in turn."""


def pareto_front(report: SweepReport) -> SweepFigure:
    """Trials by the scores of two heads each, or by two objectives each where these are no scores, with the Pareto front."""
    name, title = "pareto_front", "Pareto front: the heads against each other"
    if len(names := drawn_objectives(report)) > 1:
        return objectives_against_each_other(report, names)
    heads = list(report.experiment.heads)
    if len(heads) < 2:
        return SweepFigure(name, title, "There is one head, so there is no Pareto front.")
    if not any(result.score.is_complete for result in report.results):
        return SweepFigure(name, title, "No trial is complete.")
    pairs = list(combinations(heads[:MOST_HEADS], 2))
    columns = min(2, len(pairs))
    height = 460 if columns == 1 else 420 * -(-len(pairs) // 2)
    figure, panels = plot_style.panels(WIDTH, height, len(pairs), columns)
    marks = [_draw_pair(panel, pair, report) for panel, pair in zip(panels, pairs, strict=True)]
    chosen = "" if report.unfinished else ", which was chosen by its confirmed scores"
    caption = (
        "Up and to the right is better. The line is the Pareto front: the trials that no other trial beats in both heads. The "
        f"star is the {report.marked_name}{chosen}. Validation {score_label(report)}: of trials in the "
        "search, of baselines (diamonds) in the confirmation."
    )
    if len(heads) > MOST_HEADS:
        caption += f" The first {MOST_HEADS} heads are shown."
    return SweepFigure(name, title, caption, figure, marks)


def _draw_pair(panel: Axes, pair: tuple[str, str], report: SweepReport) -> TrialMarks:
    """Draw trials and baselines by the scores of two heads; outliers lie outside of the axes."""
    trials = PlottedTrials.of(report)
    x, y = (np.array([result.score.by_head.get(head, math.nan) for result in report.results]) for head in pair)
    compared = marked_trials(report)
    shown = trials.complete & np.isfinite(x) & np.isfinite(y)
    limits = []
    for axis, head in zip((x, y), pair, strict=True):
        others = [scores[head] for scores in compared.values()]
        low = min(axis_floor(axis[shown]), *(value for value in others if value > axis_floor(axis[shown]) - 0.5), math.inf)
        top = max([float(axis[shown].max()), *others])
        limits.append((low, top, 0.05 * (top - low or 0.01)))
    (x_low, x_high, x_margin), (y_low, y_high, y_margin) = limits
    inside = (x >= x_low) & (y >= y_low)
    for selected, style in (
        (inside & ~trials.complete, pruned_style(len(x) > MANY)),
        (inside & trials.complete, {"color": BLUE, "linewidths": 0, "alpha": 0.7}),
    ):
        panel.scatter(x[selected], y[selected], s=12 if len(x) > MANY else 40, rasterized=len(x) > MANY, **style)
    front = _pareto_points(x[shown], y[shown])
    panel.plot(front[:, 0], front[:, 1], color=BLUE, linewidth=1.6, drawstyle="steps-post", label="Pareto front")
    panel.set_xlim(x_low - x_margin, x_high + 1.5 * x_margin)
    panel.set_ylim(y_low - y_margin, y_high + 1.5 * y_margin)
    labels = [PointLabel(name, (scores[pair[0]], scores[pair[1]])) for name, scores in compared.items()]
    for label in labels:
        panel.plot(*label.point, marker="D", markersize=7, color=GREEN, markeredgecolor=plot_style.PAPER, zorder=5)
    number = marked_number(report)
    for result in report.results:
        if result.trial.number == number:
            point = result.score.by_head[pair[0]], result.score.by_head[pair[1]]
            mark_trial(panel, *point)
            labels.insert(0, PointLabel(f"trial {number}", point, is_bold=True))
    drawn = np.stack([x[inside], y[inside]], axis=1)
    draw_labels(panel, labels, np.concatenate([drawn, np.array([label.point for label in labels]).reshape(-1, 2)]))
    panel.set_xlabel(f"{score_label(report)} of {pair[0]}")
    panel.set_ylabel(f"{score_label(report)} of {pair[1]}")
    without_failed = replace(trials, failed=np.zeros_like(trials.failed), complete=trials.complete | trials.failed)
    legend_inside(panel, legend_handles(panel, without_failed))
    return TrialMarks(panel, trials.numbers, x, y)


def _pareto_points(x: Floats, y: Floats) -> Floats:
    """`(m, 2)` the points that no other point beats in both coordinates, from left to right."""
    points = sorted(zip(x, y, strict=True), key=lambda point: (-point[0], -point[1]))
    front: list[tuple[float, float]] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return np.array(front[::-1], float).reshape(-1, 2)


def optimization_history(report: SweepReport) -> SweepFigure:
    """The score by the trial's number, and by the training time."""
    name, title = "optimization_history", "Optimization history"
    trials = PlottedTrials.of(report)
    if not len(trials.numbers):
        return SweepFigure(name, title, "There are no trials.")
    low = axis_floor(trials.value)
    seconds = _elapsed(report)
    figure, panels = plot_style.panels(WIDTH, 380, 2, 2, share_y=True)
    time_label = "training time" if report.unfinished else "elapsed time"
    for panel, x, axis_label in zip(
        panels, (trials.numbers, seconds), ("trial", f"{time_label} of the search in seconds"), strict=True
    ):
        draw_trials(panel, x, trials, low)
        _draw_best_so_far(panel, x, trials)
        panel.set_xlabel(axis_label)
        for index, (name_of_line, scores) in enumerate(marked_trials(report).items()):
            value, dashes = _marked_value(report, scores), LINE_STYLES[index % 2]
            if value >= low:
                panel.axhline(value, color=GREEN, linewidth=1.2, linestyle=dashes, label=name_of_line)
    panels[0].set_ylabel(value_label(report))
    top = float(np.nanmax(trials.value)) if np.isfinite(trials.value).any() else 1.0
    panels[0].set_ylim(low - 0.06 * (top - low or 1), top + 0.08 * (top - low or 1))
    is_below = bool(((trials.value < low) & ~trials.failed).any())
    legend_below(figure, legend_handles(panels[0], trials, is_below=is_below))
    search = report.experiment.search
    algorithm = report.experiment.algorithm
    share = "added up over the trials" if report.unfinished else "of which each trial has the share that its training took"
    sampler = search.driver if algorithm == search.driver else f"{search.driver} ({algorithm})"
    caption = (
        f"Each point is a trial of the driver {sampler}: by its number (left), and by the {time_label} of the search (right), "
        f"{share}. The line is the best value so far; if it has been flat for "
        "long, more trials will hardly help."
    )
    by_panel = zip(panels, (trials.numbers, seconds), strict=True)
    marks = [TrialMarks(panel, trials.numbers, x, trials.drawn(low)) for panel, x in by_panel]
    return SweepFigure(name, title, caption, figure, marks)


def _marked_value(report: SweepReport, by_head: Mapping[str, float]) -> float:
    """Where the line of an initial trial or a baseline is; NaN where it would need more than scores."""
    objective = report.experiment.objective
    needs_others = objective.ranking_metric in objective.others(report.experiment.score_metrics)
    return math.nan if needs_others else ranking_value(objective, by_head)


def _elapsed(report: SweepReport) -> Floats:
    """`(n,)` the elapsed seconds of the search at the end of each trial, shared among the trials by their training time."""
    trained = np.cumsum([result.score.seconds for result in report.results])
    elapsed = report.summary.search_seconds
    return trained * (elapsed / trained[-1]) if elapsed > 0 and trained[-1] > 0 else trained


def _draw_best_so_far(panel: Axes, x: Floats, trials: PlottedTrials) -> None:
    values = np.where(trials.complete & np.isfinite(trials.value), trials.value, -math.inf)
    best = np.maximum.accumulate(values)
    known = np.isfinite(best)
    if known.any():
        rises = np.flatnonzero(known & (best > np.concatenate([[-math.inf], best[:-1]])))
        xs, ys = [*x[rises], x[-1]], [*best[rises], best[-1]]
        panel.plot(xs, ys, color=VERMILLION, linewidth=2, drawstyle="steps-post", zorder=5, label="best so far")


def ranking_label_of(report: SweepReport) -> str:
    """The label of the metric that trials are ranked by."""
    objective, heads = report.experiment.objective, list(report.experiment.heads)
    if len(heads) == 1 and not ObjectiveMetric.parsed(objective.ranking_metric).head:
        return f"validation {score_label(report)} of {heads[0]}"
    return ranking_label(objective, report.experiment.score_metrics)


def value_label(report: SweepReport) -> str:
    """Label of the axis of the metric that trials are ranked by; negative where less is better, for up is better in figures."""
    rule = ObjectiveMetric.parsed(report.experiment.objective.ranking_metric)
    return f"{'' if higher_is_better(rule.metric) else 'negative '}{ranking_label_of(report)}"


def searched_against_confirmed(report: SweepReport) -> SweepFigure:
    """Searched against confirmed scores of the best trials, with the shift that all of them share."""
    name, title = "selection_bias", "Selection bias: searched against confirmed scores"
    confirmed = [trial for trial in report.summary.confirmed if math.isfinite(trial.scores.values.get("mean", math.nan))]
    if not confirmed:
        return SweepFigure(name, title, "No trial was confirmed.")
    heads = drawn_heads(report)
    columns = heads if len(heads) == 1 else [*heads, "mean"]
    panels_per_row = min(3, len(columns))
    rows = -(-len(columns) // panels_per_row)
    figure, panels = plot_style.panels(WIDTH, (110 + 34 * len(confirmed)) * rows, len(columns), panels_per_row)
    heights = np.arange(len(confirmed))[::-1]
    best, bias = marked_number(report), report.summary.selection_bias
    for panel, column in zip(panels, columns, strict=True):
        for y, trial in zip(heights, confirmed, strict=True):
            shift = bias.shift[column] if bias.shift else None
            _draw_confirmed(panel, y, trial, column, VERMILLION if trial.trial == best else BLUE, shift)
        panel.set_yticks(heights, [f"trial {trial.trial}" for trial in confirmed])
        panel.set_ylim(-0.6, len(confirmed) - 0.4)
        panel.set_xlabel(score_label(report))
        panel.margins(x=0.12)
        panel.locator_params(axis="x", nbins=4)
        panel.grid(visible=False, axis="y")
        plot_style.title(panel, "mean of the heads" if column == "mean" else column)
    hollow = panels[0].plot([], [], "o", color=INK, markerfacecolor=plot_style.PAPER, label="searched")[0]
    full = panels[0].plot([], [], "o", color=INK, label="confirmed, ± standard error")[0]
    bars = [panels[0].plot([], [], "|", color=INK, markersize=12, markeredgewidth=2, label="searched - shift")[0]]
    legend_below(figure, [hollow, *(bars if bias.shift else []), full])
    caption = (
        "The best trials of the search were trained again with new seeds on new folds; the finalist, in orange, was chosen "
        f"by these confirmed scores. {_bias_sentence(bias)}"
    )
    numbers = np.array([trial.trial for trial in confirmed], float)
    marks = [
        TrialMarks(panel, numbers, np.array([trial.scores.values[column] for trial in confirmed]), heights.astype(float))
        for panel, column in zip(panels, columns, strict=True)
    ]
    return SweepFigure(name, title, caption + drawn_heads_sentence(report), figure, marks)


def _draw_confirmed(panel: Axes, y: float, trial: ConfirmedTrial, column: str, colour: str, shift: float | None) -> None:
    """Draws the searched and the confirmed score of one trial, and what the shift makes of the first, if there is one."""
    before, after, error = trial.searched[column], trial.scores.values[column], trial.scores.errors.get(column, math.nan)
    panel.plot([before, after], [y, y], color=colour, alpha=0.5, linewidth=2, zorder=2)
    panel.plot([before], [y], "o", markersize=8, color=colour, markerfacecolor=plot_style.PAPER, zorder=3)
    if shift is not None:
        panel.plot([before - shift], [y], "|", markersize=15, markeredgewidth=2, color=INK, zorder=5)
    panel.errorbar([after], [y], xerr=[0 if math.isnan(error) else error], fmt="o", markersize=7, color=colour, zorder=4)


def _bias_sentence(bias: SelectionBias) -> str:
    """What the difference between searched and confirmed scores is made of, with the formula."""
    if not bias.shift:
        return (
            "One trial alone cannot tell how much of the difference between the two is selection bias, and how much the other "
            "folds and seeds make."
        )
    shift = format_difference(bias.shift[MEAN])
    return (
        f"Other folds and seeds move the scores of all of them alike: the shift, here {shift} for the mean. From the bar "
        f"(searched - shift) to the filled marker is a trial's selection bias. {FORMULA[0].upper()}{FORMULA[1:]}. What "
        "all of them share of the selection bias, as the best of the search, is part of the shift."
    )


def pruning(report: SweepReport) -> SweepFigure:
    """Trials by their score at each rung: which were pruned, and which continued."""
    name, title = "pruning", "Pruning: scores at the rungs"
    rungs = sorted({epoch for result in report.results for epoch in result.score.rungs})
    if not rungs:
        return SweepFigure(name, title, "No trial was pruned.")
    stops = [*rungs, report.experiment.fit.epochs]
    paths = [(result, _rung_values(report, result, rungs)) for result in report.results if result.score.rungs]
    all_values = np.array([values for _, values in paths])
    low = axis_floor(all_values[np.isfinite(all_values)])
    top = float(np.nanmax(all_values))
    figure, panel = plot_style.axes(WIDTH, 380)
    _draw_rung_values(panel, report, paths)
    reached = np.isfinite(all_values).sum(axis=0)
    labels = [f"epoch {epoch}\n{count} trials" for epoch, count in zip(stops, reached, strict=True)]
    panel.set_xticks(range(len(stops)), labels)
    panel.set_ylim(low - 0.05 * (top - low or 1), top + 0.05 * (top - low or 1))
    panel.set_ylabel(value_label(report))
    legend_inside(panel, panel.get_legend_handles_labels()[0])
    caption = (
        f"At each rung, the trials with the lower scores of each round are pruned; {reached[-1]:,} of {reached[0]:,} trials "
        "are complete. Grey lines that end at high scores may have been pruned too early."
    )
    numbers = np.repeat([result.trial.number for result, _ in paths], len(stops)).astype(float)
    marks = [TrialMarks(panel, numbers, np.tile(np.arange(len(stops), dtype=float), len(paths)), all_values.ravel())]
    return SweepFigure(name, title, caption, figure, marks, has_lines=True)


def _rung_values(report: SweepReport, result: Result, rungs: Sequence[int]) -> list[float]:
    """The value that a trial is ranked by at each rung and at its end; NaN where it was not trained so far."""
    heads, objective, score = list(report.experiment.heads), report.experiment.objective, result.score

    def value(epoch: int) -> float:
        by_head = dict(zip(heads, score.rungs[epoch], strict=True))
        return to_maximize(objective.ranking_metric, ranking_value(objective, by_head, score.rung_metrics.get(epoch, {})))

    values = [value(epoch) if epoch in score.rungs else math.nan for epoch in rungs]
    return [*values, report.evaluator.rank(score) if score.is_complete else math.nan]


def _draw_rung_values(panel: Axes, report: SweepReport, paths: Sequence[tuple[Result, Sequence[float]]]) -> None:
    """Draws a line for each trial, those of complete trials over the others, and the marked trial over all."""
    many, alpha = len(paths) > MANY, max(0.12, min(0.7, 100 / len(paths)))
    for is_complete, colour in ((False, GREY), (True, BLUE)):
        selected = [values for result, values in paths if result.score.is_complete == is_complete]
        if selected:
            ys = np.array([[*values, math.nan] for values in selected]).ravel()
            xs = np.tile([*range(len(selected[0])), math.nan], len(selected))
            style: Style = {"color": colour, "alpha": alpha, "linewidth": 1, "marker": "o", "markersize": 2.5 if many else 4.0}
            panel.plot(xs, ys, rasterized=many, label="complete" if is_complete else "pruned", **style)
    for result, values in paths:
        if result.trial.number == marked_number(report):
            best_style: Style = {"color": VERMILLION, "linewidth": 2.4, "marker": "o", "markersize": 5, "zorder": 5}
            panel.plot(range(len(values)), values, label=report.marked_name, **best_style)
