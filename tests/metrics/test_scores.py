"""Scores and metrics, against sums by hand and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from branchsweep.config.metric_names import Metric
from branchsweep.metrics.functions import r2, register_metric, unregister_metric
from branchsweep.metrics.scores import average_scores, by_half, head_scores, scores_of_many, standard_error
from branchsweep.models.heads.regression import MSE, Regression
from branchsweep.training.lanes import LaneOutcome
from branchsweep.trial import EndCause, HeadScore, Status
from branchsweep.workflows.lane_scores import lane_scores

ACTUAL = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [6.0, 60.0]])


def kinds(*heads: str) -> dict[str, Regression]:
    """Heads of squared error."""
    return dict.fromkeys(heads, MSE)


def outcome(predictions: np.ndarray, curve: list[list[float]], failed_at: int = 0) -> LaneOutcome:
    return LaneOutcome(predictions, np.array(curve), epochs=len(curve), failed_at=failed_at)


def test_metrics_are_the_sums_by_hand() -> None:
    predicted = ACTUAL + np.array([[0.5, -5.0], [0.0, 0.0], [-0.5, 0.0], [0.0, 1.0]])
    scores = head_scores(ACTUAL, predicted, kinds("PE", "V"))
    assert scores["PE"].score == pytest.approx(1 - 0.5 / 14.0)
    assert scores["V"].score == pytest.approx(1 - 26.0 / 1400.0)
    assert scores["PE"].metrics["rmse"] == pytest.approx(math.sqrt(0.5 / 4))
    assert scores["V"].metrics["mae"] == pytest.approx(6.0 / 4)


def test_metrics_equal_those_of_scikit_learn_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    for rows in (2, 3, 8, 127, 128, 129, 1000, 2551, 2552, 6001):
        actual = rng.normal(450.0, 17.0, (rows, 3))
        predicted = actual + rng.normal(0.0, 10.0 ** rng.integers(-6, 3), actual.shape)
        predicted = np.asfortranarray(predicted) if rows % 2 else predicted.astype(np.float32)
        for head, head_score in head_scores(actual, predicted, kinds("a", "b", "c")).items():
            pair = actual[:, "abc".index(head)], predicted[:, "abc".index(head)]
            assert head_score.score == r2_score(*pair)
            assert head_score.metrics["rmse"] == root_mean_squared_error(*pair)
            assert head_score.metrics["mae"] == mean_absolute_error(*pair)


def test_r2_of_constant_targets_is_that_of_scikit_learn() -> None:
    flat = np.full((4, 1), 3.0)
    assert head_scores(flat, flat, kinds("a"))["a"].score == 1.0
    assert head_scores(flat, flat + 1, kinds("a"))["a"].score == 0.0


def test_the_score_of_a_trial_is_the_mean_over_its_lanes_with_its_standard_error() -> None:
    first = outcome(ACTUAL + 0.5, [[0.1, 0.2], [0.3, 0.4]])
    second = outcome(ACTUAL - 1.0, [[0.5, 0.6]])
    score = lane_scores([("fold 0", first, ACTUAL), ("fold 1", second, ACTUAL)], kinds("PE", "V"), seconds=2.0)
    lanes = [1 - 4 * 0.25 / 14.0, 1 - 4 * 1.0 / 14.0]
    assert score.status is Status.COMPLETE
    assert score.heads["PE"].score == pytest.approx(np.mean(lanes))
    assert score.heads["PE"].score_se == pytest.approx(abs(lanes[0] - lanes[1]) / 2)
    assert score.lane_scores["PE"] == pytest.approx(lanes) and len(score.lane_scores["V"]) == 2
    assert score.value == pytest.approx((score.heads["PE"].score + score.heads["V"].score) / 2)
    assert score.curves["PE"] == pytest.approx((0.3, 0.3))  # the second lane stopped after one epoch
    assert score.epochs == 1.5


def test_one_lane_has_no_standard_error() -> None:
    assert math.isnan(standard_error([0.9]))


def test_a_lane_that_is_not_finite_fails_the_trial_with_its_name_and_epoch() -> None:
    finite, diverged = outcome(ACTUAL, [[1.0, 1.0]]), outcome(np.full((4, 2), np.nan), [[math.nan] * 2], failed_at=12)
    score = lane_scores([("fold 0", finite, ACTUAL), ("fold 1, seed 2", diverged, ACTUAL)], kinds("PE", "V"), seconds=1.0)
    assert (score.status, score.cause, score.ended_at) == (Status.FAILED, EndCause.DIVERGED, 12)
    assert math.isnan(score.value)
    assert "fold 1, seed 2" in score.reason


def test_r2_of_several_predictions_is_computed_for_each() -> None:
    rng = np.random.default_rng(0)
    actual, predicted = rng.normal(size=(30, 2)), rng.normal(size=(4, 30, 2))
    expected = [r2_score(actual, prediction, multioutput="raw_values").tolist() for prediction in predicted]
    np.testing.assert_allclose(r2(actual, predicted, axis=-2), expected)
    assert r2(np.ones(5), np.zeros(5), axis=-1) == r2(np.ones(5), np.ones(5), axis=-1) == 0.0


class Biased(Regression):
    """A head with a metric of its own, which is its score, too."""

    metrics = ("bias", "mae")
    score = "bias"


def test_a_head_has_the_metrics_of_its_kind() -> None:
    register_metric("bias", Metric("bias", higher_is_better=True, is_score=True), lambda actual, p: float((p - actual).mean()))
    heads = {"PE": MSE, "V": Biased("mse", lambda _, error: error, lambda _, error: error)}
    try:
        scores = head_scores(ACTUAL, ACTUAL + 0.5, heads)
        many = scores_of_many(ACTUAL, np.stack([ACTUAL + 0.5, ACTUAL - 1.0]), heads)
        _, others = by_half([scores, scores])
    finally:
        unregister_metric("bias")
    assert set(scores["PE"].metrics) == {"r2", "rmse", "mae"}
    assert scores["V"].metrics == {"bias": 0.5, "mae": 0.5}
    assert scores["V"].score == 0.5
    np.testing.assert_allclose(many, [[1 - 4 * 0.25 / 14.0, 0.5], [1 - 4 / 14.0, -1.0]])
    assert {name: set(by_head) for name, by_head in others.items()} == {"rmse": {"PE"}, "mae": {"PE", "V"}}


def test_a_metric_that_rows_of_one_class_lack_is_averaged_over_the_other_lanes() -> None:
    def lane(score: float, roc_auc: float) -> dict[str, HeadScore]:
        return {"trip": HeadScore(score, math.nan, {"d2_log_loss": score, "roc_auc": roc_auc})}

    heads, _, _ = average_scores([lane(0.5, 0.75), lane(0.0, math.nan), lane(0.25, 0.25)])
    assert heads["trip"].metrics == {"d2_log_loss": 0.25, "roc_auc": 0.5}
    heads, _, _ = average_scores([lane(0.0, math.nan)] * 2)
    assert math.isnan(heads["trip"].metrics["roc_auc"])
    heads, _, _ = average_scores([lane(0.5, 0.75), lane(math.nan, math.nan)])  # a network that diverged
    assert math.isnan(heads["trip"].metrics["roc_auc"])
