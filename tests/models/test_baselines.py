"""Estimators of scikit-learn's, against least squares by hand and against scikit-learn one head at a time."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR
from threadpoolctl import threadpool_limits

from branchsweep.config.comparison import Estimator
from branchsweep.config.estimator_names import ESTIMATORS, is_joint
from branchsweep.errors import DataError
from branchsweep.metrics.actual import Actual
from branchsweep.models.baselines import Estimator as SklearnEstimator
from branchsweep.models.baselines import FittedBaseline, estimator_label, fit, make_estimators, measure_cost
from branchsweep.models.heads import regression
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.heads.regression import MSE
from branchsweep.types import Floats
from properties import quick


def kinds(*names: str) -> dict[str, Head]:
    return dict.fromkeys(names, MSE)


HEADS = kinds("PE", "V", "RH")
PER_HEAD = [name for name in ESTIMATORS if not is_joint(name)]
RANDOM = ("random_forest", "extra_trees")
"""Estimators that depend on their seed; gradient boosting does only with far more rows than here."""


def fitted(
    name: str, x: Floats, y: Floats, heads: Mapping[str, Head] = HEADS, chain: Sequence[str] | None = None, seed: int = 0
) -> FittedBaseline:
    return fit(make_estimators(name, heads, seed), x, y, chain)


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    """With so few rows several threads are slower than one."""
    with threadpool_limits(1):
        yield


def test_an_estimator_is_called_what_it_is_for_the_tasks_of_the_heads() -> None:
    binary, count, quantile, multiclass = map(head_kind, ("binary", "count", "quantile(0.9)", "multiclass(3)"))
    assert estimator_label("linear_regression", [MSE]) == "linear regression"
    assert estimator_label("linear_regression", [binary, multiclass]) == "logistic regression"
    assert estimator_label("linear_regression", [MSE, binary, count]) == "linear, logistic and Poisson regression"
    assert estimator_label("linear_regression", [quantile]) == "quantile regression"
    assert estimator_label("random_forest", [MSE, binary, count]) == "random forest"


class Standardized:
    """An estimator between columns of mean 0 and deviation 1, rounded to 32 bits, without a pipeline."""

    def __init__(self, estimator: SklearnEstimator) -> None:
        self.estimator = estimator

    def fit(self, X: Floats, y: Floats) -> None:
        self.centre, self.scale = X.mean(0), X.std(0)
        self.target_centre, self.target_scale = y.mean(axis=0), y.std(axis=0)
        self.estimator.fit(self.scaled(X), ((y - self.target_centre) / self.target_scale).astype(np.float32).astype(float))

    def scaled(self, X: Floats) -> Floats:
        scaled: Floats = ((X - self.centre) / self.scale).astype(np.float32).astype(np.float64)
        return scaled

    def predict(self, X: Floats) -> Floats:
        predicted: Floats = self.estimator.predict(self.scaled(X)) * self.target_scale + self.target_centre
        return predicted


def one_head(estimator: str, seed: int) -> SklearnEstimator:
    estimators: dict[str, SklearnEstimator] = {
        "linear_regression": LinearRegression(),
        "k_nearest_neighbors": Standardized(KNeighborsRegressor()),
        "support_vector_regression": Standardized(SVR()),
        "random_forest": Standardized(RandomForestRegressor(random_state=seed)),
        "extra_trees": Standardized(ExtraTreesRegressor(random_state=seed)),
        "histogram_gradient_boosting": Standardized(HistGradientBoostingRegressor(random_state=seed)),
    }
    return estimators[estimator]


def rows(number: int = 60) -> tuple[Floats, Floats, Floats]:
    """Training inputs of unequal scales, targets that depend on each other, and inputs to predict for."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(number, 4)) * [1.0, 5.0, 20.0, 100.0]
    first = x @ [2.0, 0.5, 0.1, 0.0]
    y = np.column_stack([450.0 - first, 0.1 * first**2, first + x[:, 0] ** 2]) + rng.normal(size=(number, 3))
    return x, y, rng.normal(size=(9, 4)) * [1.0, 5.0, 20.0, 100.0]


# --- a sweep's baselines ---


def test_linear_regression_is_least_squares_with_an_intercept() -> None:
    rng = np.random.default_rng(3)
    x_train, x_test = rng.normal(20.0, 5.0, (60, 4)), rng.normal(20.0, 5.0, (9, 4))
    y_train = np.column_stack([450.0 - x_train @ [2.0, 0.5, 0.1, 0.0], x_train[:, 0] ** 2]) + rng.normal(size=(60, 2))
    weights, *_ = np.linalg.lstsq(np.column_stack([np.ones(60), x_train]), y_train, rcond=None)
    by_hand = np.column_stack([np.ones(9), x_test]) @ weights
    predicted = fitted("linear_regression", x_train, y_train, kinds("PE", "V")).predict(x_test)
    assert predicted.shape == (9, 2)
    assert predicted == pytest.approx(by_hand)


@pytest.mark.parametrize("name", PER_HEAD)
def test_predictions_of_a_head_do_not_depend_on_the_other_heads(name: str) -> None:
    rng = np.random.default_rng(4)
    x_train, y_train, x_test = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.normal(size=(5, 3))
    together = fitted(name, x_train, y_train, kinds("PE", "V")).predict(x_test)
    alone = fitted(name, x_train, y_train[:, 1:], kinds("V")).predict(x_test)
    assert np.array_equal(together[:, 1:], alone)


# --- units ---


def r2_of_heads(estimator: str, x: Floats, y: Floats, unseen: Floats, actual: Floats) -> Floats:
    predicted = fitted(estimator, x, y, seed=5).predict(unseen)
    r2: Floats = np.asarray(r2_score(actual, predicted, multioutput="raw_values"))
    return r2


@pytest.mark.parametrize("estimator", PER_HEAD)
@settings(quick, max_examples=6)
@given(st.lists(st.integers(-9, 9), min_size=7, max_size=7))
def test_the_units_of_columns_change_no_score(estimator: str, exponents: list[int]) -> None:
    x, y, _ = rows(90)
    x, y = np.round(x, 1), np.round(y, 1)  # as in a table: with ties
    units = 10.0 ** np.array(exponents)
    in_units = r2_of_heads(estimator, x[:60] * units[:4], y[:60] * units[4:], x[60:] * units[:4], y[60:] * units[4:])
    assert in_units == pytest.approx(r2_of_heads(estimator, x[:60], y[:60], x[60:], y[60:]), abs=1e-9)


def test_a_column_in_small_units_beside_one_in_large_units_counts() -> None:
    rng = np.random.default_rng(0)
    seconds, mol = 1.7e9 + rng.uniform(0, 3e7, 400), rng.uniform(1, 10, 400) * 1e-3
    x = np.stack([seconds, mol], axis=1)
    y = np.stack([mol * 1e3 + rng.normal(0, 0.1, 400), seconds / 1e7 - mol * 1e3], axis=1)
    predicted = fitted("linear_regression", x[:300], y[:300], kinds("u", "v")).predict(x[300:])
    assert r2_score(y[300:], predicted, multioutput="raw_values") == pytest.approx([0.998, 1.0], abs=0.001)


# --- a comparison's estimators ---


@pytest.mark.parametrize("estimator", PER_HEAD)
def test_a_target_that_is_0_in_some_rows_is_learnt_without_a_warning(estimator: str) -> None:
    """Rounded and converted back, 0 is a number near 0, and scikit-learn would warn of that."""
    random = np.random.default_rng(0)
    targets = np.where(random.random(40) < 0.3, 0.0, random.normal(17.3, 9.1, 40))[:, None]
    fit(make_estimators(estimator, kinds("PE")), random.normal(size=(40, 2)), targets)


def test_every_estimator_that_a_comparison_may_name_can_be_made() -> None:
    named = get_args(Estimator.model_fields["estimator"].annotation)
    assert list(ESTIMATORS) == list(named)
    assert list(regression.ESTIMATORS) == PER_HEAD


JOINT_ESTIMATORS = [name for name in ESTIMATORS if is_joint(name)]


@pytest.mark.parametrize("name", JOINT_ESTIMATORS)
def test_a_joint_estimator_is_scikit_learns_on_all_targets(name: str) -> None:
    x, y, unseen = rows()
    predicted = fitted(name, x, y, HEADS, seed=5).predict(unseen)
    reference = one_head(name.removeprefix("joint_"), seed=5)
    reference.fit(x, y)
    np.testing.assert_allclose(predicted, reference.predict(unseen), rtol=1e-9)
    one = fitted(name, x, y[:, :1], kinds("PE"), seed=5).predict(unseen)
    assert one.shape == (9, 1)


def test_a_joint_estimator_learns_from_rows_with_all_targets() -> None:
    x, y, unseen = rows()
    partial = y.copy()
    partial[::3, 0] = np.nan
    complete = ~np.isnan(partial).any(axis=1)
    predicted = fitted("joint_extra_trees", x, partial, HEADS, seed=5).predict(unseen)
    without = fitted("joint_extra_trees", x[complete], y[complete], HEADS, seed=5)
    np.testing.assert_array_equal(predicted, without.predict(unseen))
    with pytest.raises(DataError, match="all heads"):
        fitted("joint_extra_trees", x, np.where(np.arange(3) == 1, np.nan, y), HEADS)


@pytest.mark.parametrize("estimator", PER_HEAD)
def test_without_a_chain_each_head_has_its_own_estimator(estimator: str) -> None:
    x, y, unseen = rows()
    predicted = fitted(estimator, x, y, HEADS, None, seed=5).predict(unseen)
    assert predicted.shape == (9, 3)
    for head in range(3):
        alone = one_head(estimator, seed=5)
        alone.fit(x, y[:, head])
        assert predicted[:, head] == pytest.approx(alone.predict(unseen), rel=1e-9)


@pytest.mark.parametrize("estimator", PER_HEAD)
def test_a_chain_reads_the_predictions_of_earlier_heads(estimator: str) -> None:
    x, y, unseen = rows()
    predicted = fitted(estimator, x, y, HEADS, ["RH", "PE", "V"], seed=5).predict(unseen)
    reads, known = x, unseen
    for head in (2, 0, 1):
        link = one_head(estimator, seed=5)
        link.fit(reads, y[:, head])
        by_hand = link.predict(known)
        assert predicted[:, head] == pytest.approx(by_hand, rel=1e-9)
        reads, known = np.column_stack([reads, y[:, head]]), np.column_stack([known, by_hand])


def test_predictions_depend_on_the_order_of_the_chain() -> None:
    x, y, unseen = rows()
    in_order, reversed_order = (
        fitted("k_nearest_neighbors", x, y, HEADS, chain, seed=1).predict(unseen) for chain in (list(HEADS), list(HEADS)[::-1])
    )
    assert not np.allclose(in_order, reversed_order)


@pytest.mark.parametrize("chain", [["PE", "V"], ["PE", "V", "V"], ["PE", "V", "AT"]])
def test_a_chain_names_each_head_once(chain: list[str]) -> None:
    x, y, _ = rows()
    with pytest.raises(ValueError, match="PE, V, RH"):
        fitted("linear_regression", x, y, HEADS, chain, seed=1)


@pytest.mark.parametrize("chain", [None, tuple(HEADS)])
@pytest.mark.parametrize("estimator", PER_HEAD)
def test_predictions_are_reproducible_with_the_same_seed(estimator: str, chain: tuple[str, ...] | None) -> None:
    x, y, unseen = rows(30)
    first, again, other = (fitted(estimator, x, y, HEADS, chain, seed).predict(unseen) for seed in (1, 1, 2))
    assert first == pytest.approx(again, rel=1e-12)  # a forest adds up its trees in the order in which threads finish
    assert np.allclose(first, other) == (estimator not in RANDOM)


@pytest.mark.parametrize("estimator", ["linear_regression", "histogram_gradient_boosting"])
def test_the_cost_of_an_estimator_has_seconds_and_bytes(estimator: str) -> None:
    x, y, unseen = rows()
    baseline = fitted(estimator, x, y, HEADS, ["V", "PE", "RH"], seed=1)
    cost = measure_cost(baseline, unseen)
    assert (cost.parameters, cost.tuning_seconds) == (None, 0.0)
    assert cost.training_seconds == baseline.seconds > 0
    assert cost.latency > 0
    assert cost.bytes > 500
    assert measure_cost(replace(baseline, seconds=2.5), unseen).training_seconds == 2.5


def test_a_forest_is_larger_than_a_linear_regression() -> None:
    x, y, unseen = rows()
    forest, linear = (
        measure_cost(fitted(name, x, y, HEADS, None, seed=1), unseen) for name in ("random_forest", "linear_regression")
    )
    assert forest.bytes > 10 * linear.bytes


def partial(y: Floats) -> Floats:
    """The same targets, of which each head lacks some in other rows."""
    return np.where(np.random.default_rng(3).random(y.shape) < 0.3, np.nan, y)


@pytest.mark.parametrize("name", PER_HEAD)
def test_each_head_is_learnt_from_the_rows_where_its_target_is_known(name: str) -> None:
    x, y, _ = rows()
    predicted = fitted(name, x, partial(y)).predict(x)
    for column in range(y.shape[1]):
        known = ~np.isnan(partial(y)[:, column])
        alone = fitted(name, x[known], y[known, column, None], kinds("PE")).predict(x)
        np.testing.assert_array_equal(predicted[:, [column]], alone)


def test_a_chain_reads_predictions_where_an_earlier_target_is_not_known() -> None:
    x, y, _ = rows()
    y[:, 1] = y[:, 0] + x[:, 0]
    gaps = partial(y)
    gaps[:, 1] = np.where(np.isnan(gaps[:, 0]), y[:, 1], gaps[:, 1])
    chained = fitted("linear_regression", x, gaps, chain=["PE", "V", "RH"])
    known = ~np.isnan(gaps)
    first = LinearRegression().fit(x[known[:, 0]], y[known[:, 0], 0]).predict(x)
    read = np.column_stack([x, np.where(known[:, 0], y[:, 0], first)])
    second = LinearRegression().fit(read[known[:, 1]], y[known[:, 1], 1])
    np.testing.assert_allclose(chained.predict(x)[:, 1], second.predict(np.column_stack([x, first])))


@pytest.mark.parametrize("name", PER_HEAD)
def test_rows_of_weight_0_are_not_learnt_where_the_estimator_takes_weights(name: str) -> None:
    x, y, _ = rows()
    far = y.copy()
    far[::3] += 100.0 * (1.0 + np.arange(len(far[::3])))[:, None]
    weights = np.ones_like(y)
    weights[::3] = 0.0
    by_weights, with_all = (fit(make_estimators(name, HEADS), x, Actual(far, of_rows)) for of_rows in (weights, None))
    errors = [float(np.abs(fit.predict(x) - y).mean()) for fit in (by_weights, with_all)]
    if name == "k_nearest_neighbors":  # scikit-learn's takes none
        assert errors[0] == errors[1]
    else:
        assert errors[0] < errors[1] / 2


def test_a_linear_regression_with_weights_is_that_of_scikit_learn() -> None:
    x, y, _ = rows()
    weights = np.random.default_rng(4).random(y.shape)
    predicted = fit(make_estimators("linear_regression", HEADS), x, Actual(y, weights)).predict(x)
    for column in range(y.shape[1]):
        expected = LinearRegression().fit(x, y[:, column], sample_weight=weights[:, column]).predict(x)
        np.testing.assert_allclose(predicted[:, column], expected)
