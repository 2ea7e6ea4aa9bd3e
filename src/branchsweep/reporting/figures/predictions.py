"""Figures of predictions: predicted against actual values and residuals, the shares of rows below quantiles."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.config.kinds import quantile_levels
from branchsweep.metrics.functions import metric_function
from branchsweep.metrics.names import label
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.class_predictions import CLASS_PANELS, CLASSES_CAPTION, draw_classes, metric_phrase
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, INK, OCHRE, VERMILLION, Axes, Figure
from branchsweep.reporting.figures.trials import MANY, WIDTH, SweepFigure, drawn_heads, drawn_heads_sentence
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import HeadPredictions, SweepReport

MOST_POINTS = 20_000
"""Points per panel; of more rows, evenly spaced ones are drawn."""

TITLE = 42
"""Characters of a line of a panel's title."""


def predicted_against_actual(report: SweepReport) -> SweepFigure:
    """Predictions of the final model on the test rows."""
    name, title = "predicted_against_actual", "Predicted against actual"
    if not report.predictions:
        return SweepFigure(name, title, "There is no final model, so there are no predictions to show.")
    caption = (
        "Each point is a test row, which the model was not trained on. Left: predicted against measured values; points near "
        "the diagonal are predicted well, and colours show density, from blue to orange. Right: residuals, which should be "
        "spread evenly around zero along the whole axis."
    )
    kinds = [head_kind(head.kind) for head in report.experiment.heads.values()]
    if any(not kind.is_probability and kind.units > 1 for kind in kinds):
        caption += (
            " Of a head with several quantiles, left: the middle one of them, of two the lower. Right: the share of rows at or"
            " below each,"
            " against its level, with its standard error; points on the diagonal are calibrated."
        )
    if any(kind.is_probability for kind in kinds):
        caption += f" {CLASSES_CAPTION}"
    figure = prediction_figure(report, report.predictions, "the test rows")
    return SweepFigure(name, title, caption + drawn_heads_sentence(report), figure)


def prediction_figure(report: SweepReport, predicted: Mapping[str, HeadPredictions], rows: str) -> Figure:
    """Two panels for each drawn head: predicted against actual values and residuals; of a head with classes four.

    Args:
        report: Its experiment has the unit of each head, and the metrics that the titles show.
        predicted: Predictions by head.
        rows: Which rows were predicted, for the titles: `test rows`.
    """
    predictions = {head: predicted[head] for head in drawn_heads(report) if head in predicted}
    kinds = {head: head_kind(report.experiment.heads[head].kind) for head in predictions}
    counts = {head: CLASS_PANELS if kind.is_probability else 2 for head, kind in kinds.items()}
    total = sum(counts.values())
    figure, panels = plot_style.panels(WIDTH, 200 * total, total, 2)
    for head, of_head in predictions.items():
        own, panels = panels[: counts[head]], panels[counts[head] :]
        kind, settings = kinds[head], report.experiment.heads[head]
        score = f"{label(kind.score)} {metric_function(kind, kind.score)(of_head.actual, of_head.predicted):.3g} on {rows}"
        if kind.is_probability:
            titles = draw_classes(own, of_head, kind, settings.classes or ["0", "1"])
        else:
            titles = _draw_numbers(own, of_head, kind, _unit(settings.unit))
        for panel, title in zip(own, (f"{score}{titles[0] and f', {titles[0]}'}", *titles[1:]), strict=True):
            plot_style.title(panel, textwrap.fill(f"{head}: {title}", TITLE))
    return figure


def _draw_numbers(panels: Sequence[Axes], predictions: HeadPredictions, kind: Head, unit: str) -> Sequence[str]:
    """Predicted against actual values, and residuals or the shares below quantiles; the titles of both panels."""
    left, right = panels
    shown = predictions
    if kind.units > 1:
        shown = HeadPredictions(predictions.actual, predictions.predicted[(kind.units - 1) // 2])
    _scatter(left, shown, unit)
    if levels := quantile_levels(kind.name) if kind.units > 1 else ():
        _shares_below(right, predictions, levels)
    else:
        _residuals(right, shown, unit)
    return "", f"{metric_phrase(kind, predictions, [name for name in kind.metrics if name != kind.score])}{unit}"


def _thinned(predictions: HeadPredictions) -> tuple[Floats, Floats]:
    step = -(-len(predictions.actual) // MOST_POINTS)
    return predictions.actual[::step], predictions.predicted[::step]


def _scatter(panel: Axes, predictions: HeadPredictions, unit: str) -> None:
    actual, predicted = _thinned(predictions)
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    margin = 0.03 * (high - low or 1.0)
    panel.plot([low, high], [low, high], color=INK, alpha=0.6, linewidth=1)
    _scatter_by_density(panel, actual, predicted)
    panel.set_xlim(low - margin, high + margin)
    panel.set_ylim(low - margin, high + margin)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel(f"measured{unit}")
    panel.set_ylabel(f"predicted{unit}")


def _residuals(panel: Axes, predictions: HeadPredictions, unit: str) -> None:
    actual, predicted = _thinned(predictions)
    panel.axhline(0, color=INK, alpha=0.6, linewidth=1)
    _scatter_by_density(panel, predicted, predicted - actual)
    panel.set_xlabel(f"predicted{unit}")
    panel.set_ylabel(f"predicted minus measured{unit}")


def _shares_below(panel: Axes, predictions: HeadPredictions, levels: Sequence[float]) -> None:
    """The share of rows at or below each quantile, with its standard error."""
    shares = (predictions.actual <= predictions.predicted).mean(axis=1)
    errors = np.sqrt(shares * (1 - shares) / len(predictions.actual))
    panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    panel.errorbar(levels, shares, yerr=errors, color=BLUE, marker="o", markersize=5, linewidth=1.5)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel("level of the quantile")
    panel.set_ylabel("share of rows at or below it")


def _scatter_by_density(panel: Axes, x: Floats, y: Floats) -> None:
    """Points, coloured by the density around them, the densest in front."""
    counts, xs, ys = np.histogram2d(x, y, bins=40)
    column = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, 39)
    row = np.clip(np.searchsorted(ys, y, side="right") - 1, 0, 39)
    neighbours = counts[column, row]
    order = np.argsort(neighbours, kind="stable")
    density = np.log(neighbours) / max(np.log(neighbours.max()), 1e-9)
    colours = _interpolated([BLUE, GREEN, OCHRE, VERMILLION], density)
    panel.scatter(
        x[order], y[order], s=9 if len(x) > MANY else 20, c=colours[order], linewidths=0, alpha=0.75, rasterized=len(x) > MANY
    )


def _interpolated(colours: Sequence[str], shares: Floats) -> Floats:
    """RGB values `(n, 3)` on the scale through these colours, at shares `(n,)` from 0 to 1."""
    rgb = np.array([[int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)] for colour in colours])
    positions = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(shares, positions, rgb[:, channel]) for channel in range(3)], axis=1)


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""
