"""Figures of a comparison: contestants, the gain by sharing layers, scores by shared layers, and costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.comparison_result import ComparisonResult, PairwiseDifference
from branchsweep.metrics.names import label
from branchsweep.reporting.comparison.table import (
    ComparisonRow,
    ScoreCell,
    comparison_rows,
    mean_and_error,
    scored_heads,
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
from branchsweep.reporting.formatting import format_difference, format_score, head_label

WIDTH = 880.0
"""Width of a figure in pixels."""

COLOURS = {"gains": BLUE, "loses": VERMILLION, "equal": GREY, "undecided": GREY, "": INK}
"""Colours by the verdict on the difference; markers of undecided ones are hollow as well."""

MAX_STRETCH = 2.4
"""A contestant that would stretch the axis by more than this factor is left off it, and shown as a number."""

KEY_COLUMNS = 4
"""Columns of the legend of contestants."""

NOTHING_SHARED = "one per head"
"""What 0 shared layers mean, at one end of the figure of sharing: a network for each head."""

ALL_SHARED = "no branches"
"""What the largest number of shared layers means, at the other end."""


def contestants(result: ComparisonResult) -> Figure:
    """The score of every contestant per head, with the confidence interval of its difference to the reference.

    The interval is drawn around the contestant's mean, so it contains the reference's line if it contains a difference of 0.
    """
    rows = [row for row in comparison_rows(result) if row.cells]
    shown = scored_heads(result)
    columns = _columns(len(shown))
    lines = -(-len(shown) // columns)
    figure, panel_axes = panels(WIDTH, lines * (76 + 34 * max(len(rows), 1)), len(shown), columns, share_y=True)
    panel_axes[0].set_ylim(len(rows) - 0.4, -0.6)
    for index, (panel, head) in enumerate(zip(panel_axes, shown, strict=True)):
        title(panel, head_label(head))
        if rows:
            _draw_contestants(panel, head, rows)
        panel.set_xlabel(label(result.metric) if index >= len(shown) - columns else "")
    return figure


def _draw_contestants(panel: Axes, head: str, rows: Sequence[ComparisonRow]) -> None:
    cells = [row.cells[head] for row in rows]
    reference = next((row.cells[head] for row in rows if row.is_reference), None)
    low, high = _limits(cells, reference)
    panel.set_xlim(low, high)
    if reference:
        panel.axvline(reference.mean, color=INK, alpha=0.6, linewidth=1, dashes=(3, 3))
    for y, cell in enumerate(cells):
        if cell.mean < low:
            note(panel, (low, y), f"◀ {format_score(cell.mean)}", offset=(4, 0), color=COLOURS[cell.verdict], fontweight="bold")
        else:
            _draw_contestant(panel, y, cell)
    panel.set_yticks(range(len(rows)), [_label(row) for row in rows])
    panel.grid(visible=False, axis="y")
    panel.locator_params(axis="x", nbins=5)
    for tick, row in zip(panel.yaxis.get_major_ticks(), rows, strict=True):
        tick.label1.set_fontweight("bold" if row.is_reference else "normal")


def _draw_contestant(panel: Axes, y: float, cell: ScoreCell) -> None:
    """Draw the scores on the halves, the interval of the difference, and the mean."""
    colour = COLOURS[cell.verdict]
    panel.scatter(cell.halves, [y + 0.27] * len(cell.halves), s=10, color=colour, alpha=0.6, linewidths=0)
    if cell.difference:
        panel.plot(_interval(cell, cell.difference), [y, y], color=colour, linewidth=2.4, solid_capstyle="butt")
    hollow = cell.verdict == "undecided"
    marker = "o" if cell.difference else "D"
    panel.plot([cell.mean], [y], marker, color=colour, markersize=8, markeredgewidth=1.8, mfc=PAPER if hollow else colour)


def _interval(cell: ScoreCell, difference: PairwiseDifference) -> list[float]:
    """The interval of the difference, shifted to the contestant's mean."""
    return [cell.mean - difference.difference + end for end in (difference.low, difference.high)]


def _columns(count: int) -> int:
    """Panels per row: up to three, but two rows of two rather than a row with one panel."""
    return 2 if count == 4 else min(count, 3)


def _label(row: ComparisonRow) -> str:
    name = f"{row.contestant.name} (reference)" if row.is_reference else row.contestant.name
    collapsed = dict.fromkeys(collapse.where for cell in row.cells.values() for collapse in cell.collapses)
    return f"{name}\n{', '.join(collapsed)} collapsed" if collapsed else name


def _extent(cell: ScoreCell) -> tuple[float, float]:
    """The lowest and the highest value that is drawn for a contestant."""
    drawn = [cell.mean, *cell.halves]
    if cell.difference:
        drawn += _interval(cell, cell.difference)
    finite = [value for value in drawn if math.isfinite(value)]
    return min(finite, default=0.0), max(finite, default=0.0)


def _limits(cells: Sequence[ScoreCell], reference: ScoreCell | None) -> tuple[float, float]:
    """Limits of an axis that shows the best contestant, the reference, and all that do not stretch it too much.

    From the best down, a contestant is included unless it would stretch the axis by more than `MAX_STRETCH`.
    """
    best, *others = sorted(cells, key=lambda cell: -cell.mean)
    low, high = _extent(best)
    for cell in [*([reference] if reference else []), *others]:
        lower, higher = min(low, _extent(cell)[0]), max(high, _extent(cell)[1])
        if cell is reference or higher - lower <= MAX_STRETCH * max(high - low, 1e-6):
            low, high = lower, higher
    margin = 0.06 * max(high - low, 1e-6)
    return low - margin, high + margin


def transfer(result: ComparisonResult) -> Figure:
    """The gain of each head by sharing layers, with its confidence interval."""
    gains = result.transfer
    figure, panel = axes(WIDTH * 0.78, 96 + 40 * len(gains))
    panel.axvline(0, color=INK, alpha=0.7, linewidth=1.2)
    for row, gain in enumerate(gains):
        _draw_gain(panel, row, gain)
    reach = 1.3 * max((abs(end) for gain in gains for end in (gain.low, gain.high) if math.isfinite(end)), default=1.0)
    panel.set_xlim(-reach, reach)
    panel.set_ylim(len(gains) - 0.4, -1.1)
    panel.set_yticks(range(len(gains)), [head_label(gain.head) for gain in gains])
    panel.grid(visible=False, axis="y")
    panel.set_xlabel(f"difference of {label(result.metric)}")
    panel.locator_params(axis="x", nbins=7)
    note(panel, (0, -0.85), "◀ loses by sharing", offset=(-12, 0), ha="right")
    note(panel, (0, -0.85), "gains by sharing ▶", offset=(12, 0))
    return figure


def _draw_gain(panel: Axes, row: int, gain: PairwiseDifference) -> None:
    colour = COLOURS[gain.verdict]
    panel.plot([gain.low, gain.high], [row, row], color=colour, linewidth=2.6, solid_capstyle="butt")
    inside = PAPER if gain.verdict == "undecided" else colour
    panel.plot([gain.difference], [row], "o", color=colour, markersize=9, markeredgewidth=1.8, mfc=inside)
    end, side = (gain.low, -1) if gain.difference < 0 else (gain.high, 1)
    note(panel, (end, row), format_difference(gain.difference), offset=(side * 8, 0), ha="right" if side < 0 else "left")


def sharing(result: ComparisonResult) -> Figure:
    """The score of every head by the number of hidden layers that all heads share."""
    points = sorted(result.sharing, key=lambda point: point.layers)
    heads = list(result.heads)
    columns = _columns(len(heads))
    figure, panel_axes = panels(WIDTH if columns > 1 else WIDTH * 0.7, -(-len(heads) // columns) * 300, len(heads), columns)
    for index, (panel, head) in enumerate(zip(panel_axes, heads, strict=True)):
        title(panel, head)
        colour, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        _draw_curve(panel, [(point.layers, *mean_and_error(point.scores[head])) for point in points], colour, marker)
        last = result.sharing_layers
        names = {0: f"0\n{NOTHING_SHARED}", last: f"{last}\n{ALL_SHARED}"}
        panel.set_xticks(range(last + 1), [names.get(layers, f"{layers}") for layers in range(last + 1)])
        panel.set_xlim(-0.45, last + 0.45)
        panel.set_xlabel("hidden layers that all heads share")
        panel.grid(visible=False, axis="x")
        if not index % columns:
            panel.set_ylabel(label(result.metric))
    return figure


def _draw_curve(panel: Axes, points: Sequence[tuple[int, float, float]], colour: str, marker: str) -> None:
    """Draw means as a line, their standard errors as a band, and the best mean as a number."""
    layers = [point[0] for point in points]
    means = [point[1] for point in points]
    low, high = ([mean + side * error for _, mean, error in points] for side in (-1, 1))
    panel.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
    panel.plot(layers, means, color=colour, linewidth=2, marker=marker, markersize=7, mfc=PAPER, markeredgewidth=1.8)
    if any(map(math.isfinite, means)):
        best = max(range(len(means)), key=lambda index: means[index] if math.isfinite(means[index]) else -math.inf)
        panel.plot([layers[best]], [means[best]], marker, color=colour, markersize=8.5)
        note(panel, (layers[best], high[best]), format_score(means[best]), offset=(0, 11), ha="center", fontweight="bold")
        panel.margins(y=0.18)
    panel.locator_params(axis="y", nbins=5)


def costs(result: ComparisonResult) -> Figure:
    """The mean score against training time, and against latency; contestants are numbered by their score."""
    rows = [row for row in comparison_rows(result) if row.cells]
    axes_of_costs: tuple[tuple[str, Callable[[ComparisonRow], float]], ...] = (
        ("to train, one half (seconds, log scale)", lambda row: row.contestant.cost.training_seconds),
        ("to predict 1,000 rows (milliseconds, log scale)", lambda row: row.contestant.cost.latency * 1000),
    )
    figure, panel_axes = panels(WIDTH, 360 + 22 * -(-len(rows) // KEY_COLUMNS), 2, 2, share_y=True)
    last, metric = scored_heads(result)[-1], label(result.metric)
    panel_axes[0].set_ylabel(f"{metric}, mean of the heads" if last == MEAN else f"{metric} of {last}")
    for panel, (axis, cost_of) in zip(panel_axes, axes_of_costs, strict=True):
        panel.set_xscale("log")
        panel.set_xlabel(axis)
        if rows:
            _draw_costs(panel, [(row, max(cost_of(row), 1e-6), row.cells[last]) for row in rows])
    if rows:
        markers = panel_axes[0].get_lines()
        names = [f"{number}  {row.contestant.name}" for number, row in enumerate(rows, start=1)]
        figure.legend(markers, names, loc="outside lower center", ncols=KEY_COLUMNS, frameon=False, labelcolor=INK)
    return figure


def _draw_costs(panel: Axes, points: Sequence[tuple[ComparisonRow, float, ScoreCell]]) -> None:
    """Draw a numbered marker per contestant; one below the axis is drawn at its lower end and points down."""
    reference = next((cell for row, _, cell in points if row.is_reference), None)
    low, high = _limits([cell for *_, cell in points], reference)
    panel.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))
    costs = [price for _, price, _ in points]
    panel.set_xlim(min(costs) / 2.5, max(costs) * 2.5)
    panel.xaxis.set_major_formatter(lambda price, _position: f"{price:g}")
    panel.minorticks_off()
    for number, (_, price, cell) in enumerate(points, start=1):
        colour, is_below = COLOURS[cell.verdict], cell.mean < low
        height = low if is_below else cell.mean
        inside = PAPER if cell.verdict == "undecided" else colour
        marker = "v" if is_below else "o" if cell.difference else "D"
        panel.plot([price], [height], marker, color=colour, markersize=9, markeredgewidth=1.8, mfc=inside)
        note(panel, (price, height), f"{number}", offset=(9, 6), ha="left", fontweight="bold")
