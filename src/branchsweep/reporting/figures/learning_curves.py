"""The figure of the learning curves of confirmed trials and baselines."""

from __future__ import annotations

import math

import numpy as np

from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import GREY, MARKERS, PALETTE, VERMILLION
from branchsweep.reporting.figures.trials import (
    WIDTH,
    Style,
    SweepFigure,
    drawn_heads,
    drawn_heads_sentence,
    legend_below,
    marked_number,
    score_label,
)
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import SweepReport

LOG_SCALE_RATIO = 4
"""Ratio of the longest to the shortest training above which the axis of epochs is logarithmic."""


def learning_curves(report: SweepReport) -> SweepFigure:
    """The score after each epoch, per head, of all candidates of the confirmation."""
    name, title = "learning_curves", "Learning curves"
    heads = drawn_heads(report)
    if not report.curves:
        return SweepFigure(name, title, "No learning curves were recorded.")
    columns = min(2, len(heads))
    figure, panels = plot_style.panels(WIDTH, 340 * -(-len(heads) // columns), len(heads), columns)
    best = f"trial {marked_number(report)}"
    order = sorted(report.curves, key=lambda candidate: candidate != best)
    lengths = [len(curve) for by_head in report.curves.values() for curve in by_head.values()]
    is_log = max(lengths) > LOG_SCALE_RATIO * min(lengths)
    for panel, head in zip(panels, heads, strict=True):
        lowest, highest = math.inf, -math.inf
        for index, candidate in reversed(list(enumerate(order))):
            curve = np.array(report.curves[candidate].get(head, ()))
            if not len(curve):
                continue
            style = (
                _best_style() if candidate == best else _style(index if best not in order else index - 1, index, curve, is_log)
            )
            panel.plot(np.arange(1, len(curve) + 1), curve, label=candidate, **style)
            late = curve[len(curve) // 5 :] if candidate.startswith("trial ") else curve[len(curve) // 2 :]
            lowest, highest = min(lowest, float(np.nanmin(late))), max(highest, float(np.nanmax(curve)))
        margin = 0.06 * (highest - lowest or 0.1)
        if math.isfinite(lowest):
            panel.set_ylim(max(lowest, -0.5) - margin, highest + margin)
        if is_log:
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter("{x:,.0f}")
            panel.minorticks_off()
        panel.set_xlabel("epoch")
        panel.set_ylabel(f"validation {score_label(report)}")
        plot_style.title(panel, head)
    handles, labels = panels[0].get_legend_handles_labels()
    pairs = sorted(zip(labels, handles, strict=True), key=lambda pair: order.index(pair[0]))
    legend_below(figure, [handle for _, handle in pairs])
    caption = (
        f"The validation {score_label(report)} after each epoch, averaged over the folds of the confirmation. A curve that"
        " still rises at its end would gain from more epochs; one that falls is overfitting."
    )
    return SweepFigure(name, title, caption + drawn_heads_sentence(report), figure)


def _best_style() -> Style:
    return {"color": VERMILLION, "linewidth": 2.4, "zorder": 4}


def _style(colour_index: int, index: int, curve: Floats, is_log: bool) -> Style:
    """Colour and markers of a curve that is not the best trial's."""
    colour = PALETTE[colour_index % len(PALETTE)]
    markers = {"marker": MARKERS[index % 5], "markevery": _marked_epochs(len(curve), index, is_log), "markersize": 4.5}
    return {"color": GREY if colour == VERMILLION else colour, "linewidth": 1.4, "zorder": 3, **markers}


def _marked_epochs(epochs: int, index: int, is_log: bool) -> list[int]:
    """Indices of the points of a curve that have a marker: a few, evenly spaced on the axis, others for each curve."""
    shares = (np.arange(4) + 0.25 + 0.15 * (index % 5)) / 4
    at = epochs**shares if is_log else 1 + shares * (epochs - 1)
    return sorted({min(epochs, round(float(epoch))) - 1 for epoch in at})
