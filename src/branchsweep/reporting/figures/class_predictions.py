"""Panels of a head with classes: ROC and precision-recall curves, a reliability diagram and the confusion matrix."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from branchsweep.config.metric_names import (
    ACCURACY,
    AVERAGE_PRECISION,
    BALANCED_ACCURACY,
    BRIER,
    CALIBRATION_ERROR,
    LOG_LOSS,
    ROC_AUC,
)
from branchsweep.metrics.classification import thresholds
from branchsweep.metrics.functions import metric_function
from branchsweep.metrics.multiclass import confusion_matrix, one_against_others
from branchsweep.metrics.names import label
from branchsweep.models.heads.head import Head
from branchsweep.reporting.figures.plot_style import BLUE, GREEN, INK, OCHRE, VERMILLION, Axes
from branchsweep.types import Floats
from branchsweep.workflows.sweep_report import HeadPredictions

CLASS_PANELS = 4
"""The panels of a head with classes."""

MOST_NAMED, MOST_CHARACTERS = 12, 14
"""Classes whose names a figure has room for, and characters of each."""

CLASS_COLORS = (BLUE, VERMILLION, GREEN, OCHRE, INK)
"""The colours of the curves of classes, again from the first one where there are more."""

HALF = 0.5
"""The share from which a cell of the confusion matrix is dark."""

RELIABILITY_BINS = 10
"""Groups of equally many rows by their predicted probability."""

CLASSES_CAPTION = (
    "Of a head with classes, four panels. ROC: the share of rows of the positive class that are found against the share of"
    " other rows that are taken for one, at every threshold; the diagonal is a guess. Precision and recall: the share of rows"
    " taken for the class that are of it, against the share that are found. Reliability: the share of the class in"
    f" {RELIABILITY_BINS} groups of rows by their predicted probability, with its standard error; points on the diagonal are"
    " calibrated. Of several classes there is a curve for each against all others. Confusion matrix: the share of the rows of"
    " each class (lines) that are predicted to be of each class (columns), in percent."
)
"""What the panels show."""


def draw_classes(panels: Sequence[Axes], predictions: HeadPredictions, kind: Head, classes: Sequence[str]) -> Sequence[str]:
    """Draw the four panels of a head with classes.

    Args:
        panels: The four.
        predictions: Actual classes as numbers, and probabilities: `(rows,)` of the second of two, else `(classes, rows)`.
        kind: The kind of the head.
        classes: Their names, in order.

    Returns:
        The metrics that go into the titles of the panels.
    """
    curves = list(_curves(predictions, classes))
    for panel in (panels[0], panels[2]):
        panel.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1)
    for panel, draw in zip(panels, (_roc, _precision_recall, _reliability), strict=False):
        for actual, probability, style in curves:
            draw(panel, actual, probability, style)
        panel.set_aspect("equal", adjustable="box")
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(loc="lower right", fontsize="small", frameon=False)
    _label(panels, "the positive class" if len(curves) == 1 else "the class")
    _confusion(panels[3], predictions, classes)
    of_panels = ([ROC_AUC], [AVERAGE_PRECISION], [LOG_LOSS, BRIER, CALIBRATION_ERROR], [ACCURACY, BALANCED_ACCURACY])
    return [metric_phrase(kind, predictions, names) for names in of_panels]


def metric_phrase(kind: Head, predictions: HeadPredictions, names: Sequence[str]) -> str:
    """The values of a head's metrics, as far as it has them: `accuracy 0.9, balanced accuracy 0.85`."""
    values = {
        name: metric_function(kind, name)(predictions.actual, predictions.predicted) for name in names if name in kind.metrics
    }
    return ", ".join(f"{label(name)} {value:.3g}" for name, value in values.items())


def _curves(predictions: HeadPredictions, classes: Sequence[str]) -> Iterator[tuple[Floats, Floats, dict[str, Any]]]:
    """Whether rows are of a class, its probability and how its curve looks: of the second of two classes, or of each."""
    if predictions.predicted.ndim == 1:
        yield predictions.actual, predictions.predicted, {"color": BLUE, "linewidth": 2}
        return
    of_classes = one_against_others(predictions.actual, predictions.predicted)
    for number, (name, (actual, probability)) in enumerate(zip(classes, of_classes, strict=True)):
        # matplotlib leaves labels that begin with _ out of the legend
        named = {"label": _short(f" {name}" if name.startswith("_") else name)} if len(classes) <= MOST_NAMED else {}
        yield actual, probability, {"color": CLASS_COLORS[number % len(CLASS_COLORS)], "linewidth": 1.5, **named}


def _roc(panel: Axes, actual: Floats, probability: Floats, style: dict[str, Any]) -> None:
    """One ROC curve; none where there are no rows of one of both."""
    counts = thresholds(actual, probability)
    found, wrong = counts.true_positives, counts.false_positives
    if found[-1] > 0 and wrong[-1] > 0:
        panel.plot(np.append(0.0, wrong / wrong[-1]), np.append(0.0, found / found[-1]), **style)


def _precision_recall(panel: Axes, actual: Floats, probability: Floats, style: dict[str, Any]) -> None:
    """One curve of precision by recall, in steps, as its area is the average precision; none where there are no rows."""
    counts = thresholds(actual, probability)
    found = counts.true_positives
    if found[-1] > 0:
        precision, recall = found / (found + counts.false_positives), found / found[-1]
        panel.step(np.append(0.0, recall), np.append(precision[0], precision), where="pre", **style)
        panel.axhline(float(actual.mean()), color=style["color"], alpha=0.4, linewidth=1, linestyle=":")
    panel.set_xlim(-0.05, 1.05)
    panel.set_ylim(-0.05, 1.05)


def _reliability(panel: Axes, actual: Floats, probability: Floats, style: dict[str, Any]) -> None:
    """The share of the class among rows of about the same predicted probability, with its standard error."""
    order = np.argsort(probability, kind="stable")
    groups = np.array_split(order, min(RELIABILITY_BINS, len(order)))
    predicted = [float(probability[group].mean()) for group in groups]
    shares = np.array([float(actual[group].mean()) for group in groups])
    errors = np.sqrt(shares * (1 - shares) / [len(group) for group in groups])
    panel.errorbar(predicted, shares, yerr=errors, marker="o", markersize=5, **style)


def _label(panels: Sequence[Axes], what: str) -> None:
    roc, precision_recall, reliability = panels[:3]
    roc.set_xlabel("share of other rows (false positives)")
    roc.set_ylabel(f"share of {what} (true positives)")
    precision_recall.set_xlabel("recall (dotted: share of all rows)")
    precision_recall.set_ylabel("precision")
    reliability.set_xlabel("predicted probability")
    reliability.set_ylabel(f"share of {what}")


def _confusion(panel: Axes, predictions: HeadPredictions, classes: Sequence[str]) -> None:
    """The confusion matrix: by class of the rows, the share that is predicted to be of each class."""
    count, matrix = len(classes), confusion_matrix(predictions.actual, predictions.predicted)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
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


def _short(name: str) -> str:
    """A class's name as a figure has room for it."""
    return textwrap.shorten(name, MOST_CHARACTERS, placeholder="…") or name[:MOST_CHARACTERS]
