"""The estimators are estimators of scikit-learn: in pipelines and cross-validation, cloned and pickled, without files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from branchsweep import BranchedClassifier, BranchedRegressor, Choice, Int
from branchsweep.config.sections.columns import NUMERIC
from branchsweep.estimators.network_estimator import Rows
from branchsweep.models.recipe import recipe_for
from branchsweep.types import Floats

RNG = np.random.default_rng(0)
X: Floats = RNG.normal(size=(120, 3))
Y: Floats = np.stack([X[:, 0] - X[:, 1], X[:, 2] ** 2], axis=1)
SMALL = {"trunk.depth": 1, "trunk.width": 16, "branch.depth": 0}

NOT_ASKED = "check_array_api_input"
"""It is of arrays that are none of NumPy's, which scikit-learn reads with SCIPY_ARRAY_API=1 alone; else it skips itself."""

QUICK = ("check_no_attributes_set_in_init", "check_do_not_raise_errors_in_init_or_set_params", "check_estimators_unfitted")
"""The checks that train nothing; the others are slow."""


def regressor(**changes: Any) -> BranchedRegressor:
    """One that trains for a moment."""
    return BranchedRegressor(**{"n_trials": 0, "params": SMALL, "epochs": 150, "random_state": 0, **changes})


@pytest.fixture(scope="module")
def fitted() -> BranchedRegressor:
    return regressor().fit(X, Y)


def test_it_predicts_all_targets(fitted: BranchedRegressor) -> None:
    assert fitted.predict(X).shape == Y.shape and fitted.score(X, Y) > 0.8
    assert (fitted.n_features_in_, fitted.n_outputs_) == (3, 2) and fitted.params_["trunk.width"] == 16


def test_a_hyperparameter_of_one_target_is_named_by_its_column() -> None:
    frame = pd.DataFrame(Y, columns=["PE", "V (cm Hg)"])
    params = {**SMALL, "V_cm_Hg.loss_weight": 2.0}
    assert regressor(params=params).fit(X, frame).params_["V_cm_Hg.loss_weight"] == 2.0
    with pytest.raises(ValueError, match="V_cm_Hg"):
        regressor(params=params).fit(X, Y)


@pytest.mark.slow
def test_one_target_is_predicted_in_the_shape_that_it_was_given() -> None:
    model = regressor(params={"trunk.width": 16})
    assert model.fit(X, Y[:, 0]).predict(X).shape == (120,)
    assert model.fit(X, Y[:, :1]).predict(X).shape == (120, 1)


def test_a_pickle_predicts_the_same_and_a_clone_is_not_fitted(fitted: BranchedRegressor) -> None:
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))  # noqa: S301  # our own
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params() and not hasattr(copied, "params_")


def test_the_random_state_decides_the_predictions(fitted: BranchedRegressor) -> None:
    np.testing.assert_array_equal(regressor().fit(X, Y).predict(X), fitted.predict(X))
    assert not np.array_equal(regressor(random_state=1).fit(X, Y).predict(X), fitted.predict(X))


def test_columns_of_any_kind_are_read_from_a_dataframe() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        zone=np.where(X[:, 0] > 0, "hot", "cold"), day=pd.date_range("2024-01-01", periods=120, freq="7h")
    )
    frame.loc[::9, "c"] = np.nan
    target = pd.Series((frame["zone"] == "hot") * 3.0 + X[:, 1])
    model = regressor().fit(frame, target)
    assert model.score(frame, target) > 0.9 and list(model.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"zone": "place"}))


def test_a_pipeline_is_cross_validated_and_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gaps = np.where(np.arange(X.size).reshape(X.shape) % 11, X, np.nan)
    pipeline = make_pipeline(SimpleImputer(), regressor())
    scores = cross_val_score(pipeline, gaps, Y, cv=KFold(2, shuffle=True, random_state=0))
    assert np.isfinite(scores).all() and not list(tmp_path.iterdir())


def test_a_search_keeps_the_best_trial() -> None:
    space = {"learning_rate": Choice([1e-6, 1e-2])}
    model = regressor(n_trials=2, space=space, validation=0.3).fit(X, Y)
    assert len(model.trials_) == 2 and model.params_["learning_rate"] == 1e-2
    assert model.params_["learning_rate"] == model.trials_["learning_rate"].iloc[0]


def test_a_search_asks_the_recipe_without_a_search_first() -> None:
    searched, alone = (regressor(n_trials=count, params=None)._request(_rows()).experiment for count in (2, 0))
    (first,) = searched.search.initial_trials.values()
    assert recipe_for(searched, first) == recipe_for(alone, {})


def test_the_first_trial_lies_in_the_space_that_is_given() -> None:
    space = {"learning_rate": Choice([1e-6, 1e-2]), "trunk.depth": Int(3, 4)}
    experiment = regressor(n_trials=1, params={"trunk.width": 8}, space=space)._request(_rows()).experiment
    assert list(experiment.search.initial_trials.values()) == [{"learning_rate": 1e-2, "trunk.depth": 3}]
    nothing = regressor(n_trials=1, space={})._request(_rows()).experiment
    assert not nothing.search.initial_trials


def test_what_is_fixed_for_all_targets_is_searched_for_none() -> None:
    experiment = regressor(n_trials=2, params={"branch.depth": 1, "trunk.width": 8})._request(_rows()).experiment
    assert "PE.depth" not in experiment.space.dimensions and "PE.loss_weight" in experiment.space.dimensions
    assert "trunk.width" not in experiment.space.dimensions and experiment.space.fixed["branch.depth"] == 1


def test_values_of_numpy_are_plain_values() -> None:
    params = {"trunk.width": np.int64(8)}
    given = regressor(n_trials=np.int64(2), epochs=np.int64(3), params=params)._request(_rows()).experiment
    assert given == regressor(n_trials=2, epochs=3, params={"trunk.width": 8})._request(_rows()).experiment


def _rows() -> Rows:
    """What an estimator makes a request of."""
    return Rows({f"x{position}": NUMERIC for position in range(3)}, X, Y, ["PE", "V"])


WRONG = np.arange(120) % 3 == 0
"""Rows whose targets are wrong in the tests of weights."""


def test_a_row_of_weight_zero_is_left_out(fitted: BranchedRegressor) -> None:
    again = np.concatenate([X, X[WRONG]]), np.concatenate([Y, Y[WRONG] + 50])
    model = regressor().fit(*again, sample_weight=np.where(np.arange(160) < 120, 1.0, 0.0))
    np.testing.assert_array_equal(model.predict(X), fitted.predict(X))
    with pytest.raises(ValueError, match="weights"):
        regressor().fit(X, Y, sample_weight=np.zeros(120))


@pytest.mark.slow
def test_rows_count_by_their_weights() -> None:
    noisy = Y + 50 * WRONG[:, None]
    favoured = regressor().fit(X, noisy, sample_weight=np.where(WRONG, 1e-3, 1.0))
    assert favoured.score(X, Y) > 0.5 > regressor().fit(X, noisy).score(X, Y)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"params": {"trunk.dept": 2}}, "trunk.dept"),
        ({"params": {"learning_rate": "fast"}}, "learning_rate"),
        ({"n_trials": 2, "validation": "all"}, "validation"),
        ({"n_trials": 2, "space": {"learning_rate": {"type": "float", "low": 1}}}, "space.learning_rate"),
        ({"epochs": 0}, "epochs"),
        ({"n_trials": -1}, "n_trials"),
        ({"n_networks": 0}, "n_networks"),
        ({"n_trials": 2, "space": {"builder": "networks:build"}}, "builder"),
    ],
)
def test_a_wrong_parameter_is_one_message(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        regressor(**changes).fit(X, Y)


def test_texts_that_are_no_categories_are_refused() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "note": [f"text {number}" for number in range(len(X))]})
    with pytest.raises(ValueError, match="note"):
        regressor().fit(frame, Y)


LABELS = np.where(X[:, 0] + X[:, 1] > 0, "on", "off")
SECOND = np.where(X[:, 2] > 0.3, "high", "low")


def classifier(**changes: Any) -> BranchedClassifier:
    """One that trains for a moment."""
    return BranchedClassifier(**{"n_trials": 0, "params": SMALL, "epochs": 150, "random_state": 0, **changes})


@pytest.fixture(scope="module")
def fitted_classifier() -> BranchedClassifier:
    return classifier().fit(X, np.stack([LABELS, SECOND], axis=1))


class TestClassifier:
    def test_it_predicts_the_classes_and_their_probabilities(self) -> None:
        model = classifier().fit(X, LABELS)
        assert model.classes_.tolist() == ["off", "on"] and model.score(X, LABELS) > 0.9
        probabilities = model.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(X)).all()

    def test_several_targets_have_a_list_of_classes_and_of_probabilities(self, fitted_classifier: BranchedClassifier) -> None:
        assert [classes.tolist() for classes in fitted_classifier.classes_] == [["off", "on"], ["high", "low"]]
        targets = np.stack([LABELS, SECOND], axis=1)
        assert fitted_classifier.predict(X).shape == (120, 2) and fitted_classifier.score(X, targets) > 0.8
        assert [own.shape for own in fitted_classifier.predict_proba(X)] == [(120, 2)] * 2

    def test_a_target_of_three_classes_beside_one_of_two(self) -> None:
        thirds = np.digitize(X[:, 0], [-0.5, 0.5])
        targets = np.stack([thirds, X[:, 2] > 0], axis=1)
        model = classifier().fit(X, targets)
        assert [own.tolist() for own in model.classes_] == [[0, 1, 2], [0, 1]] and model.score(X, targets) > 0.7
        several, two = model.predict_proba(X)
        assert (several.shape, two.shape) == ((120, 3), (120, 2))
        np.testing.assert_allclose(several.sum(axis=1), 1)
        assert (several.argmax(axis=1) == model.predict(X)[:, 0]).all()

    def test_a_pickle_predicts_the_same_and_a_clone_is_not_fitted(self, fitted_classifier: BranchedClassifier) -> None:
        copied = pickle.loads(pickle.dumps(fitted_classifier))  # noqa: S301  # our own
        assert (copied.predict(X) == fitted_classifier.predict(X)).all()
        assert not hasattr(clone(fitted_classifier), "classes_")

    @pytest.mark.slow
    def test_a_search_on_a_dataframe_in_a_pipeline_is_cross_validated(self) -> None:
        frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(zone=np.where(X[:, 0] > 0, "hot", "cold"))
        searched = classifier(n_trials=2, space={"learning_rate": Choice([1e-6, 1e-2])}, validation=0.3, epochs=60)
        scores = cross_val_score(make_pipeline("passthrough", searched), frame, LABELS == "on", cv=2, scoring="roc_auc")
        assert scores.min() > 0.8

    @pytest.mark.parametrize(("labels", "named"), [(np.ones(120, int), "1 class"), (X[:, 0], "continuous")])
    def test_targets_of_one_class_and_numbers_are_refused(self, labels: Any, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            classifier().fit(X, labels)


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "batches are of rows, so a row of weight 2 is not the same as two rows"
}
"""The checks that fail, with the reason."""


def checks_of_scikit_learn() -> list[Any]:
    """Every check of both estimators, as a parameter; those that train are slow."""
    parameters = []
    for kind in (BranchedRegressor, BranchedClassifier):
        for estimator, check in estimator_checks_generator(kind(n_trials=0, epochs=60)):
            name = check.func.__name__ if isinstance(check, partial) else check.__name__
            marks: list[Any] = [] if name in QUICK else [pytest.mark.slow]
            if name in EXPECTED_FAILURES:
                marks.append(pytest.mark.xfail(reason=EXPECTED_FAILURES[name], raises=AssertionError))
            if name != NOT_ASKED:
                parameters.append(pytest.param(estimator, check, marks=marks, id=f"{kind.__name__}-{name}"))
    return parameters


@pytest.mark.parametrize(("estimator", "check"), checks_of_scikit_learn())
def test_a_check_of_scikit_learn_passes(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
