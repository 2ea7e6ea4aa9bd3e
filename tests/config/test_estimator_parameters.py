"""The hyperparameters of estimators: every one is scikit-learn's, and what is accepted here scikit-learn accepts.

The metric `learned` is the exception.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sklearn.compose import TransformedTargetRegressor
from sklearn.utils._param_validation import validate_parameter_constraints

from branchsweep.config.comparison import Estimator
from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.estimator_parameters import (
    ESTIMATOR_PARAMETERS,
    LEARNED,
    Bounds,
    EstimatorParameter,
    estimator_parameters,
)
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.errors import ConfigError
from branchsweep.models.baselines import ALL_HEADS, make_estimators
from branchsweep.models.heads.regression import MSE
from branchsweep.trial import ParamValue
from yaml_files import config_error, write_yaml


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


CASES = [(name, parameter) for name, parameters in ESTIMATOR_PARAMETERS.items() for parameter in parameters]


def scikit_learn_estimator(name: str, **params: ParamValue) -> Any:
    """The estimator inside of its pipeline, with these hyperparameters."""
    made = make_estimators(name, {"PE": MSE}, params={ALL_HEADS: params})
    outer: Any = made["PE"] if isinstance(made, dict) else made
    inner = outer.regressor if isinstance(outer, TransformedTargetRegressor) else outer
    return inner.steps[-1][1]


def accepted_values(parameter: EstimatorParameter) -> Iterator[ParamValue]:
    """The extreme values that a hyperparameter may have, and all its words but the one that is not scikit-learn's."""
    yield from (word for word in parameter.words if word != LEARNED)
    yield from ([True, False] if parameter.flag else [])
    for bounds, kind in ((parameter.whole, int), (parameter.real, float)):
        if bounds is not None:
            low = 0.5 if math.isinf(bounds.low) else bounds.low
            high = low + 3 if math.isinf(bounds.high) else bounds.high
            yield kind(math.nextafter(low, math.inf)) if bounds.above else kind(low)
            yield kind(math.nextafter(high, -math.inf)) if bounds.below else kind(high)
    if parameter.real and not parameter.whole and 1 in parameter.real:
        yield 1


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_scikit_learn_accepts_what_is_accepted_here(name: str, parameter: str) -> None:
    for value in accepted_values(estimator_parameters(name)[parameter]):
        assert estimator_parameters(name)[parameter].accepts(value)
        estimator = scikit_learn_estimator(name, **{parameter: value})
        given = estimator.get_params()
        assert given[parameter] == value
        validate_parameter_constraints(estimator._parameter_constraints, given, caller_name=name)


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_another_kind_of_value_is_not_accepted(name: str, parameter: str) -> None:
    known = estimator_parameters(name)[parameter]
    assert not known.accepts("no such word")
    assert known.accepts(True) == known.flag
    assert not known.accepts(math.inf) and not known.accepts(math.nan)
    assert known.expected


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name.startswith("joint_")])
def test_joint_estimators_take_what_those_of_one_head_take(name: str) -> None:
    parameter = next(iter(estimator_parameters(name)))
    assert estimator_parameters(name) is ESTIMATOR_PARAMETERS[name.removeprefix("joint_")]
    assert parameter in scikit_learn_estimator(name).get_params()


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [(Bounds(0, 1, above=True), (0.1, 1), (0, 1.1)), (Bounds(2, 255), (2, 255), (1, 256)), (Bounds(), (-9, 9), ())],
)
def test_bounds_know_which_ends_are_inside(bounds: Bounds, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    assert all(value in bounds for value in inside)
    assert not any(value in bounds for value in outside)


REST = """\
name: plant
table: {source: plant.csv, inputs: [AT, RH]}
heads: {PE: {}, V: {}}
space: {dimensions: {trunk.depth: {type: int, low: 1, high: 4}}}
"""


def error_of(baselines: str) -> ConfigError:
    """The error of an experiment with these baselines in its first lines."""
    return config_error(lambda: load_experiment(write_yaml(baselines + REST)))


FOREST = "{estimator: random_forest, "


@pytest.mark.parametrize(
    ("baseline", "where", "words"),
    [
        (FOREST + "fixed: {n_trees: 3}}", "fixed.n_trees", ["n_estimators", "max_features"]),
        (FOREST + "fixed: {n_estimators: 2.5}}", "fixed.n_estimators", ["2.5", "whole number of at least 1"]),
        (FOREST + "fixed: {max_features: sqr}}", "fixed.max_features", ["'sqrt'"]),
        (FOREST + "space: {max_featurs: {type: float, low: 0.2, high: 1.0}}}", "space.max_featurs", ["'max_features'"]),
        (FOREST + "space: {min_samples_leaf: {type: int, low: 0, high: 9}}}", "space.min_samples_leaf.low", ["at least 1"]),
        (FOREST + "space: {max_depth: {type: float, low: 2.0, high: 9.0}}}", "space.max_depth.type", ["whole number"]),
        (FOREST + "space: {criterion: {type: choice, choices: [mse]}}}", "space.criterion.choices[0]", ["squared_error"]),
        (FOREST + "fixed: {max_depth: 3}, space: {max_depth: {type: int, low: 1, high: 3}}}", "fixed.max_depth", ["once"]),
        (FOREST + "trials: 4}", "trials", ["space"]),
        (FOREST + "spaces: {}}", "", ["'space'"]),
        ("{estimator: random_forst}", "estimator", ["'random_forest'"]),
        ("{space: {}}", "", ["missing key 'estimator'"]),
        ("7", "", ["a text or a mapping with estimator, fixed, space, trials"]),
    ],
)
def test_a_wrong_baseline_is_named_with_its_line_and_what_is_valid(baseline: str, where: str, words: list[str]) -> None:
    error = error_of(f"baselines:\n  - linear_regression\n  - {baseline}\n")
    [line] = str(error).splitlines()
    key = f"baselines[1]{'.' * bool(where)}{where}: "
    assert key in line and all(word in line for word in words), line
    assert line.split(key)[0].endswith(":3: "), line


def test_two_baselines_of_one_estimator_with_hyperparameters_cannot_be_told_apart() -> None:
    tuned = FOREST + "fixed: {n_estimators: 300}}"
    error = error_of(f"baselines:\n  - random_forest\n  - {tuned}\n  - {tuned}\n")
    assert "baselines[2].estimator: " in str(error)


def test_a_contestant_is_checked_like_a_baseline() -> None:
    with pytest.raises(ValidationError, match="expected a hyperparameter of extra_trees"):
        Estimator.model_validate({"kind": "estimator", "estimator": "extra_trees", "fixed": {"C": 1.0}})


def test_conditions_name_earlier_dimensions() -> None:
    leaf = {"type": "int", "low": 1, "high": 9, "when": {"max_depth": [3]}}
    with pytest.raises(ValidationError, match="stands before min_samples_leaf"):
        TunedEstimator.model_validate({"estimator": "extra_trees", "space": {"min_samples_leaf": leaf}})
