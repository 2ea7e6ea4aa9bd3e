"""Draws what a comparison has found: who is better, what sharing gains, how much to share, and what it all costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.comparison_result import ComparisonResult, PairwiseDifference
from branchsweep.reporting.comparison.table import (
    ComparisonRow,
    MetricCell,
    comparison_metrics,
    comparison_rows,
    difference_verdict,
    mean_and_error,
)
from branchsweep.reporting.figures.plot_style import (
    BLUE,
    GREY,
    INK,
    MARKERS,
    PALETTE,
    PAPER,
    VERMILLION,
    Axes,
    Figure,
    axes,
    note,
    panels,
    title,
)
from branchsweep.reporting.formatting import format_difference, format_score, metric_label

WIDTH = 880.0
"""Of a picture, in pixels."""

COLOURS = {"better": BLUE, "worse": VERMILLION, "undecided": GREY, "": INK}
"""By verdict; the undecided are hollow besides."""

FAR = 2.4
"""Who would make the scale this many times as long is off it, and said in figures."""


def intervals(findings: ComparisonResult) -> Figure:
    """Every contestant's R² in every figure, with the interval of its difference to the reference.

    The interval lies around the contestant's mean, so that it holds the reference's line exactly if it holds a difference of 0.
    """
    rows = [each for each in comparison_rows(findings) if each.places]
    shown = comparison_metrics(findings)
    columns = _columns(len(shown))
    lines = -(-len(shown) // columns)
    figure, made = panels(WIDTH, lines * (76 + 34 * max(len(rows), 1)), len(shown), columns, share_y=True)
    made[0].set_ylim(len(rows) - 0.4, -0.6)
    for place, (panel, name) in enumerate(zip(made, shown, strict=True)):
        title(panel, metric_label(name))
        if rows:
            _intervals(panel, name, rows)
        panel.set_xlabel("R²" if place >= len(shown) - columns else "")
    return figure


def _intervals(panel: Axes, name: str, rows: Sequence[ComparisonRow]) -> None:
    places = [row.places[name] for row in rows]
    reference = next((row.places[name] for row in rows if row.is_reference), None)
    low, high = _scale(places, reference)
    panel.set_xlim(low, high)
    if reference:
        panel.axvline(reference.mean, color=INK, alpha=0.6, linewidth=1, dashes=(3, 3))
    for row, place in enumerate(places):
        if place.mean < low:
            note(
                panel, low, row, f"◀ {format_score(place.mean)}", offset=(4, 0), color=COLOURS[place.verdict], fontweight="bold"
            )
        else:
            _row(panel, row, place)
    panel.set_yticks(range(len(rows)), [_label(each) for each in rows], parse_math=False)
    panel.grid(visible=False, axis="y")
    panel.locator_params(axis="x", nbins=5)
    for tick, standing in zip(panel.yaxis.get_major_ticks(), rows, strict=True):
        tick.label1.set_fontweight("bold" if standing.is_reference else "normal")


def _row(panel: Axes, row: float, place: MetricCell) -> None:
    """The halves, the interval, the mean."""
    colour = COLOURS[place.verdict]
    panel.scatter(place.halves, [row + 0.27] * len(place.halves), s=10, color=colour, alpha=0.6, linewidths=0)
    if place.contrast:
        ends = [place.mean - place.contrast.difference + end for end in (place.contrast.low, place.contrast.high)]
        panel.plot(ends, [row, row], color=colour, linewidth=2.4, solid_capstyle="butt")
    hollow = place.verdict == "undecided"
    marker = "o" if place.contrast else "D"
    panel.plot([place.mean], [row], marker, color=colour, markersize=8, markeredgewidth=1.8, mfc=PAPER if hollow else colour)


def _columns(count: int) -> int:
    """Panels beside each other, so that no line has one alone if that can be helped."""
    return 2 if count == 4 else min(count, 3)


def _label(standing: ComparisonRow) -> str:
    return f"{standing.one.name} (reference)" if standing.is_reference else standing.one.name


def _extent(place: MetricCell) -> tuple[float, float]:
    """From the lowest to the highest of what is drawn of a contestant."""
    drawn = [place.mean, *place.halves]
    if place.contrast:
        drawn += [place.mean - place.contrast.difference + end for end in (place.contrast.low, place.contrast.high)]
    finite = [each for each in drawn if math.isfinite(each)]
    return min(finite, default=0.0), max(finite, default=0.0)


def _scale(places: Sequence[MetricCell], reference: MetricCell | None) -> tuple[float, float]:
    """The ends of a scale that shows the best and the reference, and all who do not dwarf what is between those.

    From the best down, a contestant is taken in unless that made the scale `FAR` times as long.
    """
    best, *others = sorted(places, key=lambda place: -place.mean)
    low, high = _extent(best)
    for place in [*([reference] if reference else []), *others]:
        lower, higher = min(low, _extent(place)[0]), max(high, _extent(place)[1])
        if place is reference or higher - lower <= FAR * max(high - low, 1e-6):
            low, high = lower, higher
    margin = 0.06 * max(high - low, 1e-6)
    return low - margin, high + margin


def transfer(findings: ComparisonResult) -> Figure:
    """What each figure gains by sharing, with its interval."""
    gains = findings.transfer
    figure, panel = axes(WIDTH * 0.78, 96 + 40 * len(gains))
    panel.axvline(0, color=INK, alpha=0.7, linewidth=1.2)
    for row, gain in enumerate(gains):
        _gain(panel, row, gain)
    reach = 1.3 * max((abs(end) for gain in gains for end in (gain.low, gain.high) if math.isfinite(end)), default=1.0)
    panel.set_xlim(-reach, reach)
    panel.set_ylim(len(gains) - 0.4, -1.1)
    panel.set_yticks(range(len(gains)), [metric_label(gain.head) for gain in gains], parse_math=False)
    panel.grid(visible=False, axis="y")
    panel.set_xlabel("difference of R²")
    panel.locator_params(axis="x", nbins=7)
    note(panel, 0, -0.85, "◀ sharing hurts", offset=(-12, 0), ha="right")
    note(panel, 0, -0.85, "sharing helps ▶", offset=(12, 0))
    return figure


def _gain(panel: Axes, row: int, gain: PairwiseDifference) -> None:
    colour = COLOURS[difference_verdict(gain)]
    panel.plot([gain.low, gain.high], [row, row], color=colour, linewidth=2.6, solid_capstyle="butt")
    inside = colour if gain.is_significant else PAPER
    panel.plot([gain.difference], [row], "o", color=colour, markersize=9, markeredgewidth=1.8, mfc=inside)
    end, side = (gain.low, -1) if gain.difference < 0 else (gain.high, 1)
    note(panel, end, row, format_difference(gain.difference), offset=(side * 8, 0), ha="right" if side < 0 else "left")


def sharing(findings: ComparisonResult) -> Figure:
    """R² of every head against the hidden layers that all heads share."""
    points = sorted(findings.sharing, key=lambda point: point.layers)
    heads = list(findings.heads)
    columns = _columns(len(heads))
    figure, made = panels(WIDTH if columns > 1 else WIDTH * 0.7, -(-len(heads) // columns) * 300, len(heads), columns)
    for place, (panel, head) in enumerate(zip(made, heads, strict=True)):
        title(panel, head)
        colour, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        _curve(panel, [(point.layers, *mean_and_error(point.scores[head])) for point in points], colour, marker)
        last = findings.sharing_layers
        names = {0: "0\nown networks", last: f"{last}\nno branches"}
        panel.set_xticks(range(last + 1), [names.get(layers, f"{layers}") for layers in range(last + 1)])
        panel.set_xlim(-0.45, last + 0.45)
        panel.set_xlabel("hidden layers that all heads share")
        panel.grid(visible=False, axis="x")
        if not place % columns:
            panel.set_ylabel("R²")
    return figure


def _curve(panel: Axes, points: Sequence[tuple[int, float, float]], colour: str, marker: str) -> None:
    """Means as a line, their standard errors as a band, the best one in figures."""
    layers = [point[0] for point in points]
    means = [point[1] for point in points]
    low, high = ([mean + side * error for _, mean, error in points] for side in (-1, 1))
    panel.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
    panel.plot(layers, means, color=colour, linewidth=2, marker=marker, markersize=7, mfc=PAPER, markeredgewidth=1.8)
    if any(map(math.isfinite, means)):
        best = max(range(len(means)), key=lambda place: means[place] if math.isfinite(means[place]) else -math.inf)
        panel.plot([layers[best]], [means[best]], marker, color=colour, markersize=8.5)
        note(panel, layers[best], high[best], format_score(means[best]), offset=(0, 11), ha="center", fontweight="bold")
        panel.margins(y=0.18)
    panel.locator_params(axis="y", nbins=5)


def cost(findings: ComparisonResult) -> Figure:
    """Mean R² against the seconds of training, and against the latency of predictions; contestants are numbered by R²."""
    rows = [each for each in comparison_rows(findings) if each.places]
    of: tuple[tuple[str, Callable[[ComparisonRow], float]], ...] = (
        ("to train, one half (seconds, log scale)", lambda each: each.one.cost.training_seconds),
        ("to predict 1,000 rows (milliseconds, log scale)", lambda each: each.one.cost.latency * 1000),
    )
    figure, made = panels(WIDTH, 360 + 22 * -(-len(rows) // KEY_COLUMNS), 2, 2, share_y=True)
    last = comparison_metrics(findings)[-1]
    made[0].set_ylabel("R², mean of the heads" if last == MEAN else f"R² of {last}")
    for panel, (axis, cost_of) in zip(made, of, strict=True):
        panel.set_xscale("log")
        panel.set_xlabel(axis)
        if rows:
            _costs(panel, [(each, max(cost_of(each), 1e-6), each.places[last]) for each in rows])
    if rows:
        marks = made[0].get_lines()
        words = [f"{place}  {each.one.name}" for place, each in enumerate(rows, start=1)]
        figure.legend(marks, words, loc="outside lower center", ncols=KEY_COLUMNS, frameon=False, labelcolor=INK)
    return figure


def _costs(panel: Axes, points: Sequence[tuple[ComparisonRow, float, MetricCell]]) -> None:
    """A numbered mark for each; who is off the scale stands at its lower end and points down."""
    reference = next((place for each, _, place in points if each.is_reference), None)
    low, high = _scale([place for *_, place in points], reference)
    panel.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))
    costs = [price for _, price, _ in points]
    panel.set_xlim(min(costs) / 2.5, max(costs) * 2.5)
    panel.xaxis.set_major_formatter(lambda price, _place: f"{price:g}")
    panel.minorticks_off()
    for number_of, (_, price, place) in enumerate(points, start=1):
        colour, off = COLOURS[place.verdict], place.mean < low
        height = low if off else place.mean
        inside = PAPER if place.verdict == "undecided" else colour
        marker = "v" if off else "o" if place.contrast else "D"
        panel.plot([price], [height], marker, color=colour, markersize=9, markeredgewidth=1.8, mfc=inside)
        note(panel, price, height, f"{number_of}", offset=(9, 6), ha="left", fontweight="bold")


KEY_COLUMNS = 4
"""Of the names below a picture."""
