"""The relative RMSE against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.relative_rmse import relative_rmse


def test_it_is_the_root_of_the_ratio_of_the_sums_of_squares() -> None:
    random = np.random.default_rng(0)
    train, test, predicted = random.normal(5, 2, (40, 2)), random.normal(5, 2, (10, 2)), random.normal(5, 2, (10, 2))
    for head in (0, 1):
        rmse = float(np.sqrt(np.square(test[:, head] - predicted[:, head]).mean()))
        residual = np.square(test[:, head] - predicted[:, head]).sum()
        expected = np.sqrt(residual / np.square(test[:, head] - train[:, head].mean()).sum())
        assert relative_rmse(Actual(test), Actual(train), head, rmse) == pytest.approx(expected, rel=1e-12)


def test_the_mean_of_the_training_rows_has_one_and_a_perfect_prediction_nothing() -> None:
    test, train = Actual(np.array([[1.0], [3.0]])), Actual(np.array([[0.0], [4.0]]))
    assert relative_rmse(test, train, 0, rmse=1.0) == 1.0
    assert relative_rmse(test, train, 0, rmse=0.0) == 0.0


def test_unknown_values_are_left_out_and_known_ones_count_by_their_weights() -> None:
    test = Actual(np.array([[1.0], [np.nan], [5.0]]), np.array([[1.0], [9.0], [3.0]]))
    train = Actual(np.array([[0.0], [2.0], [np.nan]]), np.array([[3.0], [1.0], [5.0]]))
    of_mean = np.sqrt((1 * 0.5**2 + 3 * 4.5**2) / 4)  # the mean of the training rows is 0.5
    assert relative_rmse(test, train, 0, rmse=2.0) == pytest.approx(2.0 / of_mean)
