"""Permutation importance and partial dependence, beside those of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.inspection import partial_dependence as sklearn_dependence
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.partial_dependence import MOST_ROWS, POINTS, partial_dependence
from branchsweep.metrics.permutation_importance import FEWEST_ROWS, REPEATS, permutation_importance, shuffled_rows
from branchsweep.models.heads.registry import head_kind
from branchsweep.types import Floats

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(300, 3)).round()
Y = X @ [2.0, 1.0, 0.0] + RANDOM.normal(0, 0.5, 300)
FITTED = LinearRegression().fit(X, Y)
MSE = head_kind("mse")


def predict(x: Floats) -> Floats:
    return np.asarray(FITTED.predict(x))[:, None]


def test_importance_is_that_of_scikit_learn_but_for_the_shuffles() -> None:
    ours = [own["y"] for own in permutation_importance(predict, X, Actual(Y[:, None]), {"y": MSE}, 0)]
    theirs = sklearn_importance(FITTED, X, Y, n_repeats=50, random_state=0)
    for own, mean, spread in zip(ours, theirs["importances_mean"], theirs["importances_std"], strict=True):
        assert own.low <= own.value <= own.high
        assert own.value == pytest.approx(mean, abs=4 * spread / np.sqrt(REPEATS) + 1e-9)


def test_an_input_that_a_model_does_not_read_has_no_importance() -> None:
    found = permutation_importance(lambda x: x[:, :1], X, Actual(X[:, :1]), {"y": MSE}, 0)
    assert [(own["y"].low, own["y"].value, own["y"].high) for own in found[1:]] == [(0.0, 0.0, 0.0)] * 2
    assert found[0]["y"].value == pytest.approx(2.0, abs=0.3)  # of a perfect model, since R² of shuffled values is about -1


def test_the_interval_contains_the_importance_over_other_rows() -> None:
    """In 100 samples of the same kind, an interval of 95 % misses the mean of all few times."""
    random, found = np.random.default_rng(3), []
    for seed in range(100):
        x = random.normal(size=(120, 2))
        y = x @ [1.0, 0.5] + random.normal(0, 0.5, 120)
        found.append(
            permutation_importance(lambda x: (x @ [1.0, 0.5])[:, None], x, Actual(y[:, None]), {"y": MSE}, seed)[0]["y"]
        )
    center = np.mean([own.value for own in found])
    assert np.mean([own.low <= center <= own.high for own in found]) > 0.85


@pytest.mark.parametrize("known", [0, 1])
def test_a_head_without_two_known_targets_has_no_importance(known: int) -> None:
    y = np.where(np.arange(300) < known, 1.0, np.nan)
    heads = {"y": MSE, "none": MSE}
    found = permutation_importance(lambda x: x[:, :2], X, Actual(np.column_stack([Y, y])), heads, 0)
    assert [list(own) for own in found] == [["y"]] * 3


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_too_few_rows_have_no_importance(rows: int) -> None:
    assert permutation_importance(predict, X[:rows], Actual(Y[:rows, None]), {"y": MSE}, 0) == [{}, {}, {}]


@pytest.mark.parametrize(("rows", "inputs"), [(10, 3), (10_000, 3), (10_000, 500)])
def test_many_inputs_are_shuffled_among_fewer_rows(rows: int, inputs: int) -> None:
    assert min(rows, FEWEST_ROWS) <= shuffled_rows(rows, inputs) <= rows


def test_partial_dependence_is_that_of_scikit_learn() -> None:
    for column, own in enumerate(partial_dependence(predict, X, [0, 1, 2], 0)):
        theirs = sklearn_dependence(FITTED, X, [column], method="brute", grid_resolution=POINTS)
        assert own.values == tuple(theirs["grid_values"][0])
        np.testing.assert_allclose([means[0] for means in own.predictions], theirs["average"][0])


@pytest.mark.parametrize("columns", [[], [1]])
def test_many_values_are_quantiles_and_gaps_are_none_of_them(columns: Sequence[int]) -> None:
    x = np.random.default_rng(0).normal(size=(3 * MOST_ROWS, 2))
    x[:50, 1] = np.nan
    found = partial_dependence(lambda x: np.nan_to_num(x[:, 1:]), x, columns, 0)
    assert [(len(own.values), len(own.predictions)) for own in found] == [(POINTS, POINTS)] * len(columns)
    for own in found:
        np.testing.assert_allclose([means[0] for means in own.predictions], own.values)
