"""The learning curves of the confirmed networks."""

from __future__ import annotations

import math

import numpy as np

from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import GREY, MARKERS, PALETTE, VERMILLION
from branchsweep.reporting.figures.trials import WIDTH, Style, SweepFigure, best_trial_number, legend_below
from branchsweep.workflows.sweep_report import SweepReport

UNLIKE = 4
"""Trainings that differ in length by more than this factor stand on a logarithmic scale."""


def learning_curves(report: SweepReport) -> SweepFigure:
    """R² after each epoch, of all that were confirmed."""
    name, title = "learning_curves", "How the finalists learnt"
    heads = list(report.experiment.heads)
    if not report.curves:
        return SweepFigure(name, title, "No learning curves were kept.")
    columns = min(2, len(heads))
    figure, panels = plot_style.panels(WIDTH, 340 * -(-len(heads) // columns), len(heads), columns)
    best = f"trial {best_trial_number(report)}"
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
        plot_style.title(panel, head)
    handles, words = panels[0].get_legend_handles_labels()
    pairs = sorted(zip(words, handles, strict=True), key=lambda pair: order.index(pair[0]))
    legend_below(figure, [handle for _, handle in pairs])
    caption = (
        "How good each network was after every pass over its training rows, judged on rows that it was not learning from (mean "
        "over the folds of the confirmation). A line that still rises at its end would gain from more epochs; one that falls "
        "learns by heart."
    )
    return SweepFigure(name, title, caption, figure)


def _spread(epochs: int, place: int, is_log: bool) -> list[int]:
    """Positions of a curve that are marked: a few, evenly spread on the scale, other ones for each curve."""
    shares = (np.arange(4) + 0.25 + 0.15 * (place % 5)) / 4
    at = epochs**shares if is_log else 1 + shares * (epochs - 1)
    return sorted({min(epochs, round(float(epoch))) - 1 for epoch in at})
