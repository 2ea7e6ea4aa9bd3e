"""The pictures of a sweep: each a figure, and the sentence that says in plain words what is to be seen in it.

Colours mean the same everywhere: blue is a trial that trained to its end, grey one that did not, orange the best, green what it
is compared with. Where there may be thousands of points they are painted as one image inside the picture, so that it stays
small; words, axes and what matters remain lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.experiment import MEAN
from branchsweep.objective import ranked_by
from branchsweep.population import Floats
from branchsweep.report import plots
from branchsweep.report.plots import BLUE, GREEN, GREY, INK, MARKERS, OCHRE, PALETTE, SMALL, VERMILLION, Axes, Figure
from branchsweep.report.positions import floor, share, spelt, ticks
from branchsweep.report.sweep_report import Predicted, SweepReport
from branchsweep.score import r2
from branchsweep.trial import Result, Status

Flags = NDArray[np.bool_]

Style = dict[str, Any]
"""Keywords of matplotlib's."""

Line = Any
"""What a legend names: a line or a set of markers of matplotlib's."""

WIDTH = 880
"""Of a page's column, in pixels."""

DOTS = 1.6 * plots.UNITS_PER_INCH
"""Of what is painted as an image: sharp on a screen and on paper."""

MANY = 300
"""Points of one kind that are still drawn one by one."""

MOST_HEADS = 4
"""Heads whose pairs are shown."""

MOST_DIMENSIONS = 10
"""Dimensions whose importance is shown, those that matter most to any head."""

MOST_POINTS = 20_000
"""Test rows that are painted; of more, evenly spread ones."""

HALO = {"boxstyle": "square,pad=0.1", "facecolor": plots.PAPER, "edgecolor": "none", "alpha": 0.7}
"""Behind words that stand among many lines or points."""

LEADING, FEWEST_LEADING = 0.1, 5
"""The share of the trials that parallel coordinates draw in colour, and how many at least."""

UNLIKE = 4
"""Trainings that differ in length by more than this factor stand on a logarithmic scale."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
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


def pictures(report: SweepReport) -> list[Picture]:
    """All pictures of a sweep, in the order of a page. Those that cannot be drawn say why."""
    makers = (
        predicted_against_actual,
        pareto_front,
        course,
        optimism,
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


# --- the finished model ---


def predicted_against_actual(report: SweepReport) -> Picture:
    """Per head, the finished model on the test rows: predicted against actual, and what is left over."""
    name, title = "predicted_against_actual", "Predicted against actual"
    if not report.predictions:
        return Picture(name, title, "There is no finished model, so there are no predictions to show.")
    caption = (
        "Each dot is one row that the model never saw. Left: the nearer to the diagonal, the better; orange is where many dots "
        "lie on top of each other. Right: by how much it was off, which should look the same along the whole line."
    )
    return Picture(name, title, caption, fit_of(report.predictions, {n: of.unit for n, of in report.experiment.heads.items()}))


def fit_of(predictions: Mapping[str, Predicted], units: Mapping[str, str]) -> Figure:
    """Per head predicted against actual, with its R², and beside it what is left over."""
    figure, panels = plots.panels(WIDTH, 400 * len(predictions), 2 * len(predictions), 2)
    for place, (head, said) in enumerate(predictions.items()):
        _scatter(panels[2 * place], head, units[head], said)
        _residuals(panels[2 * place + 1], head, units[head], said)
    return figure


def _thinned(said: Predicted) -> tuple[Floats, Floats]:
    every = -(-len(said.actual) // MOST_POINTS)
    return said.actual[::every], said.predicted[::every]


def _scatter(panel: Axes, head: str, unit: str, said: Predicted) -> None:
    actual, predicted = _thinned(said)
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    margin = 0.03 * (high - low or 1.0)
    panel.plot([low, high], [low, high], color=INK, alpha=0.6, linewidth=1)
    _paint_dense(panel, actual, predicted)
    panel.set_xlim(low - margin, high + margin)
    panel.set_ylim(low - margin, high + margin)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel(f"measured{_in(unit)}")
    panel.set_ylabel(f"predicted{_in(unit)}")
    explained = float(r2(said.actual, said.predicted, axis=-1))
    plots.title(panel, f"{head}: R² {explained:.3f} on the test rows")


def _residuals(panel: Axes, head: str, unit: str, said: Predicted) -> None:
    actual, predicted = _thinned(said)
    off = predicted - actual
    everywhere = said.predicted - said.actual
    rmse, mae = float(np.sqrt(np.mean(everywhere**2))), float(np.mean(np.abs(everywhere)))
    panel.axhline(0, color=INK, alpha=0.6, linewidth=1)
    _paint_dense(panel, predicted, off)
    panel.set_xlabel(f"predicted{_in(unit)}")
    panel.set_ylabel(f"predicted minus measured{_in(unit)}")
    plots.title(panel, f"{head}: off by {mae:.3g} {unit} on average, RMSE {rmse:.3g}")


def _paint_dense(panel: Axes, x: Floats, y: Floats) -> None:
    """Points as an image, coloured by how many there are around them, the crowded ones in front."""
    counts, xs, ys = np.histogram2d(x, y, bins=40)
    column = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, 39)
    row = np.clip(np.searchsorted(ys, y, side="right") - 1, 0, 39)
    around = counts[column, row]
    order = np.argsort(around, kind="stable")
    crowd = np.log(around) / max(np.log(around.max()), 1e-9)
    colours = _between([BLUE, GREEN, OCHRE, VERMILLION], crowd)
    panel.scatter(x[order], y[order], s=9 if len(x) > MANY else 20, c=colours[order], linewidths=0, alpha=0.75, rasterized=True)


def _between(stops: Sequence[str], shares: Floats) -> Floats:
    """`(n, 3)` colours along a row of colours, for shares `(n,)` from 0 to 1."""
    rgb = np.array([[int(stop[place : place + 2], 16) / 255 for place in (1, 3, 5)] for stop in stops])
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, places, rgb[:, channel]) for channel in range(3)], axis=1)


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


# --- the trials ---


@dataclass(frozen=True, slots=True, eq=False)
class _Trials:
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
    def of(cls, report: SweepReport) -> _Trials:
        judged, scores = report.judged, [result.score for result in report.results]
        return cls(
            numbers=np.array([result.trial.number for result in report.results], float),
            value=np.array([judged.rank(score) if score.heads else math.nan for score in scores]),
            complete=np.array([score.is_complete for score in scores], bool),
            failed=np.array([score.status is Status.FAILED for score in scores], bool),
        )


def _dots(panel: Axes, x: Floats, y: Floats, trials: _Trials, low: float, size: float = 22) -> None:
    """Pruned trials grey and hollow, complete ones blue; what lies below the scale or failed sits on its floor."""
    below = ~(y >= low)
    many = len(x) > MANY
    for chosen, style in (
        (~trials.complete & ~trials.failed & ~below, _stopped(many)),
        (trials.complete & ~below, {"color": BLUE, "linewidths": 0, "alpha": 0.75}),
    ):
        panel.scatter(x[chosen], y[chosen], s=size / 2 if many else size, rasterized=many, zorder=3, **style)
    sunk = below & ~trials.failed & np.isfinite(x)
    panel.scatter(x[sunk], np.full(sunk.sum(), low), s=size / 1.6, marker="v", color=GREY, alpha=0.6, linewidths=0, zorder=3)
    lost = trials.failed & np.isfinite(x)
    panel.scatter(x[lost], np.full(lost.sum(), low), s=size, marker="x", color=VERMILLION, linewidths=1.2, zorder=4)


def _stopped(many: bool) -> Style:
    """How the dot of a trial looks that was stopped early: hollow, or faint where there are many."""
    hollow = {"facecolors": "none", "edgecolors": GREY, "linewidths": 0.9}
    return {"color": GREY, "linewidths": 0, "alpha": 0.35} if many else hollow


def _keys(panel: Axes, trials: _Trials, *, is_below: bool = False) -> list[Line]:
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


def _inside(panel: Axes, handles: Sequence[Line]) -> None:
    """A legend in a panel's lower right corner, where good trials leave room."""
    panel.legend(handles=[*handles], loc="lower right", frameon=False, fontsize=SMALL, labelcolor=INK, handletextpad=0.5)


def _below(figure: Figure, handles: Sequence[Line]) -> None:
    """A legend below all panels."""
    figure.legend(
        handles=[*handles],
        loc="outside lower left",
        ncols=-(-len(handles) // -(-len(handles) // 6)),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )


def _best_number(report: SweepReport) -> int | None:
    return report.summary.best.trial if report.summary.best else None


def _star(panel: Axes, x: float, y: float, words: str = "", ha: str = "left") -> None:
    panel.plot([x], [y], marker="*", markersize=15, color=VERMILLION, markeredgecolor=plots.PAPER, zorder=6, linestyle="")
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


def marked(report: SweepReport) -> dict[str, Mapping[str, float]]:
    """What trials are compared with, by name, with validation R² by head: known configurations, then baselines."""
    known = {
        result.trial.known: result.score.of_heads
        for result in report.results
        if result.trial.known and result.score.is_complete
    }
    heads = list(report.experiment.heads)
    others = {
        one.name: {head: one.r2[head] for head in heads}
        for one in report.summary.references
        if one.name not in known and all(math.isfinite(one.r2.get(head, math.nan)) for head in heads)
    }
    return known | others


def pareto_front(report: SweepReport) -> Picture:
    """The heads against each other: which trials are the best compromises."""
    name, title = "pareto_front", "The heads against each other"
    heads = list(report.experiment.heads)
    if len(heads) < 2:
        return Picture(name, title, "One head has no compromise to make.")
    if not any(result.score.is_complete for result in report.results):
        return Picture(name, title, "No trial trained to its end.")
    pairs = list(combinations(heads[:MOST_HEADS], 2))
    columns = min(2, len(pairs))
    figure, panels = plots.panels(
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
    return Picture(name, title, caption, figure)


def _compromises(panel: Axes, pair: tuple[str, str], report: SweepReport) -> None:
    trials = _Trials.of(report)
    x, y = (np.array([result.score.of_heads.get(head, math.nan) for result in report.results]) for head in pair)
    compared = marked(report)
    stands = trials.complete & np.isfinite(x) & np.isfinite(y)
    lows = []
    for axis, head in zip((x, y), pair, strict=True):
        others = [of[head] for of in compared.values()]
        low = min(floor(axis[stands]), *(value for value in others if value > floor(axis[stands]) - 0.5), math.inf)
        top = max([float(axis[stands].max()), *others])
        lows.append((low, top, 0.05 * (top - low or 0.01)))
    inside = (x >= lows[0][0]) & (y >= lows[1][0])
    for chosen, style in (
        (inside & ~trials.complete, _stopped(len(x) > MANY)),
        (inside & trials.complete, {"color": BLUE, "linewidths": 0, "alpha": 0.7}),
    ):
        panel.scatter(x[chosen], y[chosen], s=12 if len(x) > MANY else 24, rasterized=len(x) > MANY, **style)
    front = _front_of(x[stands], y[stands])
    panel.plot(front[:, 0], front[:, 1], color=BLUE, linewidth=1.6, drawstyle="steps-post", label="best compromises")
    for place, (words, of) in enumerate(compared.items()):
        right = of[pair[0]] > (lows[0][0] + lows[0][1]) / 2
        panel.plot([of[pair[0]]], [of[pair[1]]], marker="D", markersize=7, color=GREEN, markeredgecolor=plots.PAPER, zorder=5)
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
    number = _best_number(report)
    for result in report.results:
        if result.trial.number == number:
            of = result.score.of_heads
            _star(panel, of[pair[0]], of[pair[1]], f"trial {number}", ha="right")
    panel.set_xlim(lows[0][0] - lows[0][2], lows[0][1] + 1.5 * lows[0][2])
    panel.set_ylim(lows[1][0] - lows[1][2], lows[1][1] + 1.5 * lows[1][2])
    panel.set_xlabel(f"R² of {pair[0]}")
    panel.set_ylabel(f"R² of {pair[1]}")
    _inside(panel, _keys(panel, replace(trials, failed=np.zeros_like(trials.failed), complete=trials.complete | trials.failed)))


def _front_of(x: Floats, y: Floats) -> Floats:
    """`(m, 2)` the points that no other beats in both, from left to right."""
    points = sorted(zip(x, y, strict=True), key=lambda point: (-point[0], -point[1]))
    front: list[tuple[float, float]] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return np.array(front[::-1], float).reshape(-1, 2)


def course(report: SweepReport) -> Picture:
    """The score against the trial's number, and against the seconds spent."""
    name, title = "course", "The course of the search"
    trials = _Trials.of(report)
    if not len(trials.numbers):
        return Picture(name, title, "There are no trials.")
    low = floor(trials.value)
    seconds = np.cumsum([result.score.seconds for result in report.results])
    figure, panels = plots.panels(WIDTH, 380, 2, 2, share_y=True)
    figure_name = _spoken(report)
    for panel, x, words in zip(
        panels, (trials.numbers, seconds), ("trial", "seconds of training, all trials so far together"), strict=True
    ):
        _dots(panel, x, trials.value, trials, low)
        _best_so_far(panel, x, trials)
        panel.set_xlabel(words)
        for place, (other, of) in enumerate(marked(report).items()):
            value = ranked_by(report.experiment.objective, of)
            if value >= low:
                panel.axhline(value, color=GREEN, linewidth=1.2, linestyle=((0, (5, 3)), (0, (1, 2)))[place % 2], label=other)
    panels[0].set_ylabel(figure_name)
    top = float(np.nanmax(trials.value)) if np.isfinite(trials.value).any() else 1.0
    panels[0].set_ylim(low - 0.06 * (top - low or 1), top + 0.08 * (top - low or 1))
    is_below = bool(((trials.value < low) & ~trials.failed).any())
    _below(figure, _keys(panels[0], trials, is_below=is_below))
    search = report.experiment.search
    asked_by = (
        search.driver if report.experiment.algorithm == search.driver else f"{search.driver} ({report.experiment.algorithm})"
    )
    caption = (
        f"Every dot is a trial, asked by {asked_by}: in the order of asking (left), and by the time that they took (right). "
        "The line is the best so far. One that has long been flat says that more trials would hardly help."
    )
    return Picture(name, title, caption, figure)


def _best_so_far(panel: Axes, x: Floats, trials: _Trials) -> None:
    values = np.where(trials.complete & np.isfinite(trials.value), trials.value, -math.inf)
    best = np.maximum.accumulate(values)
    there = np.isfinite(best)
    if there.any():
        rises = np.flatnonzero(there & (best > np.concatenate([[-math.inf], best[:-1]])))
        xs, ys = [*x[rises], x[-1]], [*best[rises], best[-1]]
        panel.plot(xs, ys, color=VERMILLION, linewidth=2, drawstyle="steps-post", zorder=5, label="best so far")


def _spoken(report: SweepReport) -> str:
    rule = report.experiment.objective.rule
    heads = list(report.experiment.heads)
    if len(heads) == 1:
        return f"R² of {heads[0]} (validation)"
    return "mean R² of the heads (validation)" if rule == MEAN else f"{rule} (validation)"


# --- the finalists ---


def optimism(report: SweepReport) -> Picture:
    """How much of the search's score the best trials kept when they were trained again."""
    name, title = "optimism_gap", "How much of the score was luck"
    confirmed = [one for one in report.summary.confirmed if math.isfinite(one.r2.get("mean", math.nan))]
    if not confirmed:
        return Picture(name, title, "No trial was confirmed.")
    heads = list(report.experiment.heads)
    columns = heads if len(heads) == 1 else [*heads, "mean"]
    beside = min(3, len(columns))
    rows = -(-len(columns) // beside)
    figure, panels = plots.panels(WIDTH, (110 + 34 * len(confirmed)) * rows, len(columns), beside)
    places = np.arange(len(confirmed))[::-1]
    best = _best_number(report)
    for panel, column in zip(panels, columns, strict=True):
        for place, one in zip(places, confirmed, strict=True):
            before, after, error = one.searched[column], one.r2[column], one.r2_se.get(column, math.nan)
            colour = VERMILLION if one.trial == best else BLUE
            panel.plot([before, after], [place, place], color=colour, alpha=0.5, linewidth=2, zorder=2)
            panel.plot([before], [place], "o", markersize=8, color=colour, markerfacecolor=plots.PAPER, zorder=3)
            panel.errorbar(
                [after], [place], xerr=[0 if math.isnan(error) else error], fmt="o", markersize=7, color=colour, zorder=4
            )
        panel.set_yticks(places, [f"trial {one.trial}" for one in confirmed])
        panel.set_ylim(-0.6, len(confirmed) - 0.4)
        panel.set_xlabel("R²")
        panel.margins(x=0.12)
        panel.locator_params(axis="x", nbins=4)
        panel.grid(visible=False, axis="y")
        plots.title(panel, "mean of the heads" if column == "mean" else column)
    hollow = panels[0].plot([], [], "o", color=INK, markerfacecolor=plots.PAPER, label="in the search")[0]
    full = panels[0].plot([], [], "o", color=INK, label="trained again, ± standard error")[0]
    _below(figure, [hollow, full])
    caption = (
        "The best of many trials looks better than it is. So the leading ones were trained again, from fresh starts on freshly "
        "cut rows: what a score lost on the way from the hollow dot to the full one was luck. The finalist, in orange, was "
        "chosen by the full dots."
    )
    return Picture(name, title, caption, figure)


def learning_curves(report: SweepReport) -> Picture:
    """R² after each epoch, of all that were confirmed."""
    name, title = "learning_curves", "How the finalists learnt"
    heads = list(report.experiment.heads)
    if not report.curves:
        return Picture(name, title, "No learning curves were kept.")
    columns = min(2, len(heads))
    figure, panels = plots.panels(WIDTH, 340 * -(-len(heads) // columns), len(heads), columns)
    best = f"trial {_best_number(report)}"
    order = sorted(report.curves, key=lambda one: one != best)
    lengths = [len(curve) for of in report.curves.values() for curve in of.values()]
    is_log = max(lengths) > UNLIKE * min(lengths)
    for panel, head in zip(panels, heads, strict=True):
        lowest, highest = math.inf, -math.inf
        for place, who in reversed(list(enumerate(order))):
            curve = np.array(report.curves[who].get(head, ()))
            if not len(curve):
                continue
            leads = who == best
            colour = VERMILLION if leads else PALETTE[(place if best not in order else place - 1) % len(PALETTE)]
            if not leads and colour == VERMILLION:
                colour = GREY
            epochs = np.arange(1, len(curve) + 1)
            marks: Style = (
                {}
                if leads
                else {"marker": MARKERS[place % 5], "markevery": _spread(len(curve), place, is_log), "markersize": 4.5}
            )
            panel.plot(
                epochs, curve, color=colour, linewidth=2.4 if leads else 1.4, zorder=4 if leads else 3, label=who, **marks
            )
            settled = curve[len(curve) // 5 :] if who.startswith("trial ") else curve[len(curve) // 2 :]
            lowest, highest = min(lowest, float(np.nanmin(settled))), max(highest, float(np.nanmax(curve)))
        margin = 0.06 * (highest - lowest or 0.1)
        if math.isfinite(lowest):
            panel.set_ylim(max(lowest, -0.5) - margin, highest + margin)
        if is_log:
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter("{x:,.0f}")
            panel.minorticks_off()
        panel.set_xlabel("epoch")
        panel.set_ylabel("R² (validation)")
        plots.title(panel, head)
    handles, words = panels[0].get_legend_handles_labels()
    pairs = sorted(zip(words, handles, strict=True), key=lambda pair: order.index(pair[0]))
    _below(figure, [handle for _, handle in pairs])
    caption = (
        "How good each network was after every pass over its training rows, judged on rows that it was not learning from (mean "
        "over the folds of the confirmation). A line that still rises at its end would gain from more epochs; one that falls "
        "learns by heart."
    )
    return Picture(name, title, caption, figure)


def _spread(epochs: int, place: int, is_log: bool) -> list[int]:
    """Positions of a curve that are marked: a few, evenly spread on the scale, other ones for each curve."""
    shares = (np.arange(4) + 0.25 + 0.15 * (place % 5)) / 4
    at = epochs**shares if is_log else 1 + shares * (epochs - 1)
    return sorted({min(epochs, round(float(epoch))) - 1 for epoch in at})


# --- what mattered ---


def importance(report: SweepReport) -> Picture:
    """Per head, each dimension's share in what made trials good."""
    name, title = "importance", "What made trials good"
    shares = report.summary.importance
    if not shares:
        return Picture(name, title, "Too few trials trained to their end to say.")
    heads = list(report.experiment.heads)
    columns = [column for column in (heads if len(heads) == 1 else [*heads, "mean"]) if column in shares]
    most = {dimension: max(of.get(dimension, 0.0) for of in shares.values()) for of in shares.values() for dimension in of}
    shown = sorted(most, key=lambda dimension: (-most[dimension], dimension))[:MOST_DIMENSIONS]
    beside = min(3, len(columns))
    rows = -(-len(columns) // beside)
    figure, panels = plots.panels(WIDTH, (90 + 26 * len(shown)) * rows, len(columns), beside, share_y=True)
    places = np.arange(len(shown))[::-1]
    for panel, column in zip(panels, columns, strict=True):
        values = [shares[column].get(dimension, 0.0) for dimension in shown]
        panel.barh(places, values, height=0.62, color=BLUE if column != "mean" else GREY)
        for place, value in zip(places, values, strict=True):
            plots.note(panel, value + 0.02 * most[shown[0]], place, f"{value:.0%}", va="center")
        panel.set_yticks(places, shown)
        panel.set_xlim(0, 1.25 * max(*values, 0.01))
        panel.set_xticks([])
        panel.spines["bottom"].set_visible(False)
        panel.grid(visible=False)
        plots.title(panel, "mean of the heads" if column == "mean" else column)
    caption = (
        "Which settings decided whether a trial was among the best (PED-ANOVA). A long bar: get this one right first. "
        "Shares of one column add up to 100 % over all dimensions."
    )
    return Picture(name, title, caption, figure)


def slices(report: SweepReport) -> Picture:
    """The score against each dimension."""
    name, title = "slices", "The score along every dimension"
    dimensions = report.experiment.space.dimensions
    trials = _Trials.of(report)
    if not dimensions or not len(trials.numbers):
        return Picture(name, title, "Nothing was varied.")
    low, columns = floor(trials.value), min(4, len(dimensions))
    rows = -(-len(dimensions) // columns)
    figure, panels = plots.panels(WIDTH, 205 * rows + 20, len(dimensions), columns, share_y=True)
    number = _best_number(report)
    for place, (panel, (dimension_name, dimension)) in enumerate(zip(panels, dimensions.items(), strict=True)):
        x = np.array([share(dimension, result.trial.params.get(dimension_name)) for result in report.results])
        is_discrete = dimension.size <= 12
        spread = 0.4 / max(dimension.size - 1, 1) if is_discrete else 0.0
        x += spread * (_jitter(trials.numbers) - 0.5)
        _dots(panel, x, trials.value, trials, low, size=16)
        for result, at in zip(report.results, x, strict=True):
            if result.trial.number == number and math.isfinite(at):
                _star(panel, at, report.judged.rank(result.score))
        marks = ticks(dimension, 6)
        panel.set_xticks([at for at, _ in marks], [words for _, words in marks])
        panel.set_xlim(-0.08 - spread / 2, 1.08 + spread / 2)
        plots.title(panel, dimension_name)
        panel.title.set_fontsize(SMALL)
        if place % columns == 0:
            panel.set_ylabel("R²")
    top = float(np.nanmax(trials.value)) if np.isfinite(trials.value).any() else 1.0
    panels[0].set_ylim(low - 0.08 * (top - low or 1), top + 0.1 * (top - low or 1))
    panels[0].locator_params(axis="y", nbins=4)
    caption = (
        "The same trials once per dimension, its values from left to right on the scale that they were drawn from; up is "
        f"better ({_spoken(report)}). Where the upper edge of the cloud leans to one side, that side is better. Blue trained "
        "to its end, grey was stopped early, the star is the best."
    )
    return Picture(name, title, caption, figure)


def _jitter(numbers: Floats) -> Floats:
    """`(n,)` evenly spread places from 0 to 1, by the trial's number alone (a golden-ratio sequence)."""
    return np.asarray((numbers * 0.6180339887498949) % 1.0)


def parallel_coordinates(report: SweepReport) -> Picture:
    """Every trial as a line through all dimensions."""
    name, title = "parallel_coordinates", "Every trial as a line"
    dimensions = report.experiment.space.dimensions
    ranked = [result for result in report.ranked if result.score.is_complete]
    if not dimensions or not ranked:
        return Picture(name, title, "There is no trial that trained to its end.")
    trials = _Trials.of(report)
    low, top = floor(trials.value[trials.complete]), float(np.nanmax(trials.value[trials.complete]))
    judged, width = report.judged, len(dimensions) + 1
    others = [result for result in report.results if not result.score.is_complete and result.score.heads]
    leading = min(len(ranked), max(FEWEST_LEADING, round(LEADING * len(ranked))))
    figure, panel = plots.axes(WIDTH, 400)

    def line(result: Result) -> list[float]:
        along = [share(dimension, result.trial.params.get(key)) for key, dimension in dimensions.items()]
        value = (judged.rank(result.score) - low) / (top - low or 1.0)
        shift = 0.02 * float(_jitter(np.array([result.trial.number], float))[0] - 0.5)  # equal values lie side by side
        return [(-0.12 if math.isnan(at) else min(max(at, -0.05), 1.05)) + shift for at in along] + [
            min(max(value, -0.05), 1.05)
        ]

    groups: tuple[tuple[Sequence[Result], Style], ...] = (
        (others, {"color": GREY, "alpha": 0.18, "linewidth": 0.7, "rasterized": True}),
        (ranked[leading:], {"color": GREY, "alpha": 0.35, "linewidth": 0.8, "rasterized": True}),
        (ranked[1:leading][::-1], {"color": BLUE, "alpha": 0.75, "linewidth": 1.2, "rasterized": leading > 40}),
    )
    for members, style in groups:
        if members:
            ys = np.array([[*line(result), math.nan] for result in members]).ravel()
            panel.plot(np.tile([*range(width), math.nan], len(members)), ys, **style)
    chosen = next((result for result in report.results if result.trial.number == _best_number(report)), ranked[0])
    panel.plot(range(width), line(chosen), color=VERMILLION, linewidth=2.6, zorder=5)
    _axes_of(panel, report, low, top)
    caption = (
        "Follow a line from left to right: it is one trial's settings, and ends at its score. Blue are the best "
        f"{leading:,} of {len(ranked):,} that trained to their end, orange is the one that was chosen; where the blue lines "
        "run together, the good trials agree. A dimension that a trial was not asked for is passed below its axis."
    )
    return Picture(name, title, caption, figure)


def _axes_of(panel: Axes, report: SweepReport, low: float, top: float) -> None:
    dimensions = report.experiment.space.dimensions
    names = [*dimensions, "score"]
    for place, name in enumerate(names):
        panel.plot([place, place], [0, 1], color=INK, alpha=0.55, linewidth=1, zorder=4)
        marks = (
            ticks(dimensions[name], 8)
            if name in dimensions
            else [(0.0, f"{low:.3f}"), (0.5, f"{(low + top) / 2:.3f}"), (1.0, f"{top:.3f}")]
        )
        for at, words in marks:
            panel.annotate(
                words,
                (place, at),
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


# --- pruning ---


def pruning(report: SweepReport) -> Picture:
    """Who went on at each rung."""
    name, title = "pruning", "Who was allowed to train on"
    rungs = sorted({epoch for result in report.results for epoch in result.score.rungs})
    if not rungs:
        return Picture(name, title, "No trial was stopped early: all trained to their end.")
    heads, objective = list(report.experiment.heads), report.experiment.objective
    stations = [*rungs, report.experiment.fit.epochs]

    def path(result: Result) -> list[float]:
        at = [
            ranked_by(objective, dict(zip(heads, result.score.rungs[epoch], strict=True)))
            if epoch in result.score.rungs
            else math.nan
            for epoch in rungs
        ]
        return [*at, report.judged.rank(result.score) if result.score.is_complete else math.nan]

    paths = [(result, path(result)) for result in report.results if result.score.rungs]
    everything = np.array([at for _, at in paths])
    low = floor(everything[np.isfinite(everything)])
    top = float(np.nanmax(everything))
    figure, panel = plots.axes(WIDTH, 380)
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
        if result.trial.number == _best_number(report):
            panel.plot(
                range(len(stations)), at, color=VERMILLION, linewidth=2.4, marker="o", markersize=5, zorder=5, label="the best"
            )
    reached = np.isfinite(everything).sum(axis=0)
    labels = [f"epoch {epoch}\n{count} trials" for epoch, count in zip(stations, reached, strict=True)]
    panel.set_xticks(range(len(stations)), labels)
    panel.set_ylim(low - 0.05 * (top - low or 1), top + 0.05 * (top - low or 1))
    panel.set_ylabel(_spoken(report))
    _inside(panel, panel.get_legend_handles_labels()[0])
    caption = (
        f"After a few epochs the worse part of each round stops, and time goes to the others: of {reached[0]:,} trials "
        f"{reached[-1]:,} trained to their end. Grey lines that end high up may have been stopped too soon."
    )
    return Picture(name, title, caption, figure)


def ends(report: SweepReport) -> Iterator[tuple[str, str, str, str, float]]:
    """For each dimension its name, its lowest and highest value, the best trial's, and where that stands, from 0 to 1."""
    best = report.summary.best
    for name, dimension in report.experiment.space.dimensions.items():
        value = best.params.get(name) if best else None
        marks = ticks(dimension)
        yield name, marks[0][1], marks[-1][1], "" if value is None else spelt(value), share(dimension, value)
