"""Baselines, against least squares by hand."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep import baselines
from branchsweep.experiment import SKLEARN_BASELINES


def test_every_baseline_that_an_experiment_may_name_has_an_estimator() -> None:
    assert set(baselines.REGRESSORS) == set(SKLEARN_BASELINES)


def test_linear_regression_is_least_squares_with_an_intercept() -> None:
    rng = np.random.default_rng(3)
    x_train, x_test = rng.normal(20.0, 5.0, (60, 4)), rng.normal(20.0, 5.0, (9, 4))
    y_train = np.column_stack([450.0 - x_train @ [2.0, 0.5, 0.1, 0.0], x_train[:, 0] ** 2]) + rng.normal(size=(60, 2))
    weights, *_ = np.linalg.lstsq(np.column_stack([np.ones(60), x_train]), y_train, rcond=None)
    by_hand = np.column_stack([np.ones(9), x_test]) @ weights
    predicted = baselines.predict("linear_regression", x_train, y_train, x_test)
    assert predicted.shape == (9, 2)
    assert predicted == pytest.approx(by_hand)


@pytest.mark.parametrize("name", SKLEARN_BASELINES)
def test_a_head_does_not_depend_on_its_company(name: str) -> None:
    rng = np.random.default_rng(4)
    x_train, y_train, x_test = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.normal(size=(5, 3))
    together = baselines.predict(name, x_train, y_train, x_test)
    alone = baselines.predict(name, x_train, y_train[:, 1:], x_test)
    assert np.array_equal(together[:, 1:], alone)
