"""Metrics of a binary head: from actual values of 0 and 1 and predicted probabilities of a 1, `(rows,)` each.

The values are those of scikit-learn's functions of these names, where it has them. A row counts by its weight where there are
weights. A metric that needs rows of both classes is NaN where there are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from branchsweep.metrics.deviance_scores import log_loss_deviance
from branchsweep.types import Floats

THRESHOLD = 0.5
"""A row is predicted to be of the positive class where its probability is above this."""


BINS = 10
"""The intervals of probabilities in which a calibration error compares them with frequencies."""


class Thresholds(NamedTuple):
    """What is counted at each threshold, from the highest probability down.

    Args:
        probabilities: `(thresholds,)`, the different ones.
        true_positives: Weights of the rows of class 1 at or above each of them.
        false_positives: Those of class 0.
    """

    probabilities: Floats
    true_positives: Floats
    false_positives: Floats


def thresholds(actual: Floats, probability: Floats, weights: Floats | None = None) -> Thresholds:
    """The rows of each class at or above every predicted probability."""
    order = np.argsort(-probability, kind="stable")
    sorted_by = probability[order]
    counted = np.ones_like(probability) if weights is None else weights[order]
    last = np.append(np.flatnonzero(np.diff(sorted_by)), len(sorted_by) - 1)
    positive = np.cumsum(counted * actual[order])[last]
    negative = np.cumsum(counted * (1.0 - actual[order]))[last]
    return Thresholds(sorted_by[last], positive, negative)


def log_loss(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The mean log loss."""
    return float(np.average(log_loss_deviance(actual, probability), weights=weights))


def brier(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The mean squared difference between probability and class."""
    return float(np.average(np.square(probability - actual), weights=weights))


def calibration_error(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The expected calibration error (Naeini, Cooper, Hauskrecht 2015): by how much probabilities differ from frequencies.

    Rows are divided by their probability into `BINS` intervals of equal width. In each, the mean probability is compared with
    the share of class 1; the mean of the absolute differences counts an interval by its rows.
    """
    interval = np.minimum((probability * BINS).astype(int), BINS - 1)
    counted = np.ones_like(probability) if weights is None else weights
    surplus = np.bincount(interval, counted * (probability - actual), minlength=BINS)
    return float(np.abs(surplus).sum() / counted.sum())


def accuracy(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The share of rows whose class is predicted."""
    return float(np.average((probability > THRESHOLD) == (actual > 0), weights=weights))


def balanced_accuracy(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The mean over the classes of the share of their rows that are predicted; classes without rows do not count."""
    counted = np.ones_like(actual) if weights is None else weights
    is_right = (probability > THRESHOLD) == (actual > 0)
    classes = [counted * (actual == label) for label in (0.0, 1.0)]
    recalls = [float(np.average(is_right, weights=own)) for own in classes if own.sum() > 0]
    return float(np.mean(recalls))


def roc_auc(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The area under the ROC curve: the chance that a row of class 1 has the higher probability than one of class 0."""
    counts = thresholds(actual, probability, weights)
    positive, negative = counts.true_positives[-1], counts.false_positives[-1]
    if not (positive > 0 and negative > 0):
        return float("nan")
    area = np.trapezoid(np.append(0.0, counts.true_positives), np.append(0.0, counts.false_positives))
    return float(area / (positive * negative))


def average_precision(actual: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The mean of the precision at each threshold, weighted by the recall that it adds."""
    counts = thresholds(actual, probability, weights)
    positive = counts.true_positives[-1]
    if not positive > 0:
        return float("nan")
    predicted = counts.true_positives + counts.false_positives
    precision = np.divide(counts.true_positives, predicted, out=np.ones_like(predicted), where=predicted > 0)
    return float((np.diff(np.append(0.0, counts.true_positives)) * precision).sum() / positive)
