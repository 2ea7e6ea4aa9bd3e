"""Metrics of heads with several classes have the values of scikit-learn's functions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics import multiclass
from branchsweep.metrics.functions import metric_function
from branchsweep.metrics.scores import head_scores, scores_of_many
from branchsweep.metrics.significance import ComparedMetrics, PairedPredictions, paired_bootstrap
from branchsweep.models.heads.registry import head_kind

CLASSES = 4
KIND = head_kind("multiclass(4)")
RANDOM = np.random.default_rng(3)
ACTUAL = RANDOM.integers(0, CLASSES, 200).astype(float)
PREDICTED = RANDOM.dirichlet([0.7] * CLASSES, 200).T
WEIGHTS = RANDOM.random(200)
ONE_HOT = np.eye(CLASSES)[ACTUAL.astype(int)]


def calibration_by_hand(actual: np.ndarray, probability: np.ndarray, weights: np.ndarray | None) -> float:
    """Interval by interval."""
    counted = np.ones(len(actual)) if weights is None else weights
    total = 0.0
    for interval in range(10):
        own = (10 * probability >= interval) & ((10 * probability < interval + 1) | (interval == 9))
        if own.any():
            means = (np.average(values[own], weights=counted[own]) for values in (actual, probability))
            total += counted[own].sum() / counted.sum() * abs(np.subtract(*means))
    return total


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_every_metric_is_that_of_scikit_learn(weights: np.ndarray | None) -> None:
    probabilities, chosen = PREDICTED.T, PREDICTED.argmax(0)
    given = {"sample_weight": weights}
    expected = {
        "d2_log_loss": metrics.d2_log_loss_score(ACTUAL, probabilities, **given),
        "log_loss": metrics.log_loss(ACTUAL, probabilities, **given),
        "accuracy": metrics.accuracy_score(ACTUAL, chosen, **given),
        "balanced_accuracy": metrics.balanced_accuracy_score(ACTUAL, chosen, **given),
        "roc_auc": metrics.roc_auc_score(ONE_HOT, probabilities, average="macro", **given),
        "average_precision": metrics.average_precision_score(ONE_HOT, probabilities, average="macro", **given),
        "brier": np.average(np.square(probabilities - ONE_HOT).sum(1), weights=weights),
        "calibration_error": np.mean(
            [calibration_by_hand(ONE_HOT[:, c], probabilities[:, c], weights) for c in range(CLASSES)]
        ),
    }
    own = [] if weights is None else [weights]
    assert set(expected) == set(KIND.metrics)
    for name, value in expected.items():
        assert metric_function(KIND, name)(ACTUAL, PREDICTED, *own) == pytest.approx(value), name


def test_a_guess_of_the_shares_scores_0_and_what_is_known_scores_1() -> None:
    shares = np.broadcast_to(ONE_HOT.mean(0)[:, None], PREDICTED.shape)
    assert multiclass.d2_log_loss(ACTUAL, shares, -1) == pytest.approx(0.0)
    assert multiclass.d2_log_loss(ACTUAL, ONE_HOT.T, -1) == pytest.approx(1.0)
    assert multiclass.d2_log_loss(np.zeros(5), np.full((3, 5), 1 / 3), -1) == 0.0


def test_areas_are_nan_where_a_class_has_no_rows() -> None:
    rows = ACTUAL > 0
    assert np.isnan(multiclass.roc_auc(ACTUAL[rows], PREDICTED[:, rows]))
    assert np.isfinite(multiclass.balanced_accuracy(ACTUAL[rows], PREDICTED[:, rows]))


def test_heads_of_unlike_units_are_scored_side_by_side() -> None:
    number = RANDOM.normal(size=200)
    kinds = {"load": head_kind("mse"), "state": KIND, "level": head_kind("mae")}
    actual = np.stack([number, ACTUAL, number], axis=1)
    predicted = np.column_stack([number + 0.1, PREDICTED.T, number - 0.2])
    by_head = head_scores(actual, predicted, kinds)
    assert by_head["load"].score == pytest.approx(metrics.r2_score(number, number + 0.1))
    assert by_head["state"].score == pytest.approx(metrics.d2_log_loss_score(ACTUAL, PREDICTED.T))
    assert by_head["level"].score == pytest.approx(metrics.r2_score(number, number - 0.2))
    many = scores_of_many(actual, np.stack([predicted, predicted[::-1]]), kinds)
    assert many[0] == pytest.approx([own.score for own in by_head.values()])
    assert many.shape == (2, 3)


def test_the_paired_bootstrap_compares_probabilities() -> None:
    number = RANDOM.normal(size=200)
    kinds = {"load": head_kind("mse"), "state": KIND}
    actual = np.stack([number, ACTUAL], axis=1)
    better = np.column_stack([number, 0.5 * PREDICTED.T + 0.5 * ONE_HOT])
    worse = np.column_stack([number + 0.1, PREDICTED.T])
    names = {"load": "r2", "state": "d2_log_loss"}
    compared = ComparedMetrics(names, Objective(maximize=["mean_score"]), kinds)
    found = paired_bootstrap(PairedPredictions(actual, worse, better), compared, resamples=50, seed=0)
    before, after = (head_scores(actual, own, kinds)["state"].score for own in (worse, better))
    assert found["d2_log_loss/state"].mean == pytest.approx(after - before)
    assert found["d2_log_loss/state"].low > 0
