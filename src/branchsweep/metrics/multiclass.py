"""Metrics of heads with several classes: from the number of each row's class, and the probability of every class.

Actual values are `(…, rows)`, whole numbers from 0, and predictions `(…, classes, rows)`. The values are those of
scikit-learn's functions of these names, where it has them: areas and precisions are means over the classes, each against all
others (`multi_class="ovr"`). A row counts by its weight where there are weights. A metric that needs rows of every class is NaN
where there are not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from branchsweep.metrics import classification
from branchsweep.metrics.deviance_scores import SMALLEST_PROBABILITY
from branchsweep.types import Floats


def d2_log_loss(actual: Floats, predicted: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """The share of explained log loss, of many predictions at once; 0 where all rows have one class.

    Args:
        actual: `(…, rows)`, of the shape of the predictions without their classes, or of one that broadcasts with it.
        predicted: `(…, classes, rows)`.
        axis: -1: rows come last.
        weights: Of the shape of `actual`.

    Returns:
        `(…,)`.
    """
    assert axis == -1, "classes stand before the rows"
    counted = np.ones_like(actual) if weights is None else weights
    own = (counted * _log_losses(actual, predicted)).sum(axis=-1)
    sums = np.stack([np.where(actual == number, counted, 0.0).sum(-1) for number in range(predicted.shape[-2])], axis=-1)
    shares = sums / np.maximum(sums.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    null = np.broadcast_to(-(sums * np.log(np.where(sums > 0, shares, 1.0))).sum(axis=-1), own.shape)
    explained: Floats = 1.0 - np.divide(own, null, out=np.ones_like(own), where=null > 0)
    return explained


def log_loss(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean log loss."""
    return float(np.average(_log_losses(actual, predicted), weights=weights))


def brier(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean over the rows of the squared differences between probabilities and class, summed over the classes."""
    classes = np.arange(len(predicted))[:, None]
    return float(np.average(np.square(predicted - (actual == classes)).sum(axis=0), weights=weights))


def calibration_error(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean over the classes of the calibration error of each against all others (Kull and others 2019: classwise-ECE)."""
    return float(np.mean([classification.calibration_error(*own, weights) for own in one_against_others(actual, predicted)]))


def accuracy(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The share of rows whose class is the most probable one."""
    return float(np.average(predicted.argmax(axis=0) == actual, weights=weights))


def balanced_accuracy(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean over the classes of the share of their rows that are predicted; classes without rows do not count."""
    counted = np.ones_like(actual) if weights is None else weights
    is_right = predicted.argmax(axis=0) == actual
    of_classes = (counted * (actual == number) for number in range(len(predicted)))
    return float(np.mean([np.average(is_right, weights=own) for own in of_classes if own.sum() > 0]))


def roc_auc(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean over the classes of the area under the ROC curve of one against all others."""
    return float(np.mean([classification.roc_auc(*own, weights) for own in one_against_others(actual, predicted)]))


def average_precision(actual: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """The mean over the classes of the average precision of one against all others."""
    return float(np.mean([classification.average_precision(*own, weights) for own in one_against_others(actual, predicted)]))


def confusion_matrix(actual: Floats, predicted: Floats) -> NDArray[np.int64]:
    """`(classes, classes)` how many rows of each class, by line, are predicted to be of each class, by column.

    Args:
        actual: `(rows,)` the number of each row's class.
        predicted: `(classes, rows)` the probability of each, or `(rows,)` that of the second of two.
    """
    is_binary = predicted.ndim == 1
    chosen = (predicted > classification.THRESHOLD).astype(np.int64) if is_binary else predicted.argmax(axis=0)
    matrix = np.zeros((2 if is_binary else len(predicted),) * 2, np.int64)
    np.add.at(matrix, (actual.astype(np.int64), chosen), 1)
    return matrix


def one_against_others(actual: Floats, predicted: Floats) -> Iterator[tuple[Floats, Floats]]:
    """For each class, whether rows are of it, as 0 and 1, and its probability: `(rows,)` each."""
    for number, probability in enumerate(predicted):
        yield (actual == number).astype(np.float64), probability


def _log_losses(actual: Floats, predicted: Floats) -> Floats:
    """The log loss of each row `(…, rows)`; probabilities are first divided by their sum, as scikit-learn asks for."""
    classes = np.arange(predicted.shape[-2])[:, None]
    own = np.where(actual[..., None, :] == classes, predicted, 0.0).sum(axis=-2) / predicted.sum(axis=-2)
    losses: Floats = -np.log(np.clip(own, SMALLEST_PROBABILITY, 1.0))
    return losses
