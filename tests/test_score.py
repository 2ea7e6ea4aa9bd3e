"""The ruler, against sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.population import LaneOutcome
from branchsweep.score import grade, measure, r2, standard_error
from branchsweep.trial import Status

ACTUAL = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [6.0, 60.0]])


def outcome(predictions: np.ndarray, curve: list[list[float]], failed_at: int = 0) -> LaneOutcome:
    return LaneOutcome(predictions, np.array(curve), epochs=len(curve), failed_at=failed_at)


def test_measures_are_the_sums_by_hand() -> None:
    predicted = ACTUAL + np.array([[0.5, -5.0], [0.0, 0.0], [-0.5, 0.0], [0.0, 1.0]])
    scores = measure(ACTUAL, predicted, ["PE", "V"])
    assert scores["PE"].r2 == pytest.approx(1 - 0.5 / 14.0)
    assert scores["V"].r2 == pytest.approx(1 - 26.0 / 1400.0)
    assert scores["PE"].rmse == pytest.approx(math.sqrt(0.5 / 4))
    assert scores["V"].mae == pytest.approx(6.0 / 4)


def test_a_trial_is_the_mean_of_its_lanes_with_its_standard_error() -> None:
    first = outcome(ACTUAL + 0.5, [[0.1, 0.2], [0.3, 0.4]])
    second = outcome(ACTUAL - 1.0, [[0.5, 0.6]])
    score = grade([("fold 0", first, ACTUAL), ("fold 1", second, ACTUAL)], ["PE", "V"], seconds=2.0)
    lanes = [1 - 4 * 0.25 / 14.0, 1 - 4 * 1.0 / 14.0]
    assert score.status is Status.COMPLETE
    assert score.heads["PE"].r2 == pytest.approx(np.mean(lanes))
    assert score.heads["PE"].r2_se == pytest.approx(abs(lanes[0] - lanes[1]) / 2)
    assert score.lanes_r2["PE"] == pytest.approx(lanes) and len(score.lanes_r2["V"]) == 2
    assert score.value == pytest.approx((score.heads["PE"].r2 + score.heads["V"].r2) / 2)
    assert score.curves["PE"] == pytest.approx((0.3, 0.3))  # the second lane stopped after one epoch
    assert score.epochs == 1.5


def test_one_lane_has_no_spread() -> None:
    assert math.isnan(standard_error([0.9]))


def test_a_lane_that_is_not_finite_fails_the_trial_and_is_named() -> None:
    fine, lost = outcome(ACTUAL, [[1.0, 1.0]]), outcome(np.full((4, 2), np.nan), [[math.nan] * 2], failed_at=12)
    score = grade([("fold 0", fine, ACTUAL), ("fold 1, seed 2", lost, ACTUAL)], ["PE", "V"], seconds=1.0)
    assert score.status is Status.FAILED
    assert math.isnan(score.value)
    assert score.reason == "diverged: predictions were not finite after epoch 12 (fold 1, seed 2)"


def test_r2_of_many_predictions_at_once_is_that_of_each() -> None:
    rng = np.random.default_rng(0)
    actual, predicted = rng.normal(size=(30, 2)), rng.normal(size=(4, 30, 2))
    expected = [r2_score(actual, it, multioutput="raw_values").tolist() for it in predicted]
    np.testing.assert_allclose(r2(actual, predicted, axis=-2), expected)
    assert r2(np.ones(5), np.zeros(5), axis=-1) == r2(np.ones(5), np.ones(5), axis=-1) == 0.0
