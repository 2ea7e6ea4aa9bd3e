"""Figures of predictions: predicted against actual values and residuals, or of classes curves and a confusion matrix."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from branchsweep.config.kinds import quantile_levels
from branchsweep.metrics.classification import thresholds
from branchsweep.metrics.functions import metric_function
from branchsweep.metrics.multiclass import one_against_others
from branchsweep.metrics.names import label
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, INK, OCHRE, VERMILLION, Axes, Figure
from branchsweep.reporting.figures.trials import MANY, WIDTH, SweepFigure, drawn_heads, drawn_heads_sentence
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import HeadPredictions, SweepReport

MOST_POINTS = 20_000
"""Points per panel; of more rows, evenly spaced ones are drawn."""

TITLE = 42
"""Characters of a line of a panel's title."""

MOST_NAMED, MOST_CHARACTERS = 12, 14
"""Classes whose names a figure has room for, and characters of each."""

CLASS_COLORS = (BLUE, VERMILLION, GREEN, OCHRE, INK)
"""The colours of the curves of classes, again from the first one where there are more."""

HALF = 0.5
"""The share from which a cell of the confusion matrix is dark."""

RELIABILITY_BINS = 10
"""Groups of equally many rows by their predicted probability."""


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
    if any(kind.is_probability and kind.units > 1 for kind in kinds):
        caption += (
            " Of a head with several classes, left: the ROC curve of each class against all others; the diagonal is a guess."
            " Right: the share of the rows of each class (lines) that are predicted to be of each class (columns), in percent."
        )
    if any(not kind.is_probability and kind.units > 1 for kind in kinds):
        caption += (
            " Of a head with several quantiles, left: the middle one of them, of two the lower. Right: the share of rows at or"
            " below each,"
            " against its level, with its standard error; points on the diagonal are calibrated."
        )
    if any(kind.is_probability and kind.units == 1 for kind in kinds):
        caption += (
            " Of a binary head, left: the ROC curve, the share of rows of the positive class that are found against the share"
            " of other rows that are taken for one, at every threshold; the diagonal is a guess. Right: the share of rows of"
            f" the positive class in {RELIABILITY_BINS} groups of rows by their predicted probability, with its standard error;"
            " points on the diagonal are calibrated."
        )
    figure = prediction_figure(report, report.predictions, "the test rows")
    return SweepFigure(name, title, caption + drawn_heads_sentence(report), figure)


def prediction_figure(report: SweepReport, predicted: Mapping[str, HeadPredictions], rows: str) -> Figure:
    """Two panels for each drawn head: predicted against actual values and residuals, or of probabilities two curves.

    Args:
        report: Its experiment has the unit of each head, and the metrics that the titles show.
        predicted: Predictions by head.
        rows: Which rows were predicted, for the titles: `test rows`.
    """
    experiment = report.experiment
    predictions = {head: predicted[head] for head in drawn_heads(report) if head in predicted}
    figure, panels = plot_style.panels(WIDTH, 400 * len(predictions), 2 * len(predictions), 2)
    score_metrics = experiment.score_metrics
    for row, (head, of_head) in enumerate(predictions.items()):
        left, right, unit = panels[2 * row], panels[2 * row + 1], _unit(experiment.heads[head].unit)
        kind, score = head_kind(experiment.heads[head].kind), score_metrics[head]
        values = _values(kind, of_head)
        if kind.is_probability and kind.units > 1:
            classes = experiment.heads[head].classes or []
            _roc_by_class(left, of_head, classes)
            _confusion(right, of_head, classes)
        elif kind.units > 1:
            middle = HeadPredictions(of_head.actual, of_head.predicted[(kind.units - 1) // 2])
            _scatter(left, middle, unit)
            if levels := quantile_levels(kind.name):
                _shares_below(right, of_head, levels)
            else:
                _residuals(right, middle, unit)
        elif kind.is_probability:
            _roc(left, of_head)
            _reliability(right, of_head)
        else:
            _scatter(left, of_head, unit)
            _residuals(right, of_head, unit)
        plot_style.title(left, f"{head}: {label(score)} {values[score]:.3g} on {rows}")
        others = ", ".join(f"{label(metric)} {value:.3g}" for metric, value in values.items() if metric != score)
        plot_style.title(right, textwrap.fill(f"{head}: {others}{unit}", TITLE))
    return figure


def _thinned(predictions: HeadPredictions) -> tuple[Floats, Floats]:
    step = -(-len(predictions.actual) // MOST_POINTS)
    return predictions.actual[::step], predictions.predicted[::step]


def _values(kind: Head, predictions: HeadPredictions) -> dict[str, float]:
    """By metric of a head of this kind its value."""
    return {name: metric_function(kind, name)(predictions.actual, predictions.predicted) for name in kind.metrics}


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


def _roc(panel: Axes, predictions: HeadPredictions) -> None:
    """The ROC curve of probabilities."""
    panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    _roc_curve(panel, predictions.actual, predictions.predicted, color=BLUE, linewidth=2)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel("share of the other class (false positives)")
    panel.set_ylabel("share of the positive class (true positives)")


def _roc_curve(panel: Axes, actual: Floats, probability: Floats, **style: Any) -> None:
    """One ROC curve; none where there are no rows of one of both."""
    counts = thresholds(actual, probability)
    found, wrong = counts.true_positives, counts.false_positives
    if found[-1] > 0 and wrong[-1] > 0:
        panel.plot(np.append(0.0, wrong / wrong[-1]), np.append(0.0, found / found[-1]), **style)


def _roc_by_class(panel: Axes, predictions: HeadPredictions, classes: Sequence[str]) -> None:
    """The ROC curve of each class against all others."""
    panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    of_classes = one_against_others(predictions.actual, predictions.predicted)
    for number, (name, (actual, probability)) in enumerate(zip(classes, of_classes, strict=True)):
        # matplotlib leaves labels that begin with _ out of the legend
        named = {"label": _short(f" {name}" if name.startswith("_") else name)} if len(classes) <= MOST_NAMED else {}
        _roc_curve(panel, actual, probability, color=CLASS_COLORS[number % len(CLASS_COLORS)], linewidth=1.5, **named)
    if len(panel.get_legend_handles_labels()[0]) > 0:
        panel.legend(loc="lower right", fontsize="small", frameon=False)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel("share of other classes (false positives)")
    panel.set_ylabel("share of the class (true positives)")


def _confusion(panel: Axes, predictions: HeadPredictions, classes: Sequence[str]) -> None:
    """The confusion matrix: by class of the rows, the share that is predicted to be of each class."""
    count = len(classes)
    pairs = np.stack([predictions.actual, predictions.predicted.argmax(axis=0)]).astype(int)
    matrix = np.zeros((count, count))
    np.add.at(matrix, tuple(pairs), 1.0)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros_like(matrix), where=rows > 0)
    panel.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    panel.grid(visible=False)
    if count <= MOST_NAMED:
        for (line, column), share in np.ndenumerate(shares):
            panel.text(
                column, line, f"{100 * share:.0f}", ha="center", va="center", color="white" if share > HALF else INK, fontsize=9
            )
        names = [_short(name) for name in classes]
        panel.set_xticks(range(count), names)
        panel.set_yticks(range(count), names)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("class of the row")


def _shares_below(panel: Axes, predictions: HeadPredictions, levels: Sequence[float]) -> None:
    """The share of rows at or below each quantile, with its standard error."""
    shares = (predictions.actual <= predictions.predicted).mean(axis=1)
    errors = np.sqrt(shares * (1 - shares) / len(predictions.actual))
    panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    panel.errorbar(levels, shares, yerr=errors, color=BLUE, marker="o", markersize=5, linewidth=1.5)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel("level of the quantile")
    panel.set_ylabel("share of rows at or below it")


def _short(name: str) -> str:
    """A class's name as a figure has room for it."""
    return textwrap.shorten(name, MOST_CHARACTERS, placeholder="…") or name[:MOST_CHARACTERS]


def _reliability(panel: Axes, predictions: HeadPredictions) -> None:
    """The share of the positive class among rows of about the same predicted probability, with its standard error."""
    order = np.argsort(predictions.predicted, kind="stable")
    groups = np.array_split(order, min(RELIABILITY_BINS, len(order)))
    predicted = [float(predictions.predicted[group].mean()) for group in groups]
    actual = np.array([float(predictions.actual[group].mean()) for group in groups])
    errors = np.sqrt(actual * (1 - actual) / [len(group) for group in groups])
    panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    panel.errorbar(predicted, actual, yerr=errors, color=BLUE, marker="o", markersize=5, linewidth=1.5)
    panel.set_aspect("equal", adjustable="box")
    panel.set_xlabel("predicted probability")
    panel.set_ylabel("share of the positive class")


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
