"""The search of an estimator's hyperparameters, against fits by hand."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import d2_log_loss_score, r2_score
from threadpoolctl import threadpool_limits

from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.data.class_weights import ClassWeight
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.models.baselines import ALL_HEADS, fit, make_estimators
from branchsweep.models.heads.binary import classifier
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params
from branchsweep.types import Floats
from branchsweep.workflows.estimator_tuning import EstimatorSearch, EstimatorToFit, flat_params, searched_params
from tiny_sweep import tiny_experiment

NEIGHBORS = {"n_neighbors": {"type": "int", "low": 1, "high": 30}}
EXPERIMENT = tiny_experiment()
FOLDS = range(3)


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    """With so few rows several threads are slower than one."""
    with threadpool_limits(1):
        yield


def rows() -> TrainingRows:
    """PE varies fast and has no noise, V is a line with much noise: few neighbors are best for PE, many for V."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, size=(240, 2))
    y = np.stack([np.sin(5 * x[:, 0]), x.sum(1) + 1.5 * random.normal(size=240)], axis=1)
    parts = np.array_split(random.permutation(240), 4)
    folds = tuple((np.concatenate([part for part in parts[:3] if part is not held]), held) for held in parts[:3])
    return TrainingRows(x, y, folds, ("PE", "V"))


def to_fit(name: str = "k_nearest_neighbors", chain: Sequence[str] | None = None, **settings: Any) -> EstimatorToFit:
    tuned = TunedEstimator.model_validate({"estimator": name, **settings})
    return EstimatorToFit(tuned, EXPERIMENT, rows(), chain=chain)


def searched(estimator: EstimatorToFit, trials: int = 30) -> Mapping[str, Params]:
    return searched_params(estimator, EstimatorSearch(FOLDS, trials, seed=1), lambda _: None)


def scores_by_hand(estimator: EstimatorToFit, params: Params) -> Floats:
    """R² by head, averaged over the folds."""
    table, kinds = estimator.rows, kinds_by_head(EXPERIMENT)
    by_fold = []
    for train, held in table.folds:
        estimators = make_estimators(estimator.tuned.estimator, kinds, params={ALL_HEADS: params})
        predicted = fit(estimators, table.x[train], table.y[train], estimator.chain).predict(table.x[held])
        by_fold.append(r2_score(table.y[held], predicted, multioutput="raw_values"))
    mean: Floats = np.mean(by_fold, axis=0)
    return mean


def test_every_head_takes_the_values_that_are_the_best_for_it() -> None:
    estimator = to_fit(space={"n_neighbors": {"type": "int", "low": 1, "high": 30}})
    by_hand = np.array([scores_by_hand(estimator, {"n_neighbors": count}) for count in range(1, 31)])
    best = {head: {"n_neighbors": int(np.argmax(by_hand[:, column])) + 1} for column, head in enumerate(("PE", "V"))}
    found = searched(estimator, trials=31)
    assert best["PE"] != best["V"]
    assert {head: params or {"n_neighbors": 5} for head, params in found.items()} == best


@pytest.mark.parametrize("name", ["linear_regression", "random_forest"])
@pytest.mark.parametrize("weight", ["balanced", (1.0, 5.0)])
def test_estimators_learn_with_the_class_weights_of_their_heads_and_are_scored_without(name: str, weight: ClassWeight) -> None:
    table = rows()
    classes = (table.y[:, 1] > 0.8).astype(float)
    heads = {"PE": {}, "V": {"task": "binary", "classes": ["low", "high"]}}
    weighted = replace(table, y=np.column_stack([table.y[:, 0], classes]), class_weights=(None, weight))
    estimator = EstimatorToFit(TunedEstimator.model_validate({"estimator": name}), tiny_experiment(heads=heads), weighted)
    train, held = table.folds[0]
    fitted, measured = estimator.on_fold(0, {})
    by_class = weight if weight == "balanced" else dict(enumerate(weight or ()))
    for own, is_weighted in ((by_class, True), (None, False)):
        expected = classifier(name, 0)
        expected[-1].set_params(class_weight=own)
        probabilities = expected.fit(table.x[train], classes[train]).predict_proba(table.x[held])[:, 1]
        explained = d2_log_loss_score(classes[held], probabilities)
        assert np.allclose(fitted.predict(table.x[held])[:, 1], probabilities, atol=1e-3) == is_weighted
        assert (abs(measured["V"].score - explained) < 0.01) == is_weighted


@pytest.mark.parametrize(("name", "chain"), [("joint_k_nearest_neighbors", None), ("k_nearest_neighbors", ["V", "PE"])])
def test_estimators_that_depend_on_each_other_take_the_values_of_the_best_mean(name: str, chain: list[str] | None) -> None:
    estimator = to_fit(name, chain, space=NEIGHBORS)
    by_hand = [scores_by_hand(estimator, {"n_neighbors": count}).mean() for count in range(1, 31)]
    found = searched(estimator, trials=31)
    assert list(found) == [ALL_HEADS]
    assert found[ALL_HEADS].get("n_neighbors", 5) == int(np.argmax(by_hand)) + 1


def test_the_first_trial_has_the_defaults_and_what_is_fixed() -> None:
    fixed = {"weights": "distance"}
    assert searched(to_fit(fixed=fixed, space=NEIGHBORS), trials=1) == {"PE": fixed, "V": fixed}
    assert searched(to_fit("joint_extra_trees", space={"max_depth": {"type": "int", "low": 1, "high": 2}}), trials=3) == {
        ALL_HEADS: {}
    }, "no depth of 2 is as good as the default"


def test_a_search_follows_from_its_seed() -> None:
    space = {"max_features": {"type": "float", "low": 0.2, "high": 1.0}}
    estimator = to_fit("extra_trees", fixed={"n_estimators": 5}, space=space)
    assert searched(estimator, trials=6) == searched(estimator, trials=6)


def test_params_that_cannot_be_fitted_are_failed_trials() -> None:
    estimator = to_fit(space={"n_neighbors": {"type": "choice", "choices": [300, 400, 2]}})
    assert set(flat_params(searched(estimator)).values()) <= {2}


def test_where_no_trial_can_be_fitted_the_message_is_that_of_the_first_one() -> None:
    estimator = to_fit(fixed={"n_neighbors": 300}, space={"p": {"type": "float", "low": 1.0, "high": 2.0}})
    with pytest.raises(ConfigError, match="n_neighbors 300 cannot be fitted") as caught:
        searched(estimator, trials=3)
    assert caught.value.where == "baselines"


def test_an_estimator_that_cannot_be_fitted_with_its_defaults_is_one_message() -> None:
    few = EstimatorToFit(TunedEstimator(estimator="k_nearest_neighbors"), EXPERIMENT, rows())
    with pytest.raises(ConfigError, match="k nearest neighbors cannot be fitted"):
        few.on_rows(np.arange(4), (few.rows.x, few.rows.actual), {})


def test_no_further_trial_begins_when_the_time_is_over() -> None:
    search = EstimatorSearch(FOLDS, 10**6, seed=1, seconds=1e-9)
    assert searched_params(to_fit(space=NEIGHBORS), search, lambda _: None) == {"PE": {}, "V": {}}


def test_hyperparameters_of_a_single_head_are_named_after_it() -> None:
    assert flat_params({"PE": {"p": 1.5}, "V": {"p": 2.0}}) == {"PE/p": 1.5, "V/p": 2.0}
    assert flat_params({ALL_HEADS: {"p": 1.5}}) == {"p": 1.5}
